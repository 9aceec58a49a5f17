#include "holdall/ops/keras_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "holdall/ops/ops_test_models.h"

namespace holdall {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Tensor counting(Shape shape) {
  std::vector<float> values(static_cast<std::size_t>(*element_count(shape)));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  return tensor_of(DType::kFloat32, std::move(shape), values);
}

// A file that counts variables, with what layers are called.
Model counted(const std::vector<std::pair<std::string, Shape>>& entries, const std::map<std::string, std::string>& layers) {
  ModelBuilder builder;
  std::vector<std::string> names;
  for (const auto& [name, shape] : entries) {
    builder.add(counting(shape));
    names.push_back(name);
  }
  builder.metadata = builder.arena->dict();
  builder.config = builder.arena->dict();
  builder.arena->set_item(builder.config, "class_name", builder.arena->string("Functional"));
  const NodeId known = builder.arena->dict();
  for (const auto& [path, name] : layers) builder.arena->set_item(known, path, builder.arena->string(name));
  builder.arena->set_item(builder.metadata, "layer_names", known);
  return *std::move(builder).named(std::move(names));
}

TEST(KerasNames, CountedVariablesAreNamedByTheirClassesAndLayers) {
  const Model keras =
      counted({{"layers/dense_3/vars/0", {2, 3}},
               {"layers/dense_3/vars/1", {3}},
               {"layers/sequential/layers/embedding/vars/0", {5, 2}},
               {"optimizer/vars/0", {}}},
              {{"layers/dense_3", "out"}, {"layers/sequential", "inner"}, {"layers/sequential/layers/embedding", "table"}});
  ASSERT_TRUE(is_of_keras(keras));
  std::vector<std::string> renamed;
  const auto torch = keras_with_pytorch_names(keras, renamed);
  ASSERT_TRUE(torch) << torch.error().to_string();
  EXPECT_THAT(names_of(*torch), testing::UnorderedElementsAre("out.weight", "out.bias", "inner.table.weight"));
  EXPECT_THAT(*torch->find("out.weight")->tensor.read<float>(), ElementsAre(0, 3, 1, 4, 2, 5));
  EXPECT_THAT(torch->warnings(), ElementsAre(HasSubstr("1 tensors of the optimizer")));
  EXPECT_EQ(torch->config().find_string("class_name"), "Functional");
}

// Keras 2 repeats the layer behind its group, Keras 3 the variable's path from the model on.
TEST(KerasNames, GroupsOfAnHdf5FileAreNoLayersOfTheirOwn) {
  ModelBuilder builder;
  for (int i = 0; i < 3; ++i) builder.add(counting({2, 3}));
  const Model keras =
      *std::move(builder).named({"model_weights/out/out/kernel:0", "model_weights/hidden/sequential_4/hidden/kernel",
                                 "model_weights/inner/sequential/inner/dense/kernel"});
  std::vector<std::string> renamed;
  const auto torch = keras_with_pytorch_names(keras, renamed);
  ASSERT_TRUE(torch) << torch.error().to_string();
  EXPECT_THAT(names_of(*torch), testing::UnorderedElementsAre("out.weight", "hidden.weight", "inner.dense.weight"));
}

// Keras's z, r, h are torch's r, z, n; both rows of the bias are biases.
TEST(KerasNames, GatesOfAGruComeInTorchsOrder) {
  const Model keras =
      counted({{"layers/gru/cell/vars/0", {1, 6}}, {"layers/gru/cell/vars/1", {2, 6}}, {"layers/gru/cell/vars/2", {2, 6}}},
              {{"layers/gru", "g"}});
  std::vector<std::string> renamed;
  const auto torch = keras_with_pytorch_names(keras, renamed);
  ASSERT_TRUE(torch) << torch.error().to_string();
  EXPECT_THAT(*torch->find("g.weight_ih_l0")->tensor.read<float>(), ElementsAre(2, 3, 0, 1, 4, 5));
  EXPECT_THAT(*torch->find("g.weight_hh_l0")->tensor.read<float>(), ElementsAre(2, 8, 3, 9, 0, 6, 1, 7, 4, 10, 5, 11));
  EXPECT_THAT(*torch->find("g.bias_hh_l0")->tensor.read<float>(), ElementsAre(8, 9, 6, 7, 10, 11));
}

TEST(KerasNames, WhatNothingTellsIsRefusedByName) {
  std::vector<std::string> renamed;
  const auto strange = keras_with_pytorch_names(counted({{"odd/vars/0", {2, 3}}}, {{"odd", "own_layer"}}), renamed);
  ASSERT_FALSE(strange);
  EXPECT_EQ(strange.error().code(), Code::kUnsupported);
  EXPECT_THAT(strange.error().to_string(), HasSubstr("odd/vars/0"));
  for (const char* name : {"kernel", "vars/0", "layers/dense/vars/x", "layers/dense/vars/99999999999999999999999"}) {
    EXPECT_EQ(keras_with_pytorch_names(counted({{name, {2, 3}}}, {{"layers/dense", "d"}}), renamed).error().code(),
              Code::kUnsupported)
        << name;
  }
}

}  // namespace
}  // namespace holdall
