// Folding: the tensors of repeating blocks under one line, "encoder.layer.{0..11}.attention.self.query.weight".
//
// Thread-safety: may be called from several threads. Ownership: the result owns its patterns.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "holdall/core/model.h"

namespace holdall {

struct FoldedLine {
  std::string pattern;                 // the name itself where nothing was folded
  std::vector<std::uint32_t> members;  // indices of what was given, in its order; never empty
};

struct FoldItem {
  std::string_view name;
  std::string_view kind;  // items fold only with others of the same kind (dtype and shape)
};

// Items whose names differ only in numbers between '.' or '/' and whose numbers run without a gap, at least two of them, share
// a line; several numbers fold when every combination is there. Lines stand in the order of their first members.
std::vector<FoldedLine> fold(std::span<const FoldItem> items);
// The same for a model's tensors, by dtype and shape.
std::vector<FoldedLine> fold(std::span<const NamedTensor> tensors);

}  // namespace holdall
