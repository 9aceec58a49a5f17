#include "holdall/core/state_dict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace holdall {
namespace {

using ::testing::ElementsAre;

Tensor over(std::span<const float> values, Tensor::View view = {}) {
  const auto data = std::as_bytes(values);
  const auto storage = std::make_shared<Storage>(Storage{Blob::memory(Bytes::share(nullptr, data), "memory")});
  return *Tensor::view(DType::kFloat32, {2}, storage, std::move(view));
}

TEST(StateDict, SaysWhatAnOptimizersStateSays) {
  StateDict whole;
  StateDict optimizer = whole.dict("optimizer");
  optimizer.dict("state").dict(0).set("step", 7);
  StateList groups = optimizer.list("param_groups");
  StateDict group = groups.dict();
  group.set("lr", 0.5);
  group.set("fused", nullptr);
  group.set("maximize", false);
  group.set("large", UINT64_MAX);
  group.set("wave", std::complex<double>(1, -2));
  StateList betas = group.tuple("betas");
  betas.append(0.9);
  betas.append("text");
  const auto model = whole.model();
  ASSERT_TRUE(model.has_value());
  const Value made = model->tree().find("optimizer");
  EXPECT_EQ(made.find("state").find(0).find_int("step"), 7);
  EXPECT_FALSE(made.find("state").find(1));
  const Value first = made.find("param_groups").item(0);
  EXPECT_EQ(first.find_number("lr"), 0.5);
  EXPECT_TRUE(first.find("fused").is_null());
  EXPECT_FALSE(first.find("maximize").as_bool());
  EXPECT_EQ(first.find("large").as_big_int(), "18446744073709551615");
  EXPECT_EQ(first.find("wave").as_complex(), std::complex<double>(1, -2));
  EXPECT_TRUE(first.find("betas").is(ValueKind::kTuple));
  EXPECT_EQ(first.find("betas").item(1).as_string(), "text");
}

TEST(StateDict, IntegerKeysAreFoundAmongMany) {
  StateDict whole;
  for (int i = 0; i < 1000; ++i) whole.set(i, i * 2);
  whole.set("7", "text");
  const auto model = whole.model();
  ASSERT_TRUE(model.has_value());
  EXPECT_EQ(model->tree().find(7).as_int(), 14);
  EXPECT_EQ(model->tree().find("7").as_string(), "text");
  EXPECT_FALSE(model->tree().find(1000));
}

TEST(StateDict, TensorsOverTheSameMemoryShareAStorage) {
  const std::array<float, 4> values = {1, 2, 3, 4};
  StateDict whole;
  whole.set("all", over(values));
  whole.set("stepped", over(values, {.strides = {2}, .offset = 1}));
  whole.set("apart", over(std::span(values).first(2)));
  const auto model = whole.model();
  ASSERT_TRUE(model.has_value());
  EXPECT_EQ(model->shares_with(1), &model->tensors()[0]);
  EXPECT_EQ(model->shares_with(2), nullptr);
  EXPECT_THAT(*model->tensor("stepped")->read<float>(), ElementsAre(2, 4));
}

TEST(StateDict, TensorsSayWhatElseTheyAre) {
  const std::array<float, 2> values = {1, 2};
  StateDict whole;
  whole.set("weight", StateTensor{over(values), true, true});
  whole.set_with_attributes("quantized", {over(values)}).dict("quantizer").set("scale", 0.5);
  whole.set_framework("pt");
  const auto model = whole.model();
  ASSERT_TRUE(model.has_value());
  EXPECT_TRUE(model->tree().find("weight").as_tensor().parameter);
  EXPECT_TRUE(model->tree().find("weight").as_tensor().requires_grad);
  const Value quantized = model->tree().find("quantized");
  EXPECT_EQ(quantized.of(quantized.as_tensor().attributes).find("quantizer").find_number("scale"), 0.5);
  EXPECT_EQ(model->origin().framework, "pt");
}

TEST(Model, TensorsAreFoundByTheirPlaceInTheTree) {
  const std::array<float, 2> values = {1, 2};
  StateDict whole;
  whole.set("number", 1);
  whole.list("list").append(over(values));
  const auto model = whole.model();
  ASSERT_TRUE(model.has_value());
  EXPECT_TRUE(model->tensor(model->tree().find("list").item(0)).has_value());
  EXPECT_EQ(model->tensor(model->tree().find("number")).error().message(), "there is no tensor, but int");
  EXPECT_EQ(model->tensor(model->tree().find("nothing")).error().code(), Code::kNotFound);
}

}  // namespace
}  // namespace holdall
