#include "holdall/core/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdall {
namespace {

using ::testing::ElementsAre;

Tensor tensor_of(float value) {
  return *Tensor::dense(DType::kFloat32, {1}, Blob::memory(Bytes::copy(std::as_bytes(std::span(&value, 1))), "memory"));
}

std::vector<std::string> names_of(const Model& model) {
  std::vector<std::string> names;
  for (const NamedTensor& entry : model.tensors()) names.push_back(entry.name);
  return names;
}

struct Tree {
  ModelBuilder builder;
  Arena& arena = *builder.arena;
  NodeId tensor(float value) { return arena.tensor({builder.add(tensor_of(value))}); }
  NodeId dict(std::vector<std::pair<std::string, NodeId>> entries) {
    const NodeId made = arena.dict();
    for (const auto& [key, value] : entries) arena.set_item(made, key, value);
    return made;
  }
};

TEST(Names, AreThePathsOfKeys) {
  Tree tree;
  const NodeId state = tree.arena.dict();
  tree.arena.set_item(state, tree.arena.integer(0), tree.dict({{"exp_avg", tree.tensor(1)}}));
  tree.builder.tree = tree.dict({{"epoch", tree.arena.integer(3)},
                                 {"model_state_dict", tree.dict({{"encoder.0.weight", tree.tensor(2)}})},
                                 {"optimizer_state_dict", tree.dict({{"state", state}})},
                                 {"list", tree.arena.list({tree.arena.null(), tree.tensor(3)})}});
  const auto model = std::move(tree.builder).named_by_tree();
  ASSERT_TRUE(model.has_value());
  EXPECT_THAT(names_of(*model),
              ElementsAre("model_state_dict.encoder.0.weight", "optimizer_state_dict.state.0.exp_avg", "list.1"));
  EXPECT_TRUE(model->is_named_by_tree());
}

TEST(Names, TensorsInKeysHaveNoneAndAreLeftOut) {
  Tree tree;
  const NodeId state = tree.arena.dict();
  const NodeId both = tree.tensor(3);
  tree.arena.set_item(state, tree.tensor(1), tree.tensor(2));
  tree.arena.set_item(state, tree.arena.tuple({tree.arena.integer(1), tree.tensor(4)}), both);
  tree.arena.set_item(state, both, tree.arena.null());
  tree.builder.tree = state;
  const auto model = std::move(tree.builder).named_by_tree();
  ASSERT_TRUE(model.has_value());
  EXPECT_EQ(model->tensors().size(), 2u);
  ASSERT_EQ(model->left_out().size(), 1u);
  EXPECT_EQ(model->left_out().front(), "2 tensors in keys of dicts, where nothing has a name");
  EXPECT_EQ(model->warnings(), model->left_out());
}

TEST(Names, TwoPathsWithOneNameAreNumbered) {
  Tree tree;
  tree.builder.tree = tree.dict({{"a.b", tree.tensor(1)}, {"a", tree.dict({{"b", tree.tensor(2)}, {"b@2", tree.tensor(3)}})}});
  const auto model = std::move(tree.builder).named_by_tree();
  ASSERT_TRUE(model.has_value());
  EXPECT_THAT(names_of(*model), ElementsAre("a.b", "a.b@2", "a.b@2@2"));
}

TEST(Names, BareTensorIsCalledTensor) {
  Tree tree;
  tree.builder.tree = tree.tensor(1);
  EXPECT_THAT(names_of(*std::move(tree.builder).named_by_tree()), ElementsAre("tensor"));
}

TEST(Names, ObjectsAddNothingForStateAndArgsForArguments) {
  Tree tree;
  ObjectParts parts;
  parts.callee = tree.arena.global("mymodule", "Thing");
  parts.args = tree.arena.tuple({tree.arena.integer(1), tree.tensor(1)});
  parts.state = tree.dict({{"weight", tree.tensor(2)}});
  tree.builder.tree = tree.dict({{"thing", tree.arena.object(parts)}});
  EXPECT_THAT(names_of(*std::move(tree.builder).named_by_tree()), ElementsAre("thing.args.1", "thing.weight"));
}

TEST(Names, WholeModulesAreNamedLikeTheirStateDict) {
  Tree tree;
  const auto module = [&](NodeId parameters, NodeId buffers, NodeId modules) {
    ObjectParts parts;
    parts.callee = tree.arena.global("torch.nn.modules.module", "Module");
    parts.state = tree.dict({{"_parameters", parameters}, {"_buffers", buffers}, {"_modules", modules}});
    return tree.arena.object(parts);
  };
  const NodeId empty = tree.arena.dict();
  const NodeId shared = module(tree.dict({{"weight", tree.tensor(1)}}), tree.dict({{"mean", tree.tensor(2)}}), empty);
  tree.builder.tree = module(tree.dict({{"scale", tree.tensor(3)}}), empty, tree.dict({{"0", shared}, {"1", shared}}));
  EXPECT_THAT(names_of(*std::move(tree.builder).named_by_tree()),
              ElementsAre("scale", "0.weight", "0.mean", "1.weight", "1.mean"));
}

TEST(Names, ATensorMetTwiceHasTwoNamesAndOneMemory) {
  Tree tree;
  const NodeId tied = tree.tensor(1);
  tree.builder.tree = tree.dict({{"a", tied}, {"b", tied}, {"c", tree.tensor(1)}});
  const auto model = std::move(tree.builder).named_by_tree();
  EXPECT_THAT(names_of(*model), ElementsAre("a", "b", "c"));
  EXPECT_EQ(model->shares_with(0), nullptr);
  EXPECT_EQ(model->shares_with(1), &model->tensors()[0]);
  EXPECT_EQ(model->shares_with(2), nullptr);
  EXPECT_EQ(model->parameters(), 2u);
}

TEST(Names, CyclesEnd) {
  Tree tree;
  const NodeId list = tree.arena.list({tree.tensor(1)});
  tree.arena.append(list, list);
  tree.builder.tree = list;
  EXPECT_THAT(names_of(*std::move(tree.builder).named_by_tree()), ElementsAre("0"));
}

TEST(Names, SharingThatMultipliesIsBounded) {
  Tree tree;
  NodeId level = tree.arena.list({tree.tensor(1)});
  for (int i = 0; i < 60; ++i) level = tree.arena.list({level, level});
  tree.builder.tree = level;
  const auto model = std::move(tree.builder).named_by_tree();
  ASSERT_TRUE(model.has_value());
  EXPECT_LT(model->tensors().size(), 200'000u);
}

TEST(Names, ALongKeyAboveManyTensorsIsRefused) {
  Tree tree;
  const NodeId weights = tree.arena.dict();
  for (int i = 0; i < 2'000; ++i) tree.arena.set_item(weights, std::to_string(i), tree.tensor(1));
  tree.builder.tree = tree.dict({{std::string(100'000, 'k'), weights}});
  const auto model = std::move(tree.builder).named_by_tree();
  ASSERT_FALSE(model.has_value());
  EXPECT_EQ(model.error().code(), Code::kLimit);
}

TEST(Model, UnknownTensorNamesTheNearest) {
  Tree tree;
  tree.builder.tree = tree.dict({{"encoder.weight", tree.tensor(1)}, {"decoder.bias", tree.tensor(2)}});
  const auto model = std::move(tree.builder).named_by_tree();
  const auto missing = model->tensor("encoder.wieght");
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code(), Code::kNotFound);
  EXPECT_THAT(missing.error().message(), ::testing::HasSubstr("'encoder.weight'"));
}

TEST(Model, FlatNamesMetTwiceAreCorrupt) {
  ModelBuilder builder;
  builder.add(tensor_of(1));
  builder.add(tensor_of(2));
  EXPECT_FALSE(std::move(builder).named({"a", "a"}).has_value());
}

}  // namespace
}  // namespace holdall
