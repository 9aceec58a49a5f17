#include "holdall/ops/fit.h"

#include <gmock/gmock.h>

#include "holdall/ops/ops_test_models.h"

namespace holdall {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::vector<FitEntry> kModule = {{"fc.weight", {2}, DType::kFloat32}, {"fc.bias", {1}, DType::kFloat32}};

TEST(Fit, TakesNamesAsTheyAre) {
  const auto made = fit(flat_model({{"fc.bias", floats({1})}, {"fc.weight", floats({1, 2})}}), kModule);
  ASSERT_TRUE(made.has_value());
  EXPECT_TRUE(made->report.complete());
  EXPECT_THAT(made->report.loaded, ElementsAre("fc.weight", "fc.bias"));
  EXPECT_EQ(made->pairs[0].tensor, 1u);
  EXPECT_EQ(made->report.to_string(), "2 loaded");
}

TEST(Fit, WrappersInTheFileAreFound) {
  for (const std::string wrapper : {"module.", "_orig_mod.", "model.", "model_state_dict.", "a.b.c."}) {
    const auto made = fit(flat_model({{wrapper + "fc.weight", floats({1, 2})}, {wrapper + "fc.bias", floats({1})}}), kModule);
    ASSERT_TRUE(made.has_value());
    EXPECT_TRUE(made->report.complete()) << wrapper;
    ASSERT_EQ(made->report.renamed.size(), 2u);
    EXPECT_EQ(made->report.renamed[0].found_as, wrapper + "fc.weight");
  }
}

TEST(Fit, WrappersInTheModuleAreFound) {
  const std::vector<FitEntry> wrapped = {{"module.fc.weight", {2}, DType::kFloat32}};
  const auto made = fit(flat_model({{"fc.weight", floats({1, 2})}}), wrapped);
  ASSERT_TRUE(made.has_value());
  EXPECT_TRUE(made->report.complete());
}

TEST(Fit, OnlyWhatStandsBesideTheWeightsIsUnexpected) {
  const auto made = fit(flat_model({{"model.fc.weight", floats({1, 2})},
                                    {"model.fc.bias", floats({1})},
                                    {"model.head", floats({1})},
                                    {"optimizer.state.0.exp_avg", floats({1, 2})}}),
                        kModule);
  ASSERT_TRUE(made.has_value());
  EXPECT_THAT(made->report.unexpected, ElementsAre("model.head"));
  EXPECT_THAT(made->report.missing, IsEmpty());
}

TEST(Fit, TellsWhatDoesNotFit) {
  const Model model = flat_model({{"fc.weight", floats({1, 2, 3})}, {"other", floats({1})}});
  const auto made = fit(model, kModule);
  ASSERT_TRUE(made.has_value());
  EXPECT_THAT(made->pairs, IsEmpty());
  const std::string said = fit_error(made->report, model).to_string();
  EXPECT_THAT(said, HasSubstr("fc.weight: [3] in the file, [2] in the module"));
  EXPECT_THAT(said, HasSubstr("1 missing in the file:\n  fc.bias"));
  EXPECT_THAT(said, HasSubstr("1 not in the module:\n  other"));
}

TEST(Fit, CastsAreTold) {
  const auto made = fit(flat_model({{"fc.weight", tensor_of<std::int64_t>(DType::kInt64, {2}, {1, 2})}}), {kModule[0]});
  ASSERT_TRUE(made.has_value());
  EXPECT_THAT(made->report.to_string(), HasSubstr("fc.weight: int64 to float32"));
}

TEST(Fit, RenamesAndTakesWhatStandsUnderAPrefix) {
  const Model model =
      flat_model({{"a.linear.weight", floats({1, 2})}, {"a.linear.bias", floats({1})}, {"b.linear.weight", floats({3, 4})}});
  FitOptions options{.rename = {{"linear.*", "fc.*"}}, .prefix = "a."};
  const auto made = fit(model, kModule, options);
  ASSERT_TRUE(made.has_value());
  EXPECT_TRUE(made->report.complete());
  options.rename = {{"*.*", "x"}};
  EXPECT_EQ(fit(model, kModule, options).error().code(), Code::kInvalidArgument);
}

TEST(Fit, NothingFitsNothing) {
  const auto made = fit(flat_model({}), {});
  ASSERT_TRUE(made.has_value());
  EXPECT_TRUE(made->report.complete());
}

}  // namespace
}  // namespace holdall
