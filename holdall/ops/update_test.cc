#include "holdall/ops/update.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "holdall/core/state_dict.h"

namespace holdall {
namespace {

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

}  // namespace
}  // namespace holdall
