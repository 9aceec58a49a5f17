#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "holdall/codec/hdf5_writer.h"
#include "holdall/formats/format.h"
#include "holdall/formats/format_test_files.h"

namespace holdall {

extern const Format k_keras_h5_format;

namespace {

std::string golden(const std::string& name) {
  return std::string(HOLDALL_SOURCE_DIR) + "/holdall/formats/keras_h5/testdata/" + name;
}

Result<Model> open_path(const std::string& path) {
  HOLDALL_ASSIGN(const Bundle bundle, Bundle::open(path, {}));
  return k_keras_h5_format.read(bundle, {});
}

Verdict worst_of(const Findings& findings) {
  Verdict worst = Verdict::kInert;
  for (const Finding& finding : findings) worst = std::max(worst, finding.severity);
  return worst;
}

Findings acts_of(const std::string& path) {
  Findings findings;
  const auto bundle = Bundle::open(path, {});
  EXPECT_TRUE(bundle);
  const Status status = k_keras_h5_format.acts(*bundle, {}, findings);
  EXPECT_TRUE(status) << status.error().to_string();
  return findings;
}

std::string hdf5(const std::string& name) { return std::string(HOLDALL_SOURCE_DIR) + "/holdall/codec/testdata/hdf5/" + name; }

TEST(KerasH5, WeightsAreThoseThatH5pyReads) {
  const auto rows = rows_of(golden("digests.tsv"));
  ASSERT_GT(rows.size(), 40u);
  for (const auto& row : rows) {
    const auto model = open_path(golden(row[0]));
    ASSERT_TRUE(model) << row[0] << ": " << model.error().to_string();
    const auto tensor = model->tensor(row[1]);
    ASSERT_TRUE(tensor) << row[0] << " " << row[1];
    EXPECT_EQ(digest_of(*tensor), row[2]) << row[0] << " " << row[1];
  }
}

TEST(KerasH5, OptimizersAndSlicesOfKeras2AreInert) {
  for (const char* name : {"conv.h5", "graph.h5", "text.h5"}) {
    EXPECT_TRUE(acts_of(std::string(HOLDALL_SOURCE_DIR) + "/python/tests/keras2/" + name).empty()) << name;
  }
}

TEST(KerasH5, EveryTypeAndLayoutOfHdf5IsReadAsH5pyReadsIt) {
  std::map<std::string, Model> models;
  const auto rows = rows_of(hdf5("digests.tsv"));
  ASSERT_GT(rows.size(), 300u);
  for (const auto& row : rows) {
    if (!models.contains(row[0])) {
      auto model = open_path(hdf5(row[0]));
      ASSERT_TRUE(model) << row[0] << ": " << model.error().to_string();
      models.emplace(row[0], *std::move(model));
    }
    const auto tensor = models.at(row[0]).tensor(row[1]);
    ASSERT_TRUE(tensor) << row[0] << " " << row[1];
    EXPECT_EQ(name(tensor->dtype()), row[2]) << row[1];
    EXPECT_EQ(shape_text(tensor->shape()), row[3]) << row[1];
    EXPECT_EQ(digest_of(*tensor), row[4]) << row[0] << " " << row[1];
  }
}

TEST(KerasH5, TensorsStandInTheOrderOfTheModel) {
  const auto model = open_path(golden("keras2.h5"));
  ASSERT_TRUE(model);
  ASSERT_EQ(model->tensors().size(), 24u);
  EXPECT_EQ(model->tensors()[0].name, "model_weights/dense_0/dense_0/kernel:0");
  EXPECT_EQ(model->tensors()[1].name, "model_weights/dense_0/dense_0/bias:0");
  EXPECT_EQ(model->tensors()[22].name, "model_weights/dense_11/dense_11/kernel:0");
  for (std::uint32_t i = 0; i < 24; ++i) EXPECT_EQ(model->tensors()[i].index, i);
  const Value layer = model->tree().find("model_weights").find("dense_3").find("dense_3");
  EXPECT_EQ(layer.find("bias:0").as_tensor().index, 7u);
}

TEST(KerasH5, ConfigAndMetadataAreValues) {
  const auto model = open_path(golden("keras3.h5"));
  ASSERT_TRUE(model);
  EXPECT_EQ(model->config().find_string("class_name"), "Functional");
  EXPECT_EQ(model->metadata().find_string("keras_version"), "3.15.1");
  EXPECT_EQ(model->metadata().find("training_config").find_string("loss"), "mse");
  EXPECT_EQ(model->metadata().find("/model_weights").find("layer_names").size(), 4u);
  EXPECT_FALSE(model->metadata().find("model_config"));
  EXPECT_EQ(model->origin().format, "keras-h5");
  const auto joined = open_path(golden("keras2.h5"));
  ASSERT_TRUE(joined);
  EXPECT_EQ(joined->metadata().find("/model_weights").find("layer_names").size(), 12u);
}

TEST(KerasH5, TwoOpaqueBytesOfKerasAreABFloat16) {
  for (const char* file : {"keras3.h5", "weights.h5"}) {
    const auto model = open_path(golden(file));
    ASSERT_TRUE(model);
    const auto found = std::find_if(model->tensors().begin(), model->tensors().end(),
                                    [](const NamedTensor& entry) { return entry.name.ends_with("head/head/kernel"); });
    ASSERT_NE(found, model->tensors().end());
    EXPECT_EQ(found->tensor.dtype(), DType::kBFloat16) << file;
  }
}

TEST(KerasH5, LinkedDataSetsShareMemory) {
  const auto model = open_path(hdf5("latest.h5"));
  ASSERT_TRUE(model);
  const auto shares_with = [&](std::string_view name) -> std::string {
    const auto place = static_cast<std::size_t>(model->find(name) - model->tensors().data());
    const NamedTensor* other = model->shares_with(place);
    return other == nullptr ? "" : other->name;
  };
  EXPECT_EQ(shares_with("soft"), "");
  EXPECT_EQ(shares_with("types/i4"), "soft");
  EXPECT_EQ(shares_with("types/f4"), "hard");
  EXPECT_EQ(model->warnings().size(), 1u);
}

TEST(KerasH5, WhatLeadsOutOfTheFileIsRefused) {
  for (const char* file : {"external.h5", "outside.h5", "virtual.h5", "lzf.h5"}) {
    const auto model = open_path(hdf5(file));
    ASSERT_FALSE(model) << file;
    EXPECT_EQ(model.error().code(), Code::kUnsupported) << model.error().to_string();
  }
  for (const char* file : {"external.h5", "outside.h5", "virtual.h5"})
    EXPECT_EQ(worst_of(acts_of(hdf5(file))), Verdict::kCode) << file;
}

TEST(KerasH5, WhatBuildingAModelWouldRunIsTold) {
  for (const char* file : {"keras2.h5", "keras3.h5", "weights.h5"}) {
    const Findings findings = acts_of(golden(file));
    EXPECT_TRUE(findings.empty()) << file << ": " << findings.front().what;
  }
  EXPECT_EQ(worst_of(acts_of(golden("lambda.h5"))), Verdict::kCode);
  EXPECT_EQ(worst_of(acts_of(golden("custom.h5"))), Verdict::kCode);
  EXPECT_EQ(worst_of(acts_of(golden("import.h5"))), Verdict::kMalicious);
}

Verdict verdict_with(std::string_view name, const std::string& text) {
  Hdf5Planner planner;
  const std::vector<std::string> texts = {text};
  EXPECT_TRUE(planner.attribute(Hdf5Planner::kRoot, name, Hdf5Value::fixed_texts(texts)));
  EXPECT_TRUE(planner.dataset("words", Hdf5Value::fixed_texts(texts)));
  const auto blob = std::move(planner).finish("file.h5");
  EXPECT_TRUE(blob);
  const auto bytes = blob->read();
  EXPECT_TRUE(bytes);
  Findings findings;
  EXPECT_TRUE(k_keras_h5_format.acts(Bundle::of(memory_source(*bytes, "file.h5")), {}, findings));
  return worst_of(findings);
}

TEST(KerasH5, PicklesInAttributesAndBytesAreJudged) {
  EXPECT_EQ(verdict_with("TITLE", "cos\nsystem\n(Vecho\ntR."), Verdict::kMalicious);
  EXPECT_EQ(verdict_with("TITLE", "cos\nsystem\n(Vecho\ntRQ."), Verdict::kMalicious);
  EXPECT_EQ(verdict_with("TITLE", "cantigravity\nfly\n0."), Verdict::kMalicious);
  EXPECT_EQ(verdict_with("TITLE", "cmine\nClass\n."), Verdict::kCode);
  for (const char* text : {"(lp0\nVvalues\np1\na.", "N.", "Temperature in K.", "created by\nsomebody\n.", "cat\ndog\nfish."})
    EXPECT_EQ(verdict_with("TITLE", text), Verdict::kInert) << text;
}

TEST(KerasH5, WhatPyTablesMakesOfItsFirstFiltersIsJudged) {
  const std::string first = "(ctables.Leaf\n0U\x05";
  const std::string second = "cos\nsystem\n(Vecho\ntR.";
  std::string text;
  for (const std::string& part : {first, second}) {
    text += 'X' + std::string(1, static_cast<char>(part.size())) + std::string(3, '\0');
    text += part;
  }
  EXPECT_EQ(verdict_with("FILTERS", text + "."), Verdict::kMalicious);
  EXPECT_EQ(verdict_with("TITLE", text + "."), Verdict::kInert);
}

TEST(KerasH5, VerifyFindsAFlippedBitInAChunk) {
  std::ifstream file(hdf5("latest.h5"), std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  const auto faults_of = [](const std::string& data) {
    Faults faults;
    const Status status = k_keras_h5_format.verify(Bundle::of(memory_source(Bytes::copy(data), "file.h5")), {}, faults);
    return status ? faults.list.size() : 1;
  };
  EXPECT_EQ(faults_of(bytes), 0u);
  const std::size_t chunk = bytes.find("\x78\x5e");  // how a chunk that zlib deflated begins
  ASSERT_NE(chunk, std::string::npos);
  bytes[chunk + 20] = static_cast<char>(bytes[chunk + 20] ^ 4);
  EXPECT_EQ(faults_of(bytes), 1u);
}

TEST(KerasH5, CirclesOfGroupsAreOneValue) {
  const auto model = open_path(hdf5("circle.h5"));
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_EQ(model->tensors().size(), 1u);
  const Value a = model->tree().find("a");
  EXPECT_EQ(a.find("b").find("c").id(), a.id());
}

}  // namespace
}  // namespace holdall
