// Tensor rows: which tensors share a line of inspect's page.
//
// Thread-safety: pure functions. Ownership: the result owns its patterns.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "holdall/core/model.h"

namespace holdall::cli {

struct TensorRow {
  std::string pattern;
  std::vector<std::uint32_t> members;  // indices of what was given; never empty
  bool one_shape = true;
};

// Repeating blocks by dtype and shape (ops/fold.h). Where names that differ only in their numbers would still take more than
// 16 rows because their shapes differ (an optimizer's moments), they share a row whatever their shapes.
std::vector<TensorRow> rows_of(std::span<const NamedTensor> tensors);

}  // namespace holdall::cli
