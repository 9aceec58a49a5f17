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

// What fit() says of a file whose every place holds kModule's names.
std::string said_of_places(const std::vector<std::string>& places, const FitOptions& options = {}) {
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const std::string& place : places) {
    tensors.emplace_back(place + "fc.weight", floats({1, 2}));
    tensors.emplace_back(place + "fc.bias", floats({1}));
  }
  const auto made = fit(flat_model(tensors), kModule, options);
  if (!made) return made.error().message();
  return made->report.renamed.empty() ? "as they are" : made->report.renamed[0].found_as;
}

TEST(Fit, OfPlacesThatFitEquallyWellNoneIsTakenButAKnownOne) {
  EXPECT_EQ(said_of_places({"generator.", "discriminator."}), "several places fit: generator., discriminator.; give prefix=");
  EXPECT_EQ(said_of_places({"state_dict.a.", "state_dict.b."}),
            "several places fit: state_dict.a., state_dict.b.; give prefix=");
  EXPECT_EQ(said_of_places({"head.", "model.encoder."}), "several places fit: head., model.encoder.; give prefix=");
  EXPECT_EQ(said_of_places({"generator.", "discriminator."}, {.prefix = "discriminator."}), "discriminator.fc.weight");
  EXPECT_EQ(said_of_places({"ema.", "model."}), "model.fc.weight");
  EXPECT_EQ(said_of_places({"ema.encoder.", "net.", "state_dict.encoder."}).substr(0, 18), "several places fit");
  EXPECT_EQ(said_of_places({"ema.encoder.", "state_dict.encoder."}), "state_dict.encoder.fc.weight");
  EXPECT_EQ(said_of_places({"state_dict.ema.", "state_dict.model.", "model_state_dict."}), "model_state_dict.fc.weight");
  EXPECT_EQ(said_of_places({"ema.", ""}), "as they are");
  const std::vector<FitEntry> twice = {{"a.fc.weight", {2}, DType::kFloat32}, {"b.fc.weight", {2}, DType::kFloat32}};
  EXPECT_EQ(fit(flat_model({{"fc.weight", floats({1, 2})}}), twice).error().message(),
            "several places fit: a. of the module, b. of the module; say which with prefix= or rename=");
}

TEST(Fit, ALayerAmongOthersIsNotTakenForTheModule) {
  EXPECT_EQ(said_of_places({"model.0.", "model.1."}), "several places fit: model.0., model.1.; give prefix=");
  EXPECT_EQ(said_of_places({"folds.0."}), "folds.0.fc.weight");
  const Model other_shapes = flat_model({{"0.fc.weight", floats({1, 2})},
                                         {"0.fc.bias", floats({1})},
                                         {"1.fc.weight", floats({1, 2, 3})},
                                         {"2.norm", floats({1})}});
  EXPECT_EQ(fit(other_shapes, kModule).error().message(), "several places fit: 0., 1.; give prefix=");
  EXPECT_TRUE(fit(other_shapes, kModule, {.prefix = "0."})->report.complete());
}

TEST(Fit, SeveralPlacesAreAConflict) {
  const Model model = flat_model({{"a.fc.weight", floats({1, 2})}, {"b.fc.weight", floats({1, 2})}});
  EXPECT_EQ(fit(model, {kModule[0]}).error().code(), Code::kConflict);
}

TEST(Fit, WhatIsLeftInAPlaceIsUnexpectedByWhatItIsCalled) {
  const Model model = flat_model({{"net/fc/weight", floats({1, 2})}, {"net/more", floats({1})}, {"other", floats({1})}});
  FitOptions options;
  options.renamer = [](std::string name) {
    std::replace(name.begin(), name.end(), '/', '.');
    return name;
  };
  const auto made = fit(model, {kModule[0]}, options);
  ASSERT_TRUE(made.has_value());
  EXPECT_THAT(made->report.loaded, ElementsAre("fc.weight"));
  EXPECT_THAT(made->report.unexpected, ElementsAre("net/more"));
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
