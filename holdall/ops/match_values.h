// Which tensors of two models have the same or nearly the same values in some order of their axes, told from a sample of each.
//
// Thread-safety: may be called from several threads. Ownership: none; models outlive the results.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "holdall/core/model.h"
#include "holdall/ops/arrange.h"
#include "holdall/ops/meter.h"

namespace holdall {

struct ValueMatch {
  std::size_t a, b;  // indices into the spans
  Arrangement arrangement;
  bool same;      // every number of the sample
  bool constant;  // the sample is one number over and over
  double cosine;  // of the sample
};

// Pairs of which each is the other's best, by far or exactly: at least `least_cosine`. Tensors of one value, and those whose
// best is not told from others, have none. Every byte of what has a partner by shape is read once. Errors: io, corrupt,
// cancelled, naming the tensor.
Result<std::vector<ValueMatch>> match_by_values(std::span<const NamedTensor* const> a, std::span<const NamedTensor* const> b,
                                                double least_cosine, Meter& meter);

}  // namespace holdall
