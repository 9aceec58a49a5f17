#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "holdall/codec/zip.h"
#include "holdall/formats/keras/keras.h"
#include "holdall/io/execute.h"

namespace holdall {

extern const Format k_keras_format;

namespace {

namespace fs = std::filesystem;

std::string golden(const std::string& name) {
  return std::string(HOLDALL_SOURCE_DIR) + "/holdall/formats/keras/testdata/" + name;
}

Model opened(const std::string& path) {
  auto bundle = Bundle::open(path, {});
  EXPECT_TRUE(bundle) << bundle.error().to_string();
  auto model = k_keras_format.read(*bundle, {});
  EXPECT_TRUE(model) << path << ": " << model.error().to_string();
  return model ? *std::move(model) : Model();
}

WriteOptions named(const char* name) {
  WriteOptions options;
  options.name = name;
  return options;
}

class KerasPlan : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "holdall-keras-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string written(const Model& model, const std::string& name, WriteOptions options = {}) const {
    options.name = name;
    const auto plan = k_keras_format.plan(model, options);
    EXPECT_TRUE(plan) << plan.error().to_string();
    if (!plan) return {};
    for (const Loss& loss : plan->losses) ADD_FAILURE() << loss.where << ": " << loss.what;
    const std::string path = (folder_ / name).string();
    const Status status = execute(*plan, path, {.durable = false});
    EXPECT_TRUE(status) << status.error().to_string();
    return path;
  }

  fs::path folder_;
};

void expect_same(const Model& one, const Model& other) {
  ASSERT_EQ(one.tensors().size(), other.tensors().size());
  for (const NamedTensor& entry : one.tensors()) {
    const auto tensor = other.tensor(entry.name);
    ASSERT_TRUE(tensor) << entry.name;
    EXPECT_EQ(name(tensor->dtype()), name(entry.tensor.dtype())) << entry.name;
    EXPECT_EQ(to_hex(*tensor->digest()), to_hex(*entry.tensor.digest())) << entry.name;
  }
  for (const char* key : {"keras_version", "date_saved"}) {
    EXPECT_EQ(one.metadata().find_string(key), other.metadata().find_string(key));
  }
  const Value names = one.metadata().find("layer_names");
  EXPECT_EQ(bool(names), bool(other.metadata().find("layer_names")));
  for (std::size_t i = 0; names && i < names.size(); ++i) {
    EXPECT_EQ(other.metadata().find("layer_names").find_string(names.key(i).as_string()), names.mapped(i).as_string());
  }
  EXPECT_EQ(one.side_files().size(), other.side_files().size());
  for (const auto& [name, blob] : one.side_files()) {
    ASSERT_TRUE(other.side_files().contains(name)) << name;
    EXPECT_EQ(other.side_files().at(name).read()->text(), blob.read()->text());
  }
}

TEST_F(KerasPlan, ModelsOfKerasComeBackWithConfigNamesAndAssets) {
  std::size_t tried = 0;
  for (const auto& file : fs::directory_iterator(golden(""))) {
    if (file.path().extension() != ".keras") continue;
    SCOPED_TRACE(file.path().filename().string());
    const Model model = opened(file.path().string());
    for (const bool compress : {false, true}) {
      WriteOptions options;
      options.compress = compress;
      const std::string path = written(model, "out.keras", options);
      const Model same = opened(path);
      expect_same(model, same);
      EXPECT_EQ(same.config().find_string("class_name"), model.config().find_string("class_name"));
      const auto zip = ZipArchive::open(*open_file(path), {});
      ASSERT_TRUE(zip);
      EXPECT_EQ((*zip)->members().front().name, "metadata.json");
      EXPECT_EQ((*zip)->find("model.weights.h5")->method, compress ? 8 : 0);
      Faults faults;
      EXPECT_TRUE(k_keras_format.verify(*Bundle::open(path, {}), {}, faults));
      EXPECT_TRUE(faults.list.empty());
    }
    ++tried;
  }
  EXPECT_GE(tried, 1u);
}

TEST_F(KerasPlan, WeightsAloneKeepTheConfigBesideThem) {
  for (const auto& file : fs::directory_iterator(golden(""))) {
    if (file.path().extension() != ".keras") continue;
    Model model = opened(file.path().string());
    const Model same = opened(written(model, "out.weights.h5"));
    EXPECT_EQ(same.config().find_string("class_name"), model.config().find_string("class_name"));
    EXPECT_EQ(same.tensors().size(), model.tensors().size());
  }
}

TEST_F(KerasPlan, WhatKerasCouldNotLoadIsRefused) {
  ModelBuilder builder;
  const auto tensor = Tensor::dense(DType::kUInt8, {1}, Blob::memory(Bytes::copy("x"), "made"));
  builder.add(*tensor);
  const auto other = std::move(builder).named({"dense.weight"});
  ASSERT_TRUE(other);
  EXPECT_EQ(k_keras_format.plan(*other, {.name = "out.weights.h5"}).error().code(), Code::kUnsupported);
  ModelBuilder second;
  second.add(*tensor);
  const auto bare = std::move(second).named({"layers/dense/vars/0"});
  ASSERT_TRUE(bare);
  EXPECT_EQ(k_keras_format.plan(*bare, named("out.keras")).error().code(), Code::kUnsupported);
  EXPECT_TRUE(k_keras_format.plan(*bare, {.name = "out.weights.h5"}));
  WriteOptions shards = named("out.weights.h5");
  shards.shard_bytes = 1;
  EXPECT_EQ(k_keras_format.plan(*bare, shards).error().code(), Code::kUnsupported);
}

TEST_F(KerasPlan, ShardsHoldWhatTheWholeFileDoes) {
  const Model model = opened(golden("model.weights.h5"));
  for (const std::uint64_t most : {std::uint64_t{1}, std::uint64_t{300}, std::uint64_t{0}}) {
    WriteOptions options;
    options.shard_bytes = most;
    const std::string path = written(model, "out.weights.json", options);
    const Model same = opened(path);
    expect_same(model, same);
    EXPECT_EQ(same.origin().files.size(), most == 0 ? 2u : most == 1 ? model.tensors().size() + 1 : same.origin().files.size());
    Faults faults;
    EXPECT_TRUE(k_keras_format.verify(*Bundle::open(path, {}), {}, faults));
    EXPECT_TRUE(faults.list.empty());
  }
}

TEST_F(KerasPlan, ShardsKeepTheConfigInTheIndex) {
  for (const auto& file : fs::directory_iterator(golden(""))) {
    if (file.path().extension() != ".keras") continue;
    const Model model = opened(file.path().string());
    const Model same = opened(written(model, "out.weights.json"));
    EXPECT_EQ(same.config().find_string("class_name"), model.config().find_string("class_name"));
    EXPECT_EQ(same.tensors().size(), model.tensors().size());
  }
}

}  // namespace
}  // namespace holdall
