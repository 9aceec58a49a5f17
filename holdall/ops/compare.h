// Comparing the values of two tensors.
//
// Thread-safety: may be called from several threads. Ownership: none.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "holdall/core/tensor.h"
#include "holdall/ops/meter.h"

namespace holdall {

struct Tolerance {
  double absolute = 0;
  double relative = 0;
};

struct Comparison {
  bool agree = true;
  std::uint64_t differing = 0;  // elements outside of the tolerance
  std::optional<double> max_abs, max_rel, cosine;
};

struct TensorPair {
  std::string name;
  Tensor a, b;  // of the same shape
};

// Compares all pairs by several threads, large tensors in pieces. Equal bytes of one dtype end there; else both are read as
// numbers, where they are. Errors: corrupt, io, cancelled, naming the tensor.
Result<std::vector<Comparison>> compare_tensors(std::span<const TensorPair> pairs, const Tolerance& tolerance, Meter& meter);

}  // namespace holdall
