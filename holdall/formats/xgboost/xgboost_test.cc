#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "holdall/core/numbers.h"
#include "holdall/formats/format.h"
#include "holdall/formats/format_test_files.h"

namespace holdall {

extern const Format k_xgboost_format;

namespace {

using ::testing::HasSubstr;

std::string golden(const std::string& name) {
  return std::string(HOLDALL_SOURCE_DIR) + "/holdall/formats/xgboost/testdata/" + name;
}

Result<Model> open_golden(const std::string& name) {
  HOLDALL_ASSIGN(const Bundle bundle, Bundle::open(golden(name), {}));
  HOLDALL_ASSIGN(const Format* found, detect(bundle, {}));
  EXPECT_EQ(found, &k_xgboost_format) << name;
  return k_xgboost_format.read(bundle, {});
}

Bundle of_bytes(std::string_view bytes) { return Bundle::of(memory_source(Bytes::copy(bytes), "bytes.json")); }

// What verify says, a fault a line; or the error that ended it.
std::string faults_of(const Bundle& bundle) {
  Faults faults;
  const Status status = k_xgboost_format.verify(bundle, {}, faults);
  if (!status) return status.error().to_string();
  std::string said;
  for (const Fault& fault : faults.list) said += fault.where + ": " + fault.what + "\n";
  return said;
}

std::vector<double> numbers_of(const Tensor& tensor) {
  const auto bytes = tensor.read_bytes();
  std::vector<double> numbers(static_cast<std::size_t>(tensor.elements()));
  if (number_kind(tensor.dtype()) == NumberKind::kReal) {
    load_reals(tensor.dtype(), bytes->data(), 0, numbers);
  } else {
    std::vector<std::int64_t> integers(numbers.size());
    load_integers(tensor.dtype(), bytes->data(), 0, integers);
    numbers.assign(integers.begin(), integers.end());
  }
  return numbers;
}

TEST(Xgboost, ArraysAreThoseOfXgboostsOwnJson) {
  for (const char* file : {"trees.json", "trees.ubj"}) {
    const auto model = open_golden(file);
    ASSERT_TRUE(model) << model.error().to_string();
    const auto rows = rows_of(golden("values.tsv"));
    ASSERT_GT(rows.size(), 20u);
    for (const auto& row : rows) {
      const auto tensor = model->tensor(row[0]);
      ASSERT_TRUE(tensor) << file << ": " << row[0];
      std::istringstream expected(row[1]);
      for (const double number : numbers_of(*tensor)) {
        double value = 0;
        expected >> value;
        const bool is_real = tensor->dtype() == DType::kFloat32;
        EXPECT_EQ(number, is_real ? static_cast<double>(static_cast<float>(value)) : value) << row[0];
      }
      EXPECT_TRUE((expected >> std::ws).eof()) << row[0];
    }
  }
}

void expect_same_tensors(const Model& json, const Model& binary) {
  ASSERT_EQ(json.tensors().size(), binary.tensors().size());
  for (const NamedTensor& entry : json.tensors()) {
    const auto other = binary.tensor(entry.name);
    ASSERT_TRUE(other) << entry.name;
    EXPECT_EQ(other->dtype(), entry.tensor.dtype()) << entry.name;
    EXPECT_EQ(digest_of(*other), digest_of(entry.tensor)) << entry.name;
  }
}

TEST(Xgboost, JsonAndUbjsonAreOneModel) {
  const auto json = open_golden("trees.json");
  const auto binary = open_golden("trees.ubj");
  ASSERT_TRUE(json && binary);
  expect_same_tensors(*json, *binary);
  EXPECT_EQ(json->tree().find("learner").find("objective").find_string("name"), "binary:logistic");
  EXPECT_EQ(json->tree().find("version").size(), 3u);
  EXPECT_EQ(json->origin().detail, "JSON, gbtree, 2 trees, XGBoost 3.2.0");
  EXPECT_EQ(binary->origin().detail, "UBJSON, gbtree, 2 trees, XGBoost 3.2.0");
}

TEST(Xgboost, WhatRankingHasLearnedOfPositionsIsTensorsInBoth) {
  const auto json = open_golden("rank.json");
  const auto binary = open_golden("rank.ubj");
  ASSERT_TRUE(json && binary);
  expect_same_tensors(*json, *binary);
  for (const char* name : {"learner.objective.ti+", "learner.objective.tj-"}) {
    const auto bias = json->tensor(name);
    ASSERT_TRUE(bias) << name;
    EXPECT_EQ(bias->dtype(), DType::kFloat32);
    EXPECT_EQ(numbers_of(*bias).at(0), 1.0);
  }
}

TEST(Xgboost, EveryBoosterIsReadAndSound) {
  for (const char* file : {"trees.json", "trees.ubj", "dart.json", "linear.ubj", "targets.ubj", "rank.json"}) {
    const auto model = open_golden(file);
    ASSERT_TRUE(model) << file << ": " << model.error().to_string();
    EXPECT_EQ(faults_of(*Bundle::open(golden(file), {})), "") << file;
    Findings findings;
    EXPECT_TRUE(k_xgboost_format.acts(*Bundle::open(golden(file), {}), {}, findings));
    EXPECT_TRUE(findings.empty());
  }
  EXPECT_EQ(open_golden("dart.json")->tensor("learner.gradient_booster.weight_drop")->dtype(), DType::kFloat32);
  EXPECT_EQ(open_golden("linear.ubj")->tensor("learner.gradient_booster.model.weights")->shape(), Shape({4}));
}

TEST(Xgboost, BooleansOfOldVersionsAreBytes) {
  const auto model = k_xgboost_format.read(
      of_bytes(
          R"({"learner":{"gradient_booster":{"model":{"trees":[{"default_left":[true,false],"split_conditions":[1,0.1]}]}}}})"),
      {});
  ASSERT_TRUE(model) << model.error().to_string();
  const auto bytes = model->tensor("learner.gradient_booster.model.trees.0.default_left")->read<std::uint8_t>();
  EXPECT_THAT(*bytes, ::testing::ElementsAre(1, 0));
  const auto reals = model->tensor("learner.gradient_booster.model.trees.0.split_conditions")->read<float>();
  EXPECT_THAT(*reals, ::testing::ElementsAre(1.0f, 0.1f));
}

TEST(Xgboost, NumbersAreRoundedToFloat32Once) {
  // Halfway between two floats in float64, a little above it as it stands: by way of float64 it would be rounded down.
  const auto model = k_xgboost_format.read(
      of_bytes(R"({"learner":{"gradient_booster":{"weights":[1.00000005960464477539062500000000001,NaN,-Infinity]}}})"), {});
  ASSERT_TRUE(model) << model.error().to_string();
  const auto reals = model->tensor("learner.gradient_booster.weights")->read<float>();
  EXPECT_EQ(reals->at(0), std::nextafter(1.0f, 2.0f));
  EXPECT_TRUE(std::isnan(reals->at(1)));
  EXPECT_EQ(reals->at(2), -INFINITY);
}

TEST(Xgboost, WhatDoesNotFitTogetherIsAFault) {
  const std::string whole = slurp(golden("trees.json"));
  ASSERT_EQ(faults_of(of_bytes(whole)), "");
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string changed = whole;
    const std::size_t at = changed.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return faults_of(of_bytes(changed.replace(at, from.size(), to)));
  };
  EXPECT_THAT(with("\"num_trees\":\"2\"", "\"num_trees\":\"3\""), HasSubstr("2 trees, 'num_trees' says 3"));
  EXPECT_THAT(with("\"left_children\":[1,", "\"left_children\":[2,"), HasSubstr("the child of two"));
  EXPECT_THAT(with("\"left_children\":[1,", "\"left_children\":[99,"), HasSubstr("has the child 99"));
  EXPECT_THAT(with("\"left_children\":[1,", "\"left_children\":["), HasSubstr("'left_children' has"));
  EXPECT_THAT(with("\"parents\":[2147483647,", "\"parents\":[5,"), HasSubstr("the root says its parent is 5"));
  EXPECT_THAT(with("\"tree_info\":[0,0]", "\"tree_info\":[0]"), HasSubstr("tree_info: 1 items for 2 trees"));
  EXPECT_THAT(with("\"iteration_indptr\":[0,1,2]", "\"iteration_indptr\":[0,2,1]"), HasSubstr("does not rise"));
  EXPECT_THAT(with("\"num_feature\":\"4\",\"num_target\"", "\"num_feature\":\"2\",\"num_target\""), HasSubstr("there are 2"));
  EXPECT_THAT(with("\"categories_segments\":[0", "\"categories_segments\":[90"), HasSubstr("from 90 on"));
  EXPECT_THAT(with("\"categories_sizes\":[", "\"categories_sizes\":[1,"), HasSubstr("nodes with categories"));
  EXPECT_THAT(with("\"id\":1", "\"id\":7"), HasSubstr("its id is 7"));
  EXPECT_THAT(with("\"tree_info\":[0,0]", "\"tree_info\":[0,1]"), HasSubstr("of output 1 of 1"));
  EXPECT_THAT(with("\"categories\":[0,", "\"categories\":[-4,"), HasSubstr("a category -4"));
  EXPECT_THAT(with("\"num_feature\":\"4\",\"num_target\"", "\"num_feature\":\"4 \",\"num_target\""),
              HasSubstr("no whole number"));
  EXPECT_THAT(with("\"left_children\":[1,3,5", "\"left_children\":[1,1,5"), HasSubstr("the child of two"));
  EXPECT_THAT(with("{\"learner\"", "{\"Model\":{\"learner\":{\"gradient_booster\":{\"model\":{\"trees\":[{}]}}}},\"learner\""),
              HasSubstr("no 'num_nodes'"));
}

TEST(Xgboost, WhatIsAFaultIsToldByScan) {
  std::string changed = slurp(golden("trees.json"));
  changed.replace(changed.find("\"left_children\":[1,"), 19, "\"left_children\":[99,");
  Findings findings;
  EXPECT_TRUE(k_xgboost_format.acts(of_bytes(changed), {}, findings));
  ASSERT_FALSE(findings.empty());
  EXPECT_EQ(findings[0].severity, Verdict::kUnreadable);
  EXPECT_THAT(findings[0].what, HasSubstr("has the child 99"));
}

TEST(Xgboost, CutFilesAreCorrupt) {
  for (const char* file : {"trees.json", "trees.ubj"}) {
    const std::string whole = slurp(golden(file));
    for (std::size_t size = 0; size + 1 < whole.size(); size += 7) {
      const auto model = k_xgboost_format.read(of_bytes(whole.substr(0, size)), {});
      ASSERT_FALSE(model) << file << " cut at " << size;
      EXPECT_EQ(model.error().code(), Code::kCorrupt) << model.error().to_string();
    }
  }
}

TEST(Xgboost, TheOldBinaryFormatIsRefusedByName) {
  const Bundle bundle = of_bytes("binf\1\0\0\0");
  const auto found = detect(bundle, {});
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, &k_xgboost_format);
  const auto model = k_xgboost_format.read(bundle, {});
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code(), Code::kUnsupported);
  EXPECT_THAT(model.error().to_string(), HasSubstr("save_model()"));
}

TEST(Xgboost, LimitsHold) {
  Context context;
  context.limits.tensors = 3;
  EXPECT_EQ(k_xgboost_format.read(*Bundle::open(golden("trees.ubj"), {}), context).error().code(), Code::kLimit);
  context = {};
  context.limits.value_bytes = 1000;
  EXPECT_EQ(k_xgboost_format.read(*Bundle::open(golden("trees.json"), {}), context).error().code(), Code::kLimit);
}

}  // namespace
}  // namespace holdall
