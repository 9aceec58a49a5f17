#include "holdall/ops/edit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "holdall/ops/ops_test_models.h"

namespace holdall {
namespace {

using testing::ElementsAre;

Edits same(const Model& model) {
  Edits edits;
  for (const NamedTensor& entry : model.tensors()) {
    edits.names.emplace_back(entry.name);
    edits.tensors.push_back(entry.tensor);
  }
  return edits;
}

TEST(Edit, TensorsLeftOutGoFromDictsAndAreNullInLists) {
  const Model model = checkpoint_model();
  Edits edits = same(model);
  edits.names[0].reset();  // model.a.weight
  edits.names[2].reset();  // list.0
  const Result<Model> result = edit_model(model, std::move(edits));
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_THAT(names_of(*result), ElementsAre("model.a.bias"));
  EXPECT_EQ(result->tree().find_int("epoch"), 3);
  EXPECT_EQ(result->tree().find("model").size(), 1u);
  EXPECT_TRUE(result->tree().find("list").item(0).is_null());
  EXPECT_EQ(result->tree().find("list").item(1).as_string(), "word");
  EXPECT_THAT(*result->tensor("model.a.bias")->read<float>(), ElementsAre(4.F));
  // What it was made from is as it was.
  EXPECT_THAT(names_of(model), ElementsAre("model.a.weight", "model.a.bias", "list.0"));
}

TEST(Edit, ANewLastKeyStaysInItsPlace) {
  const Model model = checkpoint_model();
  Edits edits = same(model);
  edits.names[0] = "model.b.weight";
  const Result<Model> result = edit_model(model, std::move(edits));
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_THAT(names_of(*result), ElementsAre("model.b.weight", "model.a.bias", "list.0"));
  EXPECT_EQ(result->tree().find("model").key(0).as_string(), "b.weight");
}

TEST(Edit, AShorterNameMovesToTheRootAndEmptiedDictsGo) {
  const Model model = checkpoint_model();
  Edits edits = same(model);
  edits.names[0] = "a.weight";
  edits.names[1] = "a.bias";
  const Result<Model> result = edit_model(model, std::move(edits));
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_THAT(names_of(*result), testing::UnorderedElementsAre("a.weight", "a.bias", "list.0"));
  EXPECT_FALSE(result->tree().find("model"));
  EXPECT_TRUE(result->tree().find("a.weight").is(ValueKind::kTensor));
  EXPECT_EQ(result->tree().find_int("epoch"), 3);
}

TEST(Edit, NamesThatNoTreeCanSayAreFlatWithAWarning) {
  const Model model = checkpoint_model();
  Edits edits = same(model);
  edits.names[2] = "elsewhere";  // an item of a list
  const Result<Model> result = edit_model(model, std::move(edits));
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_THAT(names_of(*result), ElementsAre("model.a.weight", "model.a.bias", "elsewhere"));
  EXPECT_EQ(result->warnings().size(), 1u);
}

TEST(Edit, FlatNamesChangeInTheTreeToo) {
  const Model model = flat_model({{"x", floats({1})}, {"y", floats({2})}});
  Edits edits = same(model);
  edits.names[0] = "z";
  const Result<Model> result = edit_model(model, std::move(edits));
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_THAT(names_of(*result), ElementsAre("z", "y"));
  EXPECT_TRUE(result->tree().find("z").is(ValueKind::kTensor));
  EXPECT_FALSE(result->tree().find("x"));
}

TEST(Edit, TwoTensorsOfOneNameAreRefused) {
  const Model model = flat_model({{"x", floats({1})}, {"y", floats({2})}});
  Edits edits = same(model);
  edits.names[0] = "y";
  EXPECT_EQ(edit_model(model, std::move(edits)).error().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace holdall
