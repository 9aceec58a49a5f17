// A model's tree as one pickle of protocol 4, in which each tensor is an array of NumPy: what the formats that are pickles have
// in common in writing.
//
// Thread-safety: pure functions. Ownership: pieces share the model's sources.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "holdall/codec/pickle.h"
#include "holdall/core/model.h"
#include "holdall/io/plan.h"

namespace holdall {

// How an array is spelled.
struct PickledArrays {
  // The object that stands for a tensor, made in `scratch`. It is asked for once a view.
  std::function<Result<NodeId>(Arena& scratch, const Tensor& tensor)> array;
  // PickleWriteOptions::behind.
  std::function<std::vector<PicklePiece>(NodeId made, std::uint64_t offset)> behind = {};
};

struct PickledTree {
  std::vector<PicklePiece> pieces;
  std::vector<Loss> losses;
};

// Losses: dtypes that NumPy lacks, memory shared by different views, what is said of torch tensors beyond their values,
// metadata, configuration and side files. Errors: those of PickledArrays::array and of reading what is in memory.
Result<PickledTree> pickled_tree(const Model& model, const PickledArrays& arrays);

PlannedFile planned_file(std::vector<PicklePiece> pieces, std::string name);

}  // namespace holdall
