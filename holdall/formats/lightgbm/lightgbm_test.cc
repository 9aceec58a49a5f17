#include "holdall/formats/lightgbm/lightgbm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "holdall/codec/json.h"
#include "holdall/formats/format_test_files.h"

namespace holdall {

extern const Format k_lightgbm_format;

namespace {

using ::testing::HasSubstr;

std::string golden(const std::string& name) {
  return std::string(HOLDALL_SOURCE_DIR) + "/holdall/formats/lightgbm/testdata/" + name;
}

Result<Model> open_golden(const std::string& name) {
  HOLDALL_ASSIGN(const Bundle bundle, Bundle::open(golden(name), {}));
  HOLDALL_ASSIGN(const Format* found, detect(bundle, {}));
  EXPECT_EQ(found, &k_lightgbm_format) << name;
  return k_lightgbm_format.read(bundle, {});
}

Bundle of_bytes(std::string_view bytes) { return Bundle::of(memory_source(Bytes::copy(bytes), "bytes.txt")); }

std::string faults_of(const Bundle& bundle) {
  Faults faults;
  const Status status = k_lightgbm_format.verify(bundle, {}, faults);
  if (!status) return status.error().to_string();
  std::string said;
  for (const Fault& fault : faults.list) said += fault.where + ": " + fault.what + "\n";
  return said;
}

// Walks a tree as dump_model() tells it and as the tensors do, node by node.
class SameTree {
 public:
  SameTree(const Model& model, std::size_t number) : prefix_("trees." + std::to_string(number) + ".") {
    const auto read = [&](const char* field, auto& into) {
      using T = typename std::remove_reference_t<decltype(into)>::value_type;
      const auto tensor = model.tensor(prefix_ + field);
      ASSERT_TRUE(tensor) << prefix_ << field;
      into = *tensor->read<T>();
    };
    read("left_child", left_);
    read("right_child", right_);
    read("split_feature", feature_);
    read("split_gain", gain_);
    read("threshold", threshold_);
    read("internal_value", internal_value_);
    read("internal_weight", internal_weight_);
    read("leaf_value", leaf_value_);
    read("leaf_weight", leaf_weight_);
    read("decision_type", decision_);
  }

  void compare(Value node, std::int32_t at) {
    if (at < 0) {
      const auto leaf = static_cast<std::size_t>(~at);
      EXPECT_EQ(node.find_int("leaf_index"), static_cast<std::int64_t>(leaf));
      EXPECT_EQ(node.find_number("leaf_value"), leaf_value_.at(leaf));
      EXPECT_EQ(node.find_number("leaf_weight"), leaf_weight_.at(leaf));
      ++leaves;
      return;
    }
    const auto split = static_cast<std::size_t>(at);
    EXPECT_EQ(node.find_int("split_index"), at);
    EXPECT_EQ(node.find_int("split_feature"), feature_.at(split));
    EXPECT_EQ(static_cast<float>(node.find_number("split_gain").value()), gain_.at(split));
    EXPECT_EQ(node.find_number("internal_value"), internal_value_.at(split));
    EXPECT_EQ(node.find_number("internal_weight"), internal_weight_.at(split));
    const bool is_category = (decision_.at(split) & 1) != 0;
    EXPECT_EQ(node.find_string("decision_type"), is_category ? "==" : "<=");
    if (!is_category) {
      EXPECT_EQ(node.find_number("threshold"), threshold_.at(split));
    }
    compare(node.find("left_child"), left_.at(split));
    compare(node.find("right_child"), right_.at(split));
  }
  std::size_t leaves = 0;

 private:
  std::string prefix_;
  std::vector<std::int32_t> left_, right_, feature_;
  std::vector<std::int8_t> decision_;
  std::vector<float> gain_;
  std::vector<double> threshold_, internal_value_, internal_weight_, leaf_value_, leaf_weight_;
};

TEST(Lightgbm, TreesAreThoseThatLightgbmReads) {
  const auto model = open_golden("trees.txt");
  ASSERT_TRUE(model) << model.error().to_string();
  Arena arena;
  const auto dump = parse_json(arena, slurp(golden("dump.json")));
  ASSERT_TRUE(dump);
  const Value trees = arena.at(*dump);
  ASSERT_EQ(trees.size(), model->tree().find("trees").size());
  for (std::size_t i = 0; i < trees.size(); ++i) {
    SameTree tree(*model, i);
    tree.compare(trees.item(i).find("tree_structure"), 0);
    EXPECT_EQ(tree.leaves, static_cast<std::size_t>(trees.item(i).find_int("num_leaves").value()));
    EXPECT_EQ(model->tree().find("trees").item(i).find_number("shrinkage"), trees.item(i).find_number("shrinkage"));
  }
}

TEST(Lightgbm, TheHeadAndTheTailAreValues) {
  const auto model = open_golden("trees.txt");
  ASSERT_TRUE(model);
  const Value tree = model->tree();
  EXPECT_EQ(tree.find_string("version"), "v4");
  EXPECT_EQ(tree.find_int("num_class"), 1);
  EXPECT_EQ(tree.find_string("objective"), "binary sigmoid:1");
  EXPECT_EQ(tree.find("feature_names").size(), 3u);
  EXPECT_EQ(tree.find("parameters").find_string("boosting"), "gbdt");
  EXPECT_GT(tree.find("feature_importances").size(), 0u);
  EXPECT_TRUE(tree.find("pandas_categorical").is_null());
  EXPECT_EQ(model->origin().detail, "text, 3 trees, version v4");
  EXPECT_EQ(model->tensors().front().file, "trees.txt");
}

TEST(Lightgbm, LinearTreesAndStumpsAreReadAndSound) {
  for (const char* file : {"trees.txt", "linear.txt", "stump.txt"}) {
    const auto model = open_golden(file);
    ASSERT_TRUE(model) << file << ": " << model.error().to_string();
    EXPECT_EQ(faults_of(*Bundle::open(golden(file), {})), "") << file;
  }
  const auto linear = open_golden("linear.txt");
  EXPECT_EQ(linear->tensor("trees.1.leaf_const")->dtype(), DType::kFloat64);
  EXPECT_EQ(linear->tensor("trees.1.leaf_coeff")->shape(), linear->tensor("trees.1.leaf_features")->shape());
  EXPECT_GT(linear->tensor("trees.1.leaf_coeff")->elements(), 0u);
}

TEST(Lightgbm, LinesMayEndAsWindowsEndsThem) {
  std::string text = slurp(golden("trees.txt"));
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2) text.replace(at, 1, "\r\n");
  const auto model = k_lightgbm_format.read(of_bytes(text), {});
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_EQ(digest_of(*model->tensor("trees.2.threshold")), digest_of(*open_golden("trees.txt")->tensor("trees.2.threshold")));
  EXPECT_THAT(faults_of(of_bytes(text)), HasSubstr("'tree_sizes' says"));
}

TEST(Lightgbm, QuickNumbersAreRoundedAsLightgbmRoundsThem) {
  // 25 / 100 is made of digits and a power of ten; 0.1 + 0.2 in this way is not the nearest to 0.3 of 17 digits.
  EXPECT_EQ(lightgbm::quick_real("0.25"), 0.25);
  EXPECT_EQ(lightgbm::quick_real("-1e-5"), -(1.0 / 100000.0));
  EXPECT_EQ(lightgbm::quick_real("123.456"), 123.0 + 456.0 / 1000.0);
  EXPECT_EQ(lightgbm::quick_real("inf"), 1e308);
  EXPECT_EQ(lightgbm::quick_real("-Infinity"), -1e308);
  EXPECT_TRUE(std::isnan(lightgbm::quick_real("nan").value()));
  EXPECT_EQ(lightgbm::quick_real("1x"), std::nullopt);
  EXPECT_EQ(lightgbm::exact_real("0.1"), 0.1);
  EXPECT_EQ(lightgbm::exact_real("-inf"), -INFINITY);
  EXPECT_EQ(lightgbm::exact_real("1e999"), INFINITY);
  EXPECT_EQ(lightgbm::exact_real("1.5 "), std::nullopt);
}

TEST(Lightgbm, WhatDoesNotFitTogetherIsAFault) {
  const std::string whole = slurp(golden("trees.txt"));
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string changed = whole;
    const std::size_t at = changed.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return faults_of(of_bytes(changed.replace(at, from.size(), to)));
  };
  EXPECT_THAT(with("tree_sizes=", "tree_sizes=1"), HasSubstr("'tree_sizes' says 1"));
  EXPECT_THAT(with("tree_sizes=", "tree_sizes=5 "), HasSubstr("4 sizes for 3 trees"));
  EXPECT_THAT(with("max_feature_idx=2", "max_feature_idx=1"), HasSubstr("there are 2"));
  EXPECT_THAT(with("num_tree_per_iteration=1", "num_tree_per_iteration=2"), HasSubstr("no rounds of 2"));
  EXPECT_THAT(with("left_child=1 ", "left_child=9 "), HasSubstr("has the child 9"));
  EXPECT_THAT(with("left_child=1 ", "left_child=-1 "), HasSubstr("is that of two"));
  EXPECT_THAT(with("cat_boundaries=0 ", "cat_boundaries=1 "), HasSubstr("do not rise"));
  EXPECT_THAT(with("split_feature=", "split_feature=7"), HasSubstr("is by feature 7"));
  EXPECT_THAT(with("num_tree_per_iteration=1", "num_tree_per_iteration=3"), HasSubstr("rounds of 3 trees for 1 classes"));
  EXPECT_THAT(with("objective=", "objective=multiclass num_class::9 "), HasSubstr("there are 1 classes"));
  EXPECT_THAT(with("num_leaves=", "a=\nb=\nc=\nd=\ne=\nf=\ng=\nnum_leaves="), HasSubstr("22 are read"));
}

TEST(Lightgbm, LinearLeavesHaveFeaturesThatThereAre) {
  std::string whole = slurp(golden("linear.txt"));
  const std::size_t at = whole.find_first_of("0123456789", whole.rfind("leaf_features="));
  whole.insert(at, "1900");
  EXPECT_THAT(faults_of(of_bytes(whole)), HasSubstr("a leaf is linear in feature 1900"));
}

TEST(Lightgbm, WhatIsAFaultIsToldByScan) {
  std::string changed = slurp(golden("trees.txt"));
  changed.replace(changed.find("left_child=1 "), 13, "left_child=9 ");
  Findings findings;
  EXPECT_TRUE(k_lightgbm_format.acts(of_bytes(changed), {}, findings));
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].severity, Verdict::kUnreadable);
  EXPECT_THAT(findings[0].what, HasSubstr("has the child 9"));
}

TEST(Lightgbm, TextThatLightgbmWouldRefuseIsCorrupt) {
  const std::string whole = slurp(golden("trees.txt"));
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string changed = whole;
    const std::size_t at = changed.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    const auto model = k_lightgbm_format.read(of_bytes(changed.replace(at, from.size(), to)), {});
    if (model) return std::string("read");
    EXPECT_EQ(model.error().code(), Code::kCorrupt);
    EXPECT_TRUE(model.error().offset().has_value());
    return model.error().to_string();
  };
  EXPECT_THAT(with("num_leaves=5", "num_leaves=6"), HasSubstr("items where"));
  EXPECT_THAT(with("num_leaves=5", "num_leaves=x"), HasSubstr("'num_leaves' is x"));
  EXPECT_THAT(with("leaf_value=", "leaf_value=x"), HasSubstr("no number of its field"));
  EXPECT_THAT(with("num_cat=", "num_dog="), HasSubstr("what says how many"));
  EXPECT_THAT(with("Tree=1", "Tree=2"), HasSubstr("tree 1 should stand here"));
  EXPECT_THAT(with("end of trees", "end of tree"), HasSubstr("should stand here"));
  EXPECT_THAT(with("end of parameters", "end of parameter"), HasSubstr("in no brackets"));
  EXPECT_THAT(with("num_class=1\n", "num_class=1\nnum_class=1\n"), HasSubstr("twice"));
  EXPECT_THAT(with("pandas_categorical:null", "pandas_categorical:[1,"), HasSubstr("JSON"));
}

TEST(Lightgbm, CutFilesAreCorruptUpToTheEndOfTheTrees) {
  const std::string whole = slurp(golden("trees.txt"));
  const std::size_t end = whole.find("end of trees") + 12;
  for (std::size_t size = 5; size < end; size += 7) {
    const auto model = k_lightgbm_format.read(of_bytes(whole.substr(0, size)), {});
    ASSERT_FALSE(model) << "cut at " << size;
    EXPECT_EQ(model.error().code(), Code::kCorrupt) << model.error().to_string();
  }
}

TEST(Lightgbm, LimitsHold) {
  Context context;
  context.limits.tensors = 3;
  EXPECT_EQ(k_lightgbm_format.read(*Bundle::open(golden("trees.txt"), {}), context).error().code(), Code::kLimit);
}

}  // namespace
}  // namespace holdall
