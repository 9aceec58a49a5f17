#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "holdall/codec/document.h"
#include "holdall/formats/keras_h5/keras_h5.h"
#include "holdall/io/execute.h"

namespace holdall {

extern const Format k_keras_h5_format;

namespace {

namespace fs = std::filesystem;

std::string golden(const std::string& name) {
  return std::string(HOLDALL_SOURCE_DIR) + "/holdall/formats/keras_h5/testdata/" + name;
}

WriteOptions compressed() {
  WriteOptions options;
  options.compress = true;
  return options;
}

WriteOptions named(const char* name) {
  WriteOptions options;
  options.name = name;
  return options;
}

class KerasH5Plan : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "holdall-keras-h5-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  // Writes the model and reads it back.
  Model again(const Model& model, WriteOptions options = {}) const {
    options.name = "out.h5";
    const auto plan = k_keras_h5_format.plan(model, options);
    EXPECT_TRUE(plan) << plan.error().to_string();
    if (!plan) return Model();
    for (const Loss& loss : plan->losses) ADD_FAILURE() << loss.where << ": " << loss.what;
    const std::string path = (folder_ / options.name).string();
    const Status status = execute(*plan, path, {.durable = false});
    EXPECT_TRUE(status) << status.error().to_string();
    return opened(path);
  }

  static Model opened(const std::string& path) {
    auto bundle = Bundle::open(path, {});
    EXPECT_TRUE(bundle) << bundle.error().to_string();
    auto model = k_keras_h5_format.read(*bundle, {});
    EXPECT_TRUE(model) << model.error().to_string();
    return model ? *std::move(model) : Model();
  }

  fs::path folder_;
};

std::string document(const Model& model, Value value) {
  JsonWriter writer;
  const auto name = [&](std::uint32_t index) -> std::string_view {
    for (const NamedTensor& entry : model.tensors())
      if (entry.index == index) return entry.name;
    return "?";
  };
  EXPECT_TRUE(write_document(writer, value, name));
  return std::move(writer).take();
}

void expect_same(const Model& one, const Model& other) {
  ASSERT_EQ(one.tensors().size(), other.tensors().size());
  for (std::size_t i = 0; i < one.tensors().size(); ++i) {
    const Tensor& a = one.tensors()[i].tensor;
    const Tensor& b = other.tensors()[i].tensor;
    EXPECT_EQ(one.tensors()[i].name, other.tensors()[i].name);
    EXPECT_EQ(name(a.dtype()), name(b.dtype())) << one.tensors()[i].name;
    EXPECT_EQ(a.shape(), b.shape());
    EXPECT_EQ(to_hex(*a.digest()), to_hex(*b.digest())) << one.tensors()[i].name;
  }
  EXPECT_EQ(document(one, one.tree()), document(other, other.tree()));
  EXPECT_EQ(document(one, one.metadata()), document(other, other.metadata()));
  EXPECT_EQ(bool(one.config()), bool(other.config()));
  if (one.config()) {
    EXPECT_EQ(document(one, one.config()), document(other, other.config()));
  }
}

TEST_F(KerasH5Plan, AFileOfKerasIsWrittenWithItsGroupsAndAttributesAndNothingElse) {
  std::size_t tried = 0;
  for (const auto& file : fs::directory_iterator(golden(""))) {
    if (file.path().extension() != ".h5") continue;
    const Model model = opened(file.path().string());
    if (!model.left_out().empty()) continue;
    const Model same = again(model);
    SCOPED_TRACE(file.path().filename().string());
    expect_same(model, same);
    std::ifstream stream(folder_ / "out.h5", std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(stream)), {});
    EXPECT_EQ(bytes.find("holdall.tree"), std::string::npos);
    expect_same(model, again(model, compressed()));
    ++tried;
  }
  EXPECT_GE(tried, 2u);
}

// Everything that HDF5's groups do not say: nesting by other keys, flags, dtypes of its own, texts with a NUL, ties.
Model other_model() {
  ModelBuilder builder;
  Arena& arena = *builder.arena;
  const auto tensor = [&](DType dtype, Shape shape, std::string bytes) {
    Blob data = Blob::memory(Bytes::adopt(std::move(bytes)), "made");
    auto made = dtype == DType::kString ? Tensor::strings(std::move(shape), std::move(data))
                                        : Tensor::dense(dtype, std::move(shape), std::move(data));
    EXPECT_TRUE(made) << name(dtype);
    return arena.tensor({.index = builder.add(*std::move(made)), .parameter = dtype == DType::kFloat32});
  };
  const NodeId weights = arena.dict();
  const NodeId tied = tensor(DType::kFloat32, {2}, "12345678");
  arena.set_item(weights, "f32", tied);
  arena.set_item(weights, "tied", tied);
  arena.set_item(weights, "bf16", tensor(DType::kBFloat16, {2, 2}, "abcdefgh"));
  arena.set_item(weights, "f8", tensor(DType::kFloat8E4M3FN, {3}, "xyz"));
  arena.set_item(weights, "c32", tensor(DType::kComplex32, {1}, "1234"));
  arena.set_item(weights, "c64", tensor(DType::kComplex64, {1}, "12345678"));
  arena.set_item(weights, "int4", tensor(DType::kInt4, {2, 3}, "abc"));
  arena.set_item(weights, "q8", tensor(DType::kQ8_0, {2, 32}, std::string(68, 'q')));
  arena.set_item(weights, "bool", tensor(DType::kBool, {2}, std::string("\1\0", 2)));
  arena.set_item(weights, "empty", tensor(DType::kFloat64, {0, 3}, ""));
  arena.set_item(weights, "text", tensor(DType::kString, {2}, std::string("\2\0\0\0\0\0\0\0ab\0\0\0\0\0\0\0\0", 18)));
  arena.set_item(weights, "nul", tensor(DType::kString, {1}, std::string("\3\0\0\0\0\0\0\0a\0b", 11)));
  builder.tree = arena.dict();
  arena.set_item(builder.tree, "model_state_dict", weights);
  arena.set_item(builder.tree, "epoch", arena.integer(3));
  builder.metadata = arena.dict();
  arena.set_item(builder.metadata, "note", arena.string("kept"));
  builder.config = arena.dict();
  arena.set_item(builder.config, "hidden_size", arena.integer(3));
  auto model = std::move(builder).named_by_tree();
  EXPECT_TRUE(model);
  return *std::move(model);
}

TEST_F(KerasH5Plan, WhatGroupsCannotSayTravelsInHoldallTree) {
  const Model model = other_model();
  for (const bool compress : {false, true}) {
    const Model same = again(model, compress ? compressed() : WriteOptions());
    EXPECT_TRUE(same.warnings().empty()) << same.warnings().front();
    expect_same(model, same);
  }
}

TEST_F(KerasH5Plan, ChecksumsAreStoredAndFindDamage) {
  (void)again(other_model());
  const std::string path = (folder_ / "out.h5").string();
  Faults faults;
  ASSERT_TRUE(k_keras_h5_format.verify(*Bundle::open(path, {}), {}, faults));
  EXPECT_TRUE(faults.list.empty()) << faults.list.front().what;
  EXPECT_GE(faults.digests, 10u);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), {});
  file.seekp(static_cast<std::streamoff>(bytes.find("abcdefgh")));
  file.put('X');
  file.close();
  faults = {};
  ASSERT_TRUE(k_keras_h5_format.verify(*Bundle::open(path, {}), {}, faults));
  EXPECT_EQ(faults.list.size(), 1u);
}

TEST_F(KerasH5Plan, NamesThatHdf5LacksAreLosses) {
  ModelBuilder builder;
  const auto tensor = Tensor::dense(DType::kUInt8, {1}, Blob::memory(Bytes::copy("x"), "made"));
  for (int i = 0; i < 3; ++i) builder.add(*tensor);
  const auto model = std::move(builder).named({"a//b", "good", "good/below"});
  ASSERT_TRUE(model);
  const auto plan = k_keras_h5_format.plan(*model, named("out.h5"));
  ASSERT_TRUE(plan) << plan.error().to_string();
  ASSERT_EQ(plan->losses.size(), 2u);
  EXPECT_EQ(plan->losses[0].where, "a//b");
  EXPECT_EQ(plan->losses[1].where, "good/below");
}

// As transformers' load_tf_weights_from_h5 walks a file: layer_names of the root, weight_names of each layer's group.
TEST_F(KerasH5Plan, FlatWeightsOfTensorFlowGetTheGroupsThatLoadersLookFor) {
  const std::vector<std::string> names = {"bert/m/bert/dense/kernel:0", "qa_outputs/m/qa_outputs/kernel:0",
                                          "bert/m/bert/dense/bias:0"};
  ModelBuilder builder;
  for (const char* data : {"abcd", "efgh", "ijkl"})
    builder.add(*Tensor::dense(DType::kFloat32, {1}, Blob::memory(Bytes::copy(data), "t")));
  builder.origin.framework = "tf";
  const Model flat = *std::move(builder).named(names);
  const Model back = again(flat);
  ASSERT_EQ(back.tensors().size(), 3u);
  for (const NamedTensor& entry : flat.tensors()) {
    ASSERT_NE(back.find(entry.name), nullptr) << entry.name;
    EXPECT_EQ(to_hex(*back.find(entry.name)->tensor.digest()), to_hex(*entry.tensor.digest()));
  }
  EXPECT_EQ(document(back, back.metadata().find("layer_names")), R"(["bert","qa_outputs"])");
  EXPECT_EQ(document(back, back.metadata().find("/bert").find("weight_names")),
            R"(["m/bert/dense/kernel:0","m/bert/dense/bias:0"])");
  EXPECT_EQ(document(back, back.metadata().find("keras_version")), R"("2.15.0")");
}

}  // namespace
}  // namespace holdall
