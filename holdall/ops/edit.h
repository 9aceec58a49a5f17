// Edit: a model with some of its tensors left out, under new names, or replaced, in a tree that follows.
//
// Thread-safety and ownership: pure; the result shares the storages of what it was made from.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "holdall/core/model.h"

namespace holdall {

// By entry of model.tensors().
struct Edits {
  std::vector<std::optional<std::string>> names;  // in the result; nullopt leaves the entry out
  std::vector<Tensor> tensors;                    // instead of those of the model

  // Everything as it is: what edit_model() makes of it may be amended (ModelBuilder::amended).
  static Edits none(const Model& model);
};

// In the tree a tensor left out takes its entry of a dict with it, and becomes null in a list or among an object's parts. A
// renamed one keeps its place where only its last key changes, and else moves to the dict whose path its new name starts with,
// or to the root; dicts that this empties go. Where no tree can say the new names, the result has flat names and a warning.
// Errors: invalid argument (two tensors of one name; names.size() or tensors.size() is not the number of entries).
Result<Model> edit_model(const Model& model, Edits edits);

}  // namespace holdall
