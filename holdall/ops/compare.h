// Comparing the values of two tensors.
//
// Thread-safety: may be called from several threads. Ownership: none.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "holdall/core/model.h"
#include "holdall/ops/meter.h"

namespace holdall {

struct Tolerance {
  double absolute = 0;
  double relative = 0;
};

struct Comparison {
  bool agree = true;
  std::uint64_t differing = 0;  // elements outside of the tolerance
  // The largest |a - b| (of complex numbers: its size); the largest |a - b| / |b| where b is not 0; empty where no finite
  // number tells. The mean is over all elements.
  std::optional<double> max_abs, max_rel, mean_abs, cosine;
};

// Two tensors of one shape, in models that outlive it.
struct TensorPair {
  const NamedTensor* a_entry;
  const NamedTensor* b_entry;

  const std::string& name() const noexcept { return a_entry->name; }
  const Tensor& a() const noexcept { return a_entry->tensor; }
  const Tensor& b() const noexcept { return b_entry->tensor; }
};

// Compares all pairs by several threads, large tensors in pieces. Equal bytes of one dtype end there; else both are read as
// numbers, where they are. Gives those that are not equal to the byte, by their place among the pairs, in its order. Errors:
// corrupt, io, cancelled, naming the tensor.
Result<std::vector<std::pair<std::size_t, Comparison>>> compare_tensors(std::span<const TensorPair> pairs,
                                                                        const Tolerance& tolerance, Meter& meter);

}  // namespace holdall
