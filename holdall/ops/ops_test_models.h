// Models that the tests of ops make in memory, and a folder of their own to write in.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "holdall/core/model.h"

namespace holdall {

class Scratch {
 public:
  Scratch() {
    path_ = testing::TempDir() + "holdall_ops_test_XXXXXX";
    EXPECT_NE(::mkdtemp(path_.data()), nullptr);
  }
  ~Scratch() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  std::string write(const std::string& name, std::string_view content) const {
    std::filesystem::create_directories(std::filesystem::path(*this / name).parent_path());
    std::ofstream(*this / name, std::ios::binary) << content;
    return *this / name;
  }

 private:
  std::string path_;
};

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
