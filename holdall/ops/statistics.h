// Statistics of a tensor's values: what a person looks for when training went wrong.
//
// Thread-safety: may be called from several threads. Ownership: none.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "holdall/ops/open.h"

namespace holdall {

struct Statistics {
  std::uint64_t elements = 0;
  // Of the finite values; NaN when there are none. Complex values count by magnitude.
  double min = 0;
  double max = 0;
  double mean = 0;
  double deviation = 0;  // the standard deviation of the values as they are, over their number
  std::uint64_t zeros = 0;
  std::uint64_t nan = 0;
  std::uint64_t inf = 0;
  // Finite values by equal steps from min to max, for a picture.
  std::array<std::uint64_t, 32> histogram = {};
};

// In the order given; empty for dtypes without numbers (string, record) or whose numbers this build cannot read (blocks).
// Two passes over each tensor, one with several names (NamedTensor::index) once; several tensors in parallel. Memory: a few MiB
// a thread. Errors: corrupt, io, cancelled.
Result<std::vector<std::optional<Statistics>>> measure_tensors(std::span<const NamedTensor> tensors,
                                                               const Progress& progress = {});

}  // namespace holdall
