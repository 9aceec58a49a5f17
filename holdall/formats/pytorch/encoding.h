// Encoding: a model's tree as the objects that torch.save would pickle.
//
// Thread-safety: may be called from several threads. Ownership: the result owns its arena.
#pragma once

#include <memory>
#include <vector>

#include "holdall/codec/pickle.h"
#include "holdall/formats/pytorch/placement.h"

namespace holdall::pytorch {

struct Encoded {
  std::vector<PicklePiece> pickle;     // data.pkl
  std::vector<SavedStorage> storages;  // data/0, data/1, …
  std::vector<Loss> losses;
  std::vector<std::uint32_t> entries;  // by encode_entries(): those that are written
};

// The whole tree; tensors that it does not reach are added to it under their names where it is a dict.
Result<Encoded> encode_tree(const Model& model);
// A dict of these entries under their names, without anything else of the tree.
Result<Encoded> encode_entries(const Model& model, const std::vector<std::uint32_t>& entries);

}  // namespace holdall::pytorch
