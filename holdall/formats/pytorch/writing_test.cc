// What the pytorch format writes, read back by itself; tests/real holds it against torch.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "holdall/base/text.h"
#include "holdall/codec/document.h"
#include "holdall/codec/zip.h"
#include "holdall/formats/pytorch/pytorch_test_files.h"
#include "holdall/io/execute.h"

namespace holdall {
namespace {

using pytorch_test::open_golden;

class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "holdall-pytorch-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

std::string tree_text(const Model& model) {
  std::vector<std::string_view> names;
  for (const NamedTensor& entry : model.tensors()) {
    if (entry.index >= names.size()) names.resize(entry.index + 1);
    if (names[entry.index].empty()) names[entry.index] = entry.name;
  }
  JsonWriter writer;
  const auto written = write_document(writer, model.tree(), [&](std::uint32_t index) { return names[index]; });
  EXPECT_TRUE(written.has_value()) << written.error().to_string();
  return writer.text();
}

Result<Model> written(const Model& model, const std::string& path, WriteOptions options = {}) {
  options.name = std::filesystem::path(path).filename().string();
  HOLDALL_ASSIGN(const Plan plan, k_pytorch_format.plan(model, options));
  HOLDALL_TRY(execute(plan, path, {.durable = false}));
  HOLDALL_ASSIGN(const Bundle bundle, Bundle::open(plan.folder ? path + "/pytorch_model.bin.index.json" : path, Limits{}));
  return k_pytorch_format.read(bundle, Context{});
}

void expect_same_tensors(const Model& a, const Model& b) {
  ASSERT_EQ(a.tensors().size(), b.tensors().size());
  for (std::size_t i = 0; i < a.tensors().size(); ++i) {
    const NamedTensor& entry = a.tensors()[i];
    const NamedTensor* other = b.find(entry.name);
    ASSERT_NE(other, nullptr) << entry.name;
    EXPECT_EQ(entry.tensor.dtype(), other->tensor.dtype()) << entry.name;
    EXPECT_EQ(entry.tensor.shape(), other->tensor.shape()) << entry.name;
    EXPECT_EQ(*entry.tensor.digest(), *other->tensor.digest()) << entry.name;
  }
}

class PytorchRoundTrip : public testing::TestWithParam<std::string> {};

TEST_P(PytorchRoundTrip, KeepsTensorsTreeAndSharing) {
  Folder folder;
  auto model = open_golden(GetParam());
  ASSERT_TRUE(model.has_value());
  auto back = written(*model, folder / "model.pt");
  ASSERT_TRUE(back.has_value()) << back.error().to_string();
  expect_same_tensors(*model, *back);
  if (GetParam() != "objects.pt") {  // NumPy's scalars are written as numbers
    EXPECT_EQ(tree_text(*model), tree_text(*back));
  }
  for (std::size_t i = 0; i < model->tensors().size(); ++i) {
    const NamedTensor* a = model->shares_with(i);
    const NamedTensor* b = back->shares_with(i);
    ASSERT_EQ(a == nullptr, b == nullptr) << model->tensors()[i].name;
    if (a != nullptr) {
      EXPECT_EQ(a->name, b->name);
    }
  }
  Faults faults;
  auto bundle = Bundle::open(folder / "model.pt", Limits{});
  ASSERT_TRUE(k_pytorch_format.verify(*bundle, Context{}, faults).has_value());
  EXPECT_THAT(faults.list, testing::IsEmpty());
  EXPECT_GT(faults.crc32, 0u);
}

INSTANTIATE_TEST_SUITE_P(Torch, PytorchRoundTrip, testing::ValuesIn(pytorch_test::golden_names()), [](const auto& file) {
  std::string name = file.param;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
});

TEST(PytorchWriting, LaysMembersOutAsTorchDoes) {
  Folder folder;
  auto model = open_golden("views.pt");
  ASSERT_TRUE(written(*model, folder / "views.pt").has_value());
  auto ours = ZipArchive::open(*open_file(folder / "views.pt"), Limits{});
  auto theirs = ZipArchive::open(*open_file(pytorch_test::folder() + "views.pt"), Limits{});
  ASSERT_TRUE(ours.has_value() && theirs.has_value());
  ASSERT_EQ((*ours)->members().size(), (*theirs)->members().size());
  for (std::size_t i = 0; i < (*ours)->members().size(); ++i) {
    const ZipMember& a = (*ours)->members()[i];
    const ZipMember& b = (*theirs)->members()[i];
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.flags, b.flags) << a.name;
    EXPECT_EQ(a.method, b.method) << a.name;
    EXPECT_EQ(a.data_offset % 64, 0u) << a.name;
    if (a.name != "views/data.pkl") {
      EXPECT_EQ(a.size, b.size) << a.name;
    }
  }
}

TEST(PytorchWriting, AlignsPayloadsAsAsked) {
  Folder folder;
  auto model = open_golden("views.pt");
  ASSERT_TRUE(written(*model, folder / "views.pt", {.alignment = 4096, .name = {}}).has_value());
  auto ours = ZipArchive::open(*open_file(folder / "views.pt"), Limits{});
  for (const ZipMember& member : (*ours)->members()) EXPECT_EQ(member.data_offset % 4096, 0u) << member.name;
  EXPECT_EQ(k_pytorch_format.plan(*model, {.alignment = 48, .name = "a.pt"}).error().code(), Code::kInvalidArgument);
}

TEST(PytorchWriting, TrimsAStorageToWhatItsViewsTouch) {
  Folder folder;
  ModelBuilder builder;
  auto storage = std::make_shared<Storage>(Storage{Blob::memory(Bytes::adopt(std::string(40'000, 'x')), "s")});
  builder.add(*Tensor::view(DType::kFloat32, {10}, storage, {.strides = {2}, .offset = 1000}));
  builder.add(*Tensor::view(DType::kFloat32, {2}, storage, {.strides = {}, .offset = 1030}));
  auto model = std::move(builder).named({"a", "b"});
  auto back = written(*model, folder / "trim.pt");
  ASSERT_TRUE(back.has_value()) << back.error().to_string();
  EXPECT_EQ(back->find("a")->tensor.storage()->data.size(), 32u * 4);
  EXPECT_EQ(back->find("a")->tensor.layout().offset, 0u);
  EXPECT_EQ(back->find("b")->tensor.layout().offset, 30u);
  EXPECT_EQ(back->find("a")->tensor.storage(), back->find("b")->tensor.storage());
  expect_same_tensors(*model, *back);
}

TEST(PytorchWriting, TensorsOfTwoDtypesMayShareAStorage) {
  Folder folder;
  ModelBuilder builder;
  std::string bytes;
  for (int i = 0; i < 64; ++i) bytes.push_back(static_cast<char>(i));
  auto storage = std::make_shared<Storage>(Storage{Blob::memory(Bytes::adopt(std::move(bytes)), "s")});
  builder.add(*Tensor::view(DType::kFloat32, {4}, storage, {.strides = {}, .offset = 5}));
  builder.add(*Tensor::view(DType::kUInt8, {3}, storage, {.strides = {}, .offset = 40}));
  auto model = std::move(builder).named({"f", "b"});
  auto back = written(*model, folder / "mixed.pt");
  ASSERT_TRUE(back.has_value()) << back.error().to_string();
  EXPECT_EQ(back->find("f")->tensor.storage(), back->find("b")->tensor.storage());
  expect_same_tensors(*model, *back);
}

TEST(PytorchWriting, NamesWhatTorchCannotHold) {
  ModelBuilder builder;
  builder.add(*Tensor::dense(DType::kQ8_0, {32}, Blob::memory(Bytes::adopt(std::string(34, 'q')), "q")));
  builder.add(*Tensor::dense(DType::kFloat6E2M3, {4}, Blob::memory(Bytes::adopt(std::string(3, 'f')), "f")));
  builder.add(*Tensor::strings({0}, Blob::memory(Bytes(), "s")));
  builder.add(*Tensor::dense(DType::kUInt8, {3}, Blob::memory(Bytes::adopt("abc"), "u")));
  auto model = std::move(builder).named({"blocks", "six", "text", "kept"});
  auto plan = k_pytorch_format.plan(*model, {.name = "a.pt"});
  ASSERT_TRUE(plan.has_value());
  std::vector<std::string> where;
  for (const Loss& loss : plan->losses) where.push_back(loss.where);
  EXPECT_THAT(where, testing::ElementsAre("blocks", "six", "text"));
  Folder folder;
  auto back = written(*model, folder / "a.pt");
  ASSERT_EQ(back->tensors().size(), 1u);
  EXPECT_EQ(back->tensors()[0].name, "kept");
}

// {"array": an array of NumPy, "tensor": torch's, "loss": numpy.float32(0.5)}
Model with_numpy_values(std::string framework) {
  ModelBuilder builder;
  Arena& arena = *builder.arena;
  builder.origin.framework = std::move(framework);
  const std::uint32_t array = builder.add(*Tensor::dense(DType::kUInt8, {3}, Blob::memory(Bytes::adopt("abc"), "a")));
  const std::uint32_t tensor = builder.add(*Tensor::dense(DType::kUInt8, {2}, Blob::memory(Bytes::adopt("de"), "t")));
  const NodeId said = arena.dict();
  arena.set_item(said, "class", arena.global("numpy", "ndarray"));
  ObjectParts loss;
  loss.callee = arena.global("numpy", "float32");
  loss.args = arena.tuple({arena.real(0.5)});
  builder.tree = arena.dict();
  arena.set_item(builder.tree, "array", arena.tensor({.index = array, .attributes = said}));
  arena.set_item(builder.tree, "tensor", arena.tensor({.index = tensor}));
  arena.set_item(builder.tree, "loss", arena.object(std::move(loss)));
  return *std::move(builder).named_by_tree();
}

TEST(PytorchWriting, ArraysOfNumpyStandInThePickleAndTakeNoStorage) {
  Folder folder;
  const Model model = with_numpy_values("pt");
  auto back = written(model, folder / "a.pt");
  ASSERT_TRUE(back.has_value()) << back.error().to_string();
  EXPECT_EQ(tree_text(*back), tree_text(model));
  expect_same_tensors(model, *back);
  const auto zip = ZipArchive::open(*open_file(folder / "a.pt"), Limits{});
  ASSERT_TRUE(zip.has_value()) << zip.error().to_string();
  EXPECT_NE((*zip)->find("a/data/0"), nullptr);
  EXPECT_EQ((*zip)->find("a/data/1"), nullptr);
}

TEST(PytorchWriting, ScalarsOfNumpyAreNumbersWhereTheyDidNotComeFromTorch) {
  Folder folder;
  auto back = written(with_numpy_values(""), folder / "a.pt");
  ASSERT_TRUE(back.has_value()) << back.error().to_string();
  ASSERT_TRUE(back->tree().find("loss").is(ValueKind::kFloat));
  EXPECT_EQ(back->tree().find("loss").as_float(), 0.5);
}

TEST(PytorchWriting, MetadataAndConfigComeBack) {
  Folder folder;
  ModelBuilder builder;
  builder.metadata = builder.arena->dict();
  builder.arena->set_item(builder.metadata, "format", builder.arena->string("pt"));
  builder.config = builder.arena->dict();
  builder.arena->set_item(builder.config, "hidden_size", builder.arena->integer(384));
  builder.add(*Tensor::dense(DType::kUInt8, {3}, Blob::memory(Bytes::adopt("abc"), "u")));
  auto model = std::move(builder).named({"w"});
  auto back = written(*model, folder / "a.pt");
  ASSERT_TRUE(back.has_value()) << back.error().to_string();
  EXPECT_EQ(back->metadata().find_string("format"), "pt");
  EXPECT_EQ(back->config().find_int("hidden_size"), 384);
}

TEST(PytorchWriting, ShardsKeepTiedTensorsTogether) {
  Folder folder;
  ModelBuilder builder;
  std::vector<std::string> names;
  for (int i = 0; i < 5; ++i) {
    names.push_back("w" + std::to_string(i));
    builder.add(*Tensor::dense(DType::kUInt8, {100}, Blob::memory(Bytes::adopt(std::string(100, static_cast<char>(i))), "u")));
  }
  auto tied = std::make_shared<Storage>(Storage{Blob::memory(Bytes::adopt(std::string(100, 't')), "t")});
  builder.add(*Tensor::view(DType::kUInt8, {100}, tied, {}));
  builder.add(*Tensor::view(DType::kUInt8, {10}, tied, {}));
  names.insert(names.end(), {"tied", "tied_too"});
  auto model = std::move(builder).named(std::move(names));
  auto back = written(*model, folder / "out", {.shard_bytes = 250, .name = {}});
  ASSERT_TRUE(back.has_value()) << back.error().to_string();
  expect_same_tensors(*model, *back);
  EXPECT_EQ(back->find("tied")->tensor.storage(), back->find("tied_too")->tensor.storage());
  EXPECT_EQ(back->find("w0")->file, "pytorch_model-00001-of-00003.bin");
  EXPECT_EQ(back->find("w2")->file, "pytorch_model-00002-of-00003.bin");
}

Model checkpoint_with_a_blob_that_torch_lacks() {
  ModelBuilder builder;
  Arena& arena = *builder.arena;
  const auto bytes = [&](char fill) { return Blob::memory(Bytes::adopt(std::string(100, fill)), "b"); };
  const NodeId a = arena.tensor({.index = builder.add(*Tensor::dense(DType::kUInt8, {100}, bytes('a'))), .parameter = true});
  const NodeId b = arena.tensor({.index = builder.add(*Tensor::dense(DType::kUInt8, {100}, bytes('b')))});
  const NodeId six =
      arena.tensor({.index = builder.add(*Tensor::dense(DType::kFloat6E2M3, {4}, Blob::memory(Bytes::adopt("fff"), "f")))});
  const NodeId model = arena.dict();
  arena.set_item(model, "a", a);
  arena.set_item(model, "b", b);
  builder.tree = arena.dict();
  arena.set_item(builder.tree, "model", model);
  arena.set_item(builder.tree, "tied", b);
  arena.set_item(builder.tree, "six", six);
  arena.set_item(builder.tree, "betas", arena.tuple({arena.real(0.9), arena.integer(7)}));
  builder.config = arena.dict();
  arena.set_item(builder.config, "hidden_size", arena.integer(384));
  return *std::move(builder).named_by_tree();
}

TEST(PytorchWriting, ShardsKeepNestingAndPlainValues) {
  Folder folder;
  auto model = open_golden("checkpoint.pt");
  ASSERT_TRUE(model.has_value()) << model.error().to_string();
  auto back = written(*model, folder / "out", {.shard_bytes = 1, .name = {}});
  ASSERT_TRUE(back.has_value()) << back.error().to_string();
  EXPECT_THAT(back->warnings(), testing::IsEmpty());
  EXPECT_GT(back->origin().files.size(), 2u);
  expect_same_tensors(*model, *back);
  EXPECT_EQ(tree_text(*model), tree_text(*back));
}

// An index is recognised by its first bytes, however long the tree in it is.
TEST(PytorchWriting, ALongTreeTravelsInAnIndex) {
  Folder folder;
  ModelBuilder builder;
  Arena& arena = *builder.arena;
  builder.tree = arena.dict();
  for (int i = 0; i < 3; ++i) {
    auto tensor = Tensor::dense(DType::kUInt8, {4}, Blob::memory(Bytes::copy("abcd"), "memory"));
    arena.set_item(builder.tree, "w" + std::to_string(i), arena.tensor({.index = builder.add(*std::move(tensor))}));
  }
  arena.set_item(builder.tree, "notes", arena.string(std::string(20'000, 'n')));
  const Model model = *std::move(builder).named_by_tree();
  auto back = written(model, folder / "out", {.shard_bytes = 4, .name = {}});
  ASSERT_TRUE(back.has_value()) << back.error().to_string();
  EXPECT_EQ(tree_text(model), tree_text(*back));
}

// A model of one storage, "abcdefgh", seen by views of these offsets and four elements, each with a checksum of "abcd".
Model views_with_checks(const std::vector<std::uint64_t>& offsets) {
  ModelBuilder builder;
  auto storage = std::make_shared<Storage>(Storage{Blob::memory(Bytes::copy("abcdefgh"), "memory")});
  std::vector<std::string> names;
  for (const std::uint64_t offset : offsets) {
    Tensor::View view;
    view.offset = offset;
    auto tensor = Tensor::view(DType::kUInt8, {4}, storage, std::move(view));
    builder.add(tensor->with_data_check(xxh3_128(as_bytes(std::string_view("abcd")))));
    names.push_back("w" + std::to_string(offset));
  }
  return *std::move(builder).named(std::move(names));
}

TEST(PytorchWriting, StoredChecksumsAreVerifiedOnTheWay) {
  Folder folder;
  EXPECT_TRUE(written(views_with_checks({0}), folder / "good.pt", {}).has_value());
  for (const std::vector<std::uint64_t>& offsets : std::vector<std::vector<std::uint64_t>>{{4}, {0, 2}, {0, 4}}) {
    auto back = written(views_with_checks(offsets), folder / "bad.pt", {});
    ASSERT_FALSE(back.has_value());
    EXPECT_EQ(back.error().code(), Code::kCorrupt);
    EXPECT_FALSE(std::filesystem::exists(folder / "bad.pt"));
  }
}

TEST(PytorchWriting, AShardedIndexNamesOnlyWhatIsWritten) {
  Folder folder;
  const Model model = checkpoint_with_a_blob_that_torch_lacks();
  auto back = written(model, folder / "out", {.shard_bytes = 100, .name = {}});
  ASSERT_TRUE(back.has_value()) << back.error().to_string();
  EXPECT_THAT(back->warnings(), testing::IsEmpty());
  EXPECT_EQ(tree_text(*back),
            R"({"model":{"a":{"$tensor":"model.a","parameter":true},"b":{"$tensor":"model.b","id":0}},"tied":{"$ref":0},)"
            R"("six":null,"betas":{"$tuple":[0.9,7]}})");
  EXPECT_EQ(back->config().find_int("hidden_size"), 384);
  EXPECT_EQ(back->metadata().size(), 0u);
  auto bundle = Bundle::open(folder / "out/pytorch_model.bin.index.json", Limits{});
  Faults faults;
  ASSERT_TRUE(k_pytorch_format.verify(*bundle, Context{}, faults).has_value());
  EXPECT_THAT(faults.list, testing::IsEmpty());
}

TEST(PytorchWriting, AShardThatLosesEverythingIsNotWritten) {
  for (const int kept : {0, 1}) {
    ModelBuilder builder;
    std::vector<std::string> names;
    for (int i = 0; i < 3; ++i) {
      const DType dtype = i == 1 && kept == 1 ? DType::kUInt8 : DType::kFloat6E2M3;  // torch has no such floats
      builder.add(
          *Tensor::dense(dtype, {64}, Blob::memory(Bytes::adopt(std::string(dtype == DType::kUInt8 ? 64 : 48, 'w')), "w")));
      names.push_back("w" + std::to_string(i));
    }
    const auto model = std::move(builder).named(std::move(names));
    const auto plan = k_pytorch_format.plan(*model, {.shard_bytes = 1, .name = {}});
    ASSERT_TRUE(plan.has_value()) << plan.error().to_string();
    ASSERT_EQ(plan->files.size(), 2u) << kept;
    EXPECT_EQ(plan->files[0].name, "pytorch_model-00001-of-00001.bin");
    EXPECT_EQ(plan->losses.size(), 3u - static_cast<std::size_t>(kept));
  }
}

TEST(PytorchWriting, TwentyThousandTensorsArePlannedInOnePass) {
  ModelBuilder builder;
  std::vector<std::string> names;
  for (int i = 0; i < 20'000; ++i) {
    names.push_back(text("layer.{}.weight", i));
    builder.add(*Tensor::dense(DType::kUInt8, {16}, Blob::memory(Bytes::adopt(std::string(16, 'w')), "w")));
  }
  auto model = std::move(builder).named(std::move(names));
  const auto from = std::chrono::steady_clock::now();
  auto plan = k_pytorch_format.plan(*model, {.name = "many.pt"});
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - from;
  ASSERT_TRUE(plan.has_value());
  RecordProperty("seconds", text("{}", took.count()));
  EXPECT_LT(took.count(), 20.0) << "unoptimised and under load, but never quadratic";
}

}  // namespace
}  // namespace holdall
