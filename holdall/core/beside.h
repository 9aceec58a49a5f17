// What is beside the tensors of a model: where another model is made of its tensors, under other names or in other shapes.
//
// Thread-safety and ownership: pure; the result shares the model's blobs.
#pragma once

#include <memory>

#include "holdall/core/model.h"

namespace holdall {

// A builder with the model's metadata, config, side files, origin, warnings and what was left out, and without tensors or a
// tree. `arena` has the model's nodes: it is the model's own or a clone.
ModelBuilder beside(const Model& model, std::shared_ptr<Arena> arena);
// In a clone.
inline ModelBuilder beside(const Model& model) { return beside(model, model.arena().clone()); }

}  // namespace holdall
