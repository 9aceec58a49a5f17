#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "holdall/formats/format.h"
#include "holdall/formats/format_test_files.h"

namespace holdall {

extern const Format k_keras_format;

namespace {

std::string golden(const std::string& name) {
  return std::string(HOLDALL_SOURCE_DIR) + "/holdall/formats/keras/testdata/" + name;
}

Result<Model> open_path(const std::string& path) {
  HOLDALL_ASSIGN(const Bundle bundle, Bundle::open(path, {}));
  HOLDALL_ASSIGN(const Format* found, detect(bundle, {}));
  EXPECT_EQ(found, &k_keras_format) << path;
  return k_keras_format.read(bundle, {});
}

Findings acts_of(const std::string& file) {
  Findings findings;
  const auto bundle = Bundle::open(golden(file), {});
  EXPECT_TRUE(bundle);
  const Status status = k_keras_format.acts(*bundle, {}, findings);
  EXPECT_TRUE(status) << status.error().to_string();
  return findings;
}

constexpr const char* kFiles[] = {"model.keras", "model.weights.h5", "sharded.weights.json"};

TEST(Keras, WeightsAreThoseThatH5pyReads) {
  for (const char* file : kFiles) {
    const auto model = open_path(golden(file));
    ASSERT_TRUE(model) << file << ": " << model.error().to_string();
    std::ifstream table(golden("digests.tsv"));
    std::size_t count = 0;
    for (std::string path, digest; table >> path >> digest; ++count) {
      const auto tensor = model->tensor(path);
      ASSERT_TRUE(tensor) << file << " " << path;
      EXPECT_EQ(digest_of(*tensor), digest) << file << " " << path;
    }
    EXPECT_EQ(model->tensors().size(), count) << file;
    EXPECT_EQ(model->origin().format, "keras");
    EXPECT_EQ(model->tensor("layers/dense/vars/0")->dtype(), DType::kBFloat16);
  }
}

TEST(Keras, LayersHaveTheirOwnNamesInTheMetadata) {
  for (const char* file : kFiles) {
    const auto model = open_path(golden(file));
    ASSERT_TRUE(model);
    const Value names = model->metadata().find("layer_names");
    EXPECT_EQ(names.find_string("layers/dense"), "head") << file;
    EXPECT_EQ(names.find_string("layers/sequential/layers/dense"), "in_a") << file;
  }
}

TEST(Keras, TheConfigIsValuesAndAssetsAreSideFiles) {
  const auto model = open_path(golden("lambda.keras"));
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_EQ(model->config().find_string("class_name"), "Functional");
  EXPECT_EQ(model->metadata().find_string("keras_version"), "3.15.1");
  EXPECT_TRUE(model->side_files().contains("assets/layers/lookup/vocabulary.txt"));
  const Value layers = model->tree().find("layers");
  EXPECT_TRUE(layers.find("sequential").find("layers").find("dense").find("vars").find("0").is(ValueKind::kTensor));
}

TEST(Keras, NumbersInNamesCount) {
  const auto model = open_path(golden("model.weights.h5"));
  ASSERT_TRUE(model);
  const auto place = [&](std::string_view name) { return model->find(name) - model->tensors().data(); };
  EXPECT_EQ(place("optimizer/vars/10"), place("optimizer/vars/9") + 1);
}

TEST(Keras, WhatBuildingAModelWouldRunIsTold) {
  for (const char* file : kFiles) EXPECT_TRUE(acts_of(file).empty()) << file;
  const Findings lambda = acts_of("lambda.keras");
  ASSERT_FALSE(lambda.empty());
  EXPECT_EQ(lambda.front().severity, Verdict::kCode);
  EXPECT_EQ(lambda.front().rule, Rule::kKerasLambda);
  const Findings fetch = acts_of("fetch.keras");
  ASSERT_EQ(fetch.size(), 1u);
  EXPECT_EQ(fetch.front().severity, Verdict::kMalicious);
}

TEST(Keras, WholeFilesVerify) {
  for (const char* file : kFiles) {
    const auto bundle = Bundle::open(golden(file), {});
    ASSERT_TRUE(bundle);
    Faults faults;
    const Status status = k_keras_format.verify(*bundle, {}, faults);
    EXPECT_TRUE(status) << status.error().to_string();
    EXPECT_TRUE(faults.list.empty()) << file << ": " << faults.list.front().what;
  }
}

TEST(Keras, AShardThatIsMissingIsNamed) {
  const Bundle bundle =
      Bundle::of(memory_source(Bytes::copy(R"({"weight_map":{"/a/vars":"x_00000.weights.h5"}})"), "x.weights.json"));
  const auto model = k_keras_format.read(bundle, {});
  ASSERT_FALSE(model);
  EXPECT_NE(model.error().to_string().find("x_00000.weights.h5"), std::string::npos) << model.error().to_string();
  const Bundle outside =
      Bundle::of(memory_source(Bytes::copy(R"({"weight_map":{"/a/vars":"../x.weights.h5"}})"), "x.weights.json"));
  EXPECT_EQ(k_keras_format.read(outside, {}).error().code(), Code::kCorrupt);
}

TEST(Keras, AnIndexOfNothingIsOne) {
  const Bundle bundle = Bundle::of(
      memory_source(Bytes::copy("{\n  \"metadata\": {\"total_size\": 0},\n  \"weight_map\": { }\n}"), "x.weights.json"));
  const auto found = detect(bundle, {});
  ASSERT_TRUE(found) << found.error().to_string();
  EXPECT_EQ(*found, &k_keras_format);
  const auto model = k_keras_format.read(bundle, {});
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_TRUE(model->tensors().empty());
}

}  // namespace
}  // namespace holdall
