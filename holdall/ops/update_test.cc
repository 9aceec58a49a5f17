#include "holdall/ops/update.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "holdall/base/text.h"
#include "holdall/core/quantize.h"
#include "holdall/core/state_dict.h"

namespace holdall {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kGraph = HOLDALL_SOURCE_DIR "/holdall/formats/tf_savedmodel/testdata/module";

Tensor doubles(Shape shape, const std::vector<double>& values) {
  const auto* bytes = reinterpret_cast<const char*>(values.data());
  return *Tensor::dense(DType::kFloat64, std::move(shape),
                        Blob::memory(Bytes::copy(std::string_view(bytes, 8 * values.size())), "w"));
}

TEST(Update, WeightsGoWhereTheGraphHasTheirNamesOrPaths) {
  const auto graph = open_model(kGraph);
  ASSERT_TRUE(graph);
  StateDict state;
  state.set("kernel", doubles({3, 2}, {9, 8, 7, 6, 5, 4}));
  state.dict("layers").set(StateKey("0"), doubles({2}, {3, 2}));
  const auto updated = update_model(*graph, *state.model());
  ASSERT_TRUE(updated) << updated.error().to_string();
  EXPECT_TRUE(updated->complete());
  EXPECT_THAT(updated->report.missing, ElementsAre("Const"));
  EXPECT_EQ(updated->model.tensors()[0].tensor.read<float>().value(), (std::vector<float>{9, 8, 7, 6, 5, 4}));
  EXPECT_EQ(updated->model.tensors()[1].tensor.read<float>().value(), (std::vector<float>{3, 2}));
  EXPECT_EQ(updated->model.side_files().size(), graph->side_files().size());
  EXPECT_EQ(updated->report.cast.size(), 2u);
}

TEST(Update, WhatHasNoPlaceOrAnotherShapeIsTold) {
  const auto graph = open_model(kGraph);
  StateDict state;
  state.set("kernel", doubles({2, 3}, {9, 8, 7, 6, 5, 4}));
  state.set("other", doubles({1}, {1}));
  const auto updated = update_model(*graph, *state.model());
  ASSERT_TRUE(updated) << updated.error().to_string();
  EXPECT_FALSE(updated->complete());
  EXPECT_THAT(updated->report.unexpected, ElementsAre("other"));
  ASSERT_EQ(updated->report.mismatched.size(), 1u);
  EXPECT_EQ(updated->report.mismatched[0].file, (Shape{2, 3}));
  std::vector<std::string> told;
  const auto renamed = with_names(*state.model(), *parse_names("other=layers.0\nkernel=kernel\taxes=1,0"), told);
  ASSERT_TRUE(renamed) << renamed.error().to_string();
  const auto fits = update_model(*graph, *renamed);
  ASSERT_TRUE(fits) << fits.error().to_string();
  EXPECT_THAT(fits->report.unexpected, IsEmpty());
  EXPECT_THAT(fits->report.loaded, ElementsAre("kernel/.ATTRIBUTES/VARIABLE_VALUE"));
}

const std::string kQuantized = HOLDALL_SOURCE_DIR "/holdall/formats/tflite/testdata/full.tflite";

TEST(Update, RealNumbersAreQuantisedAsTheGraphIsAndScalesOfABiasFollow) {
  const auto graph = open_model(kQuantized);
  ASSERT_TRUE(graph) << graph.error().to_string();
  const Tensor before = *graph->tensor("MatMul");
  std::vector<double> values(20 * 64);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i % 7) - 3;
  StateDict state;
  state.set("MatMul", doubles({20, 64}, values));
  const auto updated = update_model(*graph, *state.model());
  ASSERT_TRUE(updated) << updated.error().to_string();
  const Tensor now = *updated->model.tensor("MatMul");
  EXPECT_EQ(now.dtype(), DType::kInt8);
  EXPECT_EQ(now.quantization()->blocks, before.quantization()->blocks);
  const std::vector<float> scales = now.quantization()->scales.read<float>().value();
  EXPECT_THAT(scales, Each(3.0F / 127));
  const auto again = dequantize(now)->read<float>().value();
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(again[i], values[i], 0.5 * 3 / 127);
  const Tensor old_bias = *graph->tensor("add");
  const Tensor bias = *updated->model.tensor("add");
  EXPECT_EQ(bias.quantization()->scales.read<float>()->front(), 3.0F / 127 * old_bias.quantization()->factor);
  const auto old_values = dequantize(old_bias)->read<float>().value();
  const auto new_values = dequantize(bias)->read<float>().value();
  const float step = bias.quantization()->scales.read<float>()->front();
  for (std::size_t i = 0; i < old_values.size(); ++i)
    EXPECT_NEAR(new_values[i], old_values[i], 0.5001 * step) << "the bias stays what it was";
  const Tensor conv = *updated->model.tensor("Conv2D");
  EXPECT_EQ(conv.quantization(), graph->tensor("Conv2D")->quantization()) << "nothing was given for it";
}

TEST(Update, ScalesThatWereMeasuredWithTheOldWeightsAreAWarning) {
  const auto graph = open_model(kQuantized);
  StateDict state;
  state.set("MatMul", doubles({20, 64}, std::vector<double>(20 * 64, 1)));
  const auto updated = update_model(*graph, *state.model());
  ASSERT_TRUE(updated) << updated.error().to_string();
  ASSERT_EQ(updated->warnings.size(), 1u);
  EXPECT_THAT(updated->warnings[0], testing::HasSubstr("measured with the old weights"));
  EXPECT_THAT(update_model(*graph, *StateDict().model())->warnings, IsEmpty());
}

TEST(Update, NumbersBeyondScalesThatStayAreAWarning) {
  const auto graph = open_model(HOLDALL_SOURCE_DIR "/holdall/formats/tflite/testdata/blockwise.tflite");
  ASSERT_TRUE(graph) << graph.error().to_string();
  const Tensor own = *graph->tensor("w");
  ASSERT_EQ(own.quantization()->renewal, Quantization::Renewal::kKept);
  const auto with = [&](double value) {
    StateDict state;
    state.set("w", doubles(own.shape(), std::vector<double>(own.elements(), value)));
    return update_model(*graph, *state.model());
  };
  EXPECT_THAT(with(0.01)->warnings, IsEmpty());
  const auto updated = with(100);
  ASSERT_TRUE(updated) << updated.error().to_string();
  ASSERT_EQ(updated->warnings.size(), 1u);
  EXPECT_THAT(updated->warnings[0], testing::HasSubstr(text("{} numbers of 'w'", own.elements())));
}

TEST(Update, FractionsForIntegersWithoutScalesAreALoss) {
  const auto graph = open_model(HOLDALL_SOURCE_DIR "/holdall/formats/onnx/testdata/encodings.onnx");
  ASSERT_TRUE(graph) << graph.error().to_string();
  const NamedTensor* integers = nullptr;
  for (const NamedTensor& entry : graph->tensors())
    if (entry.tensor.dtype() == DType::kInt32 && entry.tensor.elements() > 1) integers = &entry;
  ASSERT_NE(integers, nullptr);
  const auto with = [&](double first) {
    std::vector<double> values(integers->tensor.elements(), 2);
    values[0] = first;
    StateDict state;
    state.set(integers->name, doubles(integers->tensor.shape(), values));
    return update_model(*graph, *state.model());
  };
  const auto whole = with(-7);
  ASSERT_TRUE(whole) << whole.error().to_string();
  EXPECT_EQ(whole->model.tensor(integers->name)->read<std::int32_t>()->front(), -7);
  for (const double other : {0.5, 1e12, -1e12}) {
    const auto updated = with(other);
    ASSERT_FALSE(updated) << other;
    EXPECT_EQ(updated.error().code(), Code::kLoss);
  }
}

TEST(Update, IntegersOfTheGraphsOwnDTypeArePutInAsTheyAre) {
  const auto graph = open_model(kQuantized);
  StateDict state;
  const std::string ones(20 * 64, '\1');
  state.set("MatMul", *Tensor::dense(DType::kInt8, {20, 64}, Blob::memory(Bytes::copy(ones), "w")));
  const auto updated = update_model(*graph, *state.model());
  ASSERT_TRUE(updated) << updated.error().to_string();
  EXPECT_EQ(updated->model.tensor("MatMul")->read_bytes()->text(), ones);
  EXPECT_EQ(updated->model.tensor("add")->digest().value(), graph->tensor("add")->digest().value());
}

}  // namespace
}  // namespace holdall
