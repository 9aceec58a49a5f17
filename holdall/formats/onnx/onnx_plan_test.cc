// Writing the same graph with other weights.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "holdall/formats/format_test_files.h"
#include "holdall/formats/onnx/onnx.h"
#include "holdall/io/execute.h"

namespace holdall {

extern const Format k_onnx_format;

namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kData = HOLDALL_SOURCE_DIR "/holdall/formats/onnx/testdata/";

Model opened(const std::string& path) {
  const auto bundle = Bundle::open(path, {});
  EXPECT_TRUE(bundle) << bundle.error().to_string();
  auto model = k_onnx_format.read(*bundle, {});
  EXPECT_TRUE(model) << model.error().to_string();
  return *std::move(model);
}

// A tensor of other bytes: each is the complement of what was there; texts get one more letter.
Tensor changed(const Tensor& tensor) {
  const auto bytes = tensor.read_bytes();
  EXPECT_TRUE(bytes) << bytes.error().to_string();
  std::string data(bytes->text());
  if (tensor.dtype() == DType::kString) {
    for (std::size_t at = 0; at < data.size(); at += 8) {
      const auto size = load_le<std::uint64_t>(data.data() + at);
      store_le<std::uint64_t>(data.data() + at, size + 1);
      data.insert(at + 8, "+");
      at += static_cast<std::size_t>(size) + 1;
    }
    return *Tensor::strings(tensor.shape(), Blob::memory(Bytes::adopt(std::move(data)), "new"));
  }
  const bool is_narrow = !tensor.logical().empty();  // a byte that holds an element of fewer bits
  for (char& each : data) each = static_cast<char>(is_narrow || tensor.dtype() == DType::kBool ? each ^ 1 : ~each);
  const Tensor made = *Tensor::dense(tensor.dtype(), tensor.shape(), Blob::memory(Bytes::adopt(std::move(data)), "new"));
  return is_narrow ? made.with_logical(tensor.logical()) : made;
}

// The model with the tensors that `make` gives instead of its own.
Model with(const Model& model, const std::function<Tensor(const NamedTensor&)>& make) {
  ModelBuilder builder(model.arena().clone());
  builder.tree = model.tree().id();
  builder.metadata = model.metadata().id();
  builder.side_files = model.side_files();
  builder.origin = model.origin();
  std::vector<NamedTensor> tensors = model.tensors();
  for (NamedTensor& entry : tensors) entry.tensor = make(entry);
  return *std::move(builder).with_named(std::move(tensors));
}

Result<Plan> planned(const Model& model, const std::string& name, std::uint64_t shard_bytes = 0) {
  WriteOptions options;
  options.name = name;
  options.shard_bytes = shard_bytes;
  return k_onnx_format.plan(model, options);
}

void write(const Result<Plan>& plan, const std::string& path) {
  ASSERT_TRUE(plan) << plan.error().to_string();
  EXPECT_THAT(plan->losses, IsEmpty()) << plan->losses[0].where << ": " << plan->losses[0].what;
  ExecuteOptions options;
  options.durable = false;
  const Status written = execute(*plan, path, options);
  ASSERT_TRUE(written) << written.error().to_string();
}

void expect_sound(const std::string& path) {
  const auto bundle = Bundle::open(path, {});
  Faults faults;
  ASSERT_TRUE(k_onnx_format.verify(*bundle, {}, faults));
  EXPECT_THAT(faults.list, IsEmpty()) << faults.list[0].what;
}

TEST(OnnxPlan, AnUnchangedModelIsTheSameFile) {
  const Scratch folder;
  for (const char* name : {"encodings.onnx", "places.onnx"}) {
    write(planned(opened(kData + name), "m.onnx"), folder / name);
    EXPECT_EQ(slurp(folder / name), slurp(kData + name));
  }
}

TEST(OnnxPlan, EveryTensorInEverySpellingIsReplaced) {
  const Scratch folder;
  for (const char* name : {"encodings.onnx", "places.onnx"}) {
    const Model model = opened(kData + name);
    std::map<std::string, std::string> expected;
    const Model other = with(model, [&](const NamedTensor& entry) {
      const bool is_sparse = entry.name == "sparse" || entry.name == "pairs" || entry.name == "c_sparse";
      const Tensor made = is_sparse ? entry.tensor : changed(entry.tensor);
      expected[entry.name] = digest_of(made);
      return made;
    });
    write(planned(other, "m.onnx"), folder / name);
    const Model again = opened(folder / name);
    ASSERT_EQ(again.tensors().size(), model.tensors().size());
    for (const NamedTensor& entry : again.tensors()) EXPECT_EQ(digest_of(entry.tensor), expected[entry.name]) << entry.name;
    expect_sound(folder / name);
    write(planned(with(again, [&](const NamedTensor& entry) { return model.find(entry.name)->tensor; }), "m.onnx"),
          folder / "back");
    const Model back = opened(folder / "back");
    for (const NamedTensor& entry : back.tensors())
      EXPECT_EQ(digest_of(entry.tensor), digest_of(model.find(entry.name)->tensor)) << entry.name;
  }
}

TEST(OnnxPlan, RawDataIsExchangedInItsPlace) {
  const Scratch folder;
  const Model model = opened(kData + "encodings.onnx");
  const Blob place = *model.tensor("float_raw")->data();
  const Model other = with(model, [](const NamedTensor& e) { return e.name == "float_raw" ? changed(e.tensor) : e.tensor; });
  write(planned(other, "m.onnx"), folder / "m.onnx");
  std::string expected = slurp(kData + "encodings.onnx");
  for (std::size_t i = 0; i < place.size(); ++i) {
    char& each = expected[static_cast<std::size_t>(place.offset()) + i];
    each = static_cast<char>(~each);
  }
  EXPECT_EQ(slurp(folder / "m.onnx"), expected);
}

TEST(OnnxPlan, DataComesInWhereAFileIsWrittenAndGoesOutWhereAFolderIs) {
  const Scratch folder;
  const Model model = opened(kData + "external/model.onnx");
  write(planned(model, "m.onnx"), folder / "m.onnx");
  const Model inside = opened(folder / "m.onnx");
  EXPECT_EQ(inside.origin().files.size(), 1u);
  write(planned(model, "same"), folder / "same");
  write(planned(inside, "out", 1u << 30), folder / "out");
  write(planned(inside, "many", 2000), folder / "many");
  for (const char* name : {"m.onnx", "same", "out", "many"}) {
    const Model again = opened(folder / name);
    expect_sound(folder / name);
    for (const NamedTensor& entry : model.tensors())
      EXPECT_EQ(digest_of(again.find(entry.name)->tensor), digest_of(entry.tensor)) << name << " " << entry.name;
  }
  EXPECT_EQ(opened(folder / "same").find("big")->file.str(), "model.onnx.data");
  EXPECT_EQ(opened(folder / "many").find("half")->file.str(), "model-00002-of-00002.onnx.data");
}

TEST(OnnxPlan, AnotherShapeOrDTypeOrNameIsALoss) {
  const Model model = opened(kData + "encodings.onnx");
  const auto plan = planned(with(model,
                                 [](const NamedTensor& entry) {
                                   if (entry.name != "float_raw") return entry.tensor;
                                   return *Tensor::dense(DType::kFloat32, {4}, *entry.tensor.data());
                                 }),
                            "m.onnx");
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->losses.size(), 1u);
  EXPECT_EQ(plan->losses[0].what, "the graph has float32 [2, 2] here, not float32 [4]");
}

TEST(OnnxPlan, BytesBecomeNarrowElementsWhereTheyFit) {
  const Scratch folder;
  const Model model = opened(kData + "encodings.onnx");
  for (const auto& [value, fits] : {std::pair('\x07', true), std::pair('\x08', false)}) {
    const auto plan = planned(with(model,
                                   [&](const NamedTensor& entry) {
                                     if (entry.name != "int4_odd_raw") return entry.tensor;
                                     const Bytes bytes = Bytes::adopt(std::string(3, value));
                                     return *Tensor::dense(DType::kInt8, {3}, Blob::memory(bytes, "new"));
                                   }),
                              "m.onnx");
    ASSERT_EQ(plan.has_value(), fits);
    if (!fits) {
      EXPECT_EQ(plan.error().code(), Code::kLoss);
      continue;
    }
    write(plan, folder / "m.onnx");
    EXPECT_EQ(opened(folder / "m.onnx").tensor("int4_odd_raw")->read<std::int8_t>().value(), std::vector<std::int8_t>(3, 7));
  }
}

TEST(OnnxPlan, ChangedMetadataIsWritten) {
  const Scratch folder;
  const Model model = ModelBuilder::amended(opened(kData + "encodings.onnx"), "", [](ModelBuilder& builder) {
    builder.arena->set_item(builder.metadata, "author", builder.arena->string("somebody"));
    builder.arena->set_item(builder.metadata, "new", builder.arena->string("value"));
  });
  write(planned(model, "m.onnx"), folder / "m.onnx");
  const Model again = opened(folder / "m.onnx");
  EXPECT_EQ(again.metadata().find_string("author"), "somebody");
  EXPECT_EQ(again.metadata().find_string("licence"), "none");
  EXPECT_EQ(again.metadata().find_string("new"), "value");
  expect_sound(folder / "m.onnx");
}

TEST(OnnxPlan, AModelWithoutAGraphIsRefusedByName) {
  ModelBuilder builder;
  builder.tree = builder.arena->dict();
  const auto plan = planned(*std::move(builder).named_by_tree(), "m.onnx");
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code(), Code::kUnsupported);
  EXPECT_THAT(plan.error().message(), HasSubstr("holdall update"));
}

}  // namespace
}  // namespace holdall
