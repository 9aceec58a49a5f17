// Models that the tests of ops make in memory.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "holdall/base/scratch_test_folder.h"
#include "holdall/core/model.h"

namespace holdall {

template <class T>
Tensor tensor_of(DType dtype, Shape shape, const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return *Tensor::dense(dtype, std::move(shape), Blob::memory(Bytes::copy(bytes), "memory"));
}

inline Tensor floats(std::vector<float> values) { return tensor_of(DType::kFloat32, {values.size()}, values); }

// A flat dict of tensors.
inline Model flat_model(const std::vector<std::pair<std::string, Tensor>>& entries) {
  ModelBuilder builder;
  std::vector<std::string> names;
  for (const auto& [name, tensor] : entries) {
    builder.add(tensor);
    names.push_back(name);
  }
  return *std::move(builder).named(std::move(names));
}

// {"epoch":3,"model":{"a.weight":[1,2,3],"a.bias":[4]},"list":[[5,6],"word"]}
inline Model checkpoint_model() {
  ModelBuilder builder;
  Arena& arena = *builder.arena;
  const NodeId weights = arena.dict();
  arena.set_item(weights, "a.weight", arena.tensor({.index = builder.add(floats({1, 2, 3}))}));
  arena.set_item(weights, "a.bias", arena.tensor({.index = builder.add(floats({4}))}));
  const NodeId listed = arena.tensor({.index = builder.add(floats({5, 6}))});
  builder.tree = arena.dict();
  arena.set_item(builder.tree, "epoch", arena.integer(3));
  arena.set_item(builder.tree, "model", weights);
  arena.set_item(builder.tree, "list", arena.list({listed, arena.string("word")}));
  return *std::move(builder).named_by_tree();
}

inline std::vector<std::string> names_of(const Model& model) {
  std::vector<std::string> names;
  for (const NamedTensor& entry : model.tensors()) names.push_back(entry.name);
  return names;
}

}  // namespace holdall
