#include "holdall/formats/safetensors/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>

#include "holdall/base/endian.h"
#include "holdall/formats/format_test_files.h"
#include "holdall/io/execute.h"

namespace holdall {

extern const Format k_safetensors_format;

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

const std::string kData = HOLDALL_SOURCE_DIR "/holdall/formats/safetensors/testdata/";

Result<Model> open(const std::string& path) {
  HOLDALL_ASSIGN(const Bundle bundle, Bundle::open(path, Limits()));
  return k_safetensors_format.read(bundle, Context());
}

Bundle in_memory(std::string bytes) { return Bundle::of(memory_source(Bytes::adopt(std::move(bytes)), "m.safetensors")); }

std::string file_of(const std::string& header, std::size_t data) {
  std::string bytes(8, '\0');
  store_le<std::uint64_t>(bytes.data(), header.size());
  return bytes + header + std::string(data, 'x');
}

std::string fault(std::string bytes) {
  const auto model = k_safetensors_format.read(in_memory(std::move(bytes)), Context());
  return model ? "" : model.error().to_string();
}

Tensor dense(DType dtype, Shape shape, std::string data) {
  auto tensor = Tensor::dense(dtype, std::move(shape), Blob::memory(Bytes::adopt(std::move(data)), "t"));
  EXPECT_TRUE(tensor) << tensor.error().to_string();
  return *tensor;
}

std::string content(const Model& model, std::string_view name) {
  const auto tensor = model.tensor(name);
  if (!tensor) return tensor.error().to_string();
  const auto bytes = tensor->read_bytes();
  return bytes ? std::string(bytes->text()) : bytes.error().to_string();
}

// Writes a model and opens it again.
Result<Model> rewritten(const Model& model, const std::string& path, WriteOptions options = {}) {
  options.name = fs::path(path).filename().string();
  HOLDALL_ASSIGN(const Plan plan, k_safetensors_format.plan(model, options));
  ExecuteOptions execution;
  execution.durable = false;
  HOLDALL_TRY(execute(plan, path, execution));
  return open(path);
}

std::vector<std::string> names(const Model& model) {
  std::vector<std::string> names;
  for (const NamedTensor& entry : model.tensors()) names.push_back(entry.name);
  return names;
}

Faults verified(const std::string& path) {
  Faults faults;
  const auto bundle = Bundle::open(path, Limits());
  const Status status = k_safetensors_format.verify(*bundle, Context(), faults);
  if (!status) faults.add(status.error());
  return faults;
}

class Golden : public ::testing::TestWithParam<const char*> {};

TEST_P(Golden, TensorsAreThoseThatTheReferenceWrote) {
  const auto model = open(kData + GetParam() + ".safetensors");
  ASSERT_TRUE(model) << model.error().to_string();
  std::ifstream listing(kData + GetParam() + ".tsv");
  std::string line;
  std::size_t i = 0;
  for (; std::getline(listing, line); ++i) {
    ASSERT_LT(i, model->tensors().size());
    const NamedTensor& entry = model->tensors()[i];
    std::ostringstream said;
    said << entry.name << '\t' << name(entry.tensor.dtype()) << '\t' << to_string(entry.tensor.shape()) << '\t'
         << to_hex(*entry.tensor.digest());
    EXPECT_EQ(said.str(), line);
  }
  EXPECT_EQ(i, model->tensors().size());
  EXPECT_TRUE(model->warnings().empty());
}

TEST_P(Golden, WrittenWithoutATreeIsByteForByteTheReference) {
  if (std::string_view(GetParam()) == "small") return;  // laid out by hand, in an order that no writer has
  const std::string path = kData + GetParam() + ".safetensors";
  const auto model = open(path);
  ASSERT_TRUE(model);
  const Scratch scratch;
  WriteOptions options;
  options.checksums = false;
  const auto again = rewritten(*model, scratch / "out.safetensors", options);
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ(slurp(scratch / "out.safetensors"), slurp(path));
}

INSTANTIATE_TEST_SUITE_P(Safetensors, Golden,
                         ::testing::Values("dtypes", "shapes", "nothing", "small", "sharded/model-00001-of-00002",
                                           "sharded/model-00002-of-00002"));

TEST(Safetensors, MetadataIsKept) {
  const auto model = open(kData + "dtypes.safetensors");
  ASSERT_TRUE(model);
  EXPECT_EQ(model->metadata().find_string("format"), "pt");
  EXPECT_EQ(model->metadata().find_string("note"), "é\"\\\n");
}

TEST(Safetensors, IndexGathersItsShards) {
  const auto model = open(kData + "sharded/model.safetensors.index.json");
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_THAT(names(*model), ElementsAre("a.bias", "a.weight", "b.weight"));
  EXPECT_EQ(model->find("b.weight")->file, "model-00002-of-00002.safetensors");
  EXPECT_EQ(model->tensor("b.weight")->read<std::int64_t>().value(), (std::vector<std::int64_t>{0, 1, 2, 3}));
  EXPECT_EQ(model->origin().files.size(), 3u);
  EXPECT_TRUE(model->warnings().empty());
}

TEST(Safetensors, MissingShardsAndTensorsAreNamed) {
  const Scratch scratch;
  fs::copy(kData + "sharded", scratch / "m");
  const std::string index = scratch / "m/model.safetensors.index.json";
  const std::string whole = slurp(index);
  std::ofstream(index) << std::string(whole).replace(whole.find("a.bias"), 6, "a.bios");
  EXPECT_THAT(open(index).error().to_string(),
              HasSubstr("tensor 'a.bios' is not in 'model-00001-of-00002.safetensors', where the index puts it"));
  std::ofstream(index) << std::string(whole).replace(whole.find("    \"a.bias\""),
                                                     whole.find("    \"a.weight\"") - whole.find("    \"a.bias\""), "");
  const auto model = open(index);
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_THAT(model->warnings(),
              ElementsAre(HasSubstr("tensor 'a.bias' in 'model-00001-of-00002.safetensors' is not in the index")));
  std::ofstream(index) << whole;
  fs::remove(scratch / "m/model-00002-of-00002.safetensors");
  EXPECT_THAT(open(index).error().to_string(), HasSubstr("1 of 2 shards missing: 'model-00002-of-00002.safetensors'"));
  EXPECT_EQ(open(index).error().code(), Code::kNotFound);
  std::ofstream(scratch / "m/model-00002-of-00002.safetensors")
      << "version https://git-lfs.github.com/spec/v1\noid sha256:0a\nsize 4976698672\n";
  EXPECT_THAT(open(index).error().to_string(),
              HasSubstr("model-00002-of-00002.safetensors: this is a Git LFS pointer to 4976698672 bytes (oid sha256:0a)"));
  std::ofstream(index) << R"({"weight_map":{"a":"../model-00001-of-00002.safetensors"}})";
  EXPECT_THAT(open(index).error().to_string(), HasSubstr("leads out of the folder"));
}

TEST(Safetensors, BrokenFilesAreRefusedByName) {
  const std::string f32 = R"("dtype":"F32","shape":[2],"data_offsets":)";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "m.safetensors @ 0: 0 bytes are too few"},
      {"1234567", "7 bytes are too few"},
      {std::string("\x03\0\0\0\0\0\0\0{}", 10), "@ 0: the header's length 3 exceeds the 2 bytes that follow"},
      {file_of("", 0), "@ 8: the header does not start with '{'"},
      {file_of(" {}", 0), "does not start with '{'"},
      {file_of("{}", 3), "@ 10: 3 bytes behind the last tensor belong to no tensor"},
      {file_of("{}x", 0), "@ 10: 'x' stands where the end should"},
      {file_of("{\"a\":1}", 0), "@ 13: tensor 'a': its entry is no object"},
      {file_of("{\"a\":{" + f32 + "[0,8]},\"a\":{" + f32 + "[0,8]}}", 8), "@ 62: 'a' stands twice in the header"},
      {file_of("{\"a\":{" + f32 + "[0,8]},\"b\":{" + f32 + "[4,12]}}", 12), "tensor 'b' overlaps a, which ends at"},
      {file_of("{\"a\":{" + f32 + "[0,8]},\"b\":{" + f32 + "[9,17]}}", 17),
       "1 bytes between a and tensor 'b' belong to no tensor"},
      {file_of("{\"a\":{" + f32 + "[0,8]}}", 7), "tensor 'a': its data [0, 8) does not lie within the 7 bytes of data"},
      {file_of("{\"a\":{" + f32 + "[8,0]}}", 8), "does not lie within"},
      {file_of("{\"a\":{" + f32 + "[0,4]}}", 4), "tensor 'a': [2] of float32 takes 8 bytes, its data_offsets give it 4"},
      {file_of("{\"a\":{" + f32 + "[0,4,8]}}", 8), "3 numbers, not 2"},
      {file_of("{\"a\":{" + f32 + "[0,-8]}}", 8), "what is no size"},
      {file_of("{\"a\":{" + f32 + "[0,8.0]}}", 8), "what is no size"},
      {file_of("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8), "tensor 'a': its entry has no 'data_offsets'"},
      {file_of("{\"a\":{\"dtype\":\"F31\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8),
       "@ 22: tensor 'a': dtype 'F31' is not known"},
      {file_of("{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]}}", 1),
       "3 elements of float4_e2m1 are not whole blocks"},
      {file_of("{\"a\":{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296,16],\"data_offsets\":[0,0]}}", 0),
       "more elements than 63 bits"},
      {file_of("{\"a\":{\"dtype\":\"U8\",\"shape\":[18446744073709551616],\"data_offsets\":[0,0]}}", 0), "what is no size"},
      {file_of("{\"__metadata__\":{\"a\":1}}", 0), "'a' in '__metadata__' is no text"},
      {file_of("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", 0), "'a' stands twice"},
      {file_of("{\"__metadata__\":{},\"__metadata__\":{}}", 0), "'__metadata__' stands twice"},
      {file_of("{\"\xff\":1}", 0), "@ 10: byte 0xff is not UTF-8"},
      {file_of("{\"a\":{" + f32 + "[0,8]}", 8), "the JSON ends where '}' should stand"},
  };
  for (const auto& [bytes, expected] : cases) EXPECT_THAT(fault(bytes), HasSubstr(expected)) << bytes.substr(8);
}

TEST(Safetensors, AHeaderBeyondTheLimitIsNotRead) {
  std::string header = "{}";
  header.append(2'000, ' ');
  Context context;
  context.limits.header_bytes = 1'000;
  const auto model = k_safetensors_format.read(in_memory(file_of(header, 0)), context);
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code(), Code::kLimit);
}

TEST(Safetensors, KeysThatTheSpecificationLacksArePassedOver) {
  EXPECT_EQ(fault(file_of(R"({"a":{"x":[{"y":1}],"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1)), "");
}

// A checkpoint of nested dicts whose tensors share memory in every way that the format keeps.
Model checkpoint() {
  ModelBuilder builder;
  Arena& arena = *builder.arena;
  std::string numbers(48, '\0');
  for (std::size_t i = 0; i < 12; ++i) store_le<float>(numbers.data() + 4 * i, static_cast<float>(i));
  const auto storage = std::make_shared<const Storage>(Storage{Blob::memory(Bytes::adopt(numbers), "s")});
  const auto a = builder.add(*Tensor::view(DType::kFloat32, {3, 4}, storage, {}));
  const auto t = builder.add(*Tensor::view(DType::kFloat32, {4, 3}, storage, {{1, 4}, 0, false, false}));
  const auto row = builder.add(*Tensor::view(DType::kFloat32, {4}, storage, {{1}, 4, false, false}));
  const auto other = builder.add(dense(DType::kInt64, {}, std::string(8, '\7')));
  const auto empty = builder.add(dense(DType::kFloat16, {0, 2}, ""));
  const NodeId state = arena.dict();
  const NodeId tied = arena.tensor({a, true, true, kNoNode});
  arena.set_item(state, "weight", tied);
  arena.set_item(state, "head", tied);
  arena.set_item(state, "t", arena.tensor({t}));
  arena.set_item(state, "row", arena.tensor({row}));
  arena.set_item(state, "empty", arena.tensor({empty}));
  arena.set_item(state, "empty2", arena.tensor({empty}));
  const NodeId root = arena.dict();
  arena.set_item(root, "epoch", arena.integer(3));
  arena.set_item(root, "model", state);
  arena.set_item(root, "step", arena.tuple({arena.real(0.5), arena.tensor({other})}));
  builder.tree = root;
  builder.origin.format = "pytorch";
  builder.origin.framework = "pt";
  return *std::move(builder).named_by_tree();
}

TEST(Safetensors, ACheckpointComesBackWithItsTreeAndItsSharing) {
  const Scratch scratch;
  const Model model = checkpoint();
  const std::string path = scratch / "c.safetensors";
  const auto again = rewritten(model, path);
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_TRUE(again->warnings().empty()) << again->warnings().front();
  EXPECT_EQ(names(*again), names(model));
  for (const NamedTensor& entry : model.tensors())
    EXPECT_EQ(content(*again, entry.name), content(model, entry.name)) << entry.name;
  EXPECT_EQ(again->tree().find_int("epoch"), 3);
  const Value state = again->tree().find("model");
  EXPECT_EQ(state.find("weight").id(), state.find("head").id());
  EXPECT_TRUE(state.find("weight").as_tensor().parameter);
  EXPECT_EQ(again->tensor("model.t")->storage(), again->tensor("model.weight")->storage());
  EXPECT_EQ(again->tensor("model.row")->storage(), again->tensor("model.weight")->storage());
  EXPECT_FALSE(again->tensor("model.t")->is_dense());
  // What the writer says of itself, as transformers wants it, is not the model's.
  EXPECT_NE(slurp(path).find(R"("format":"pt")"), std::string::npos);
  EXPECT_EQ(again->metadata().size(), 0u);
  EXPECT_EQ(again->origin().framework, "pt");
  const Faults faults = verified(path);
  EXPECT_TRUE(faults.list.empty()) << faults.list.front().what;
  EXPECT_EQ(faults.digests, model.tensors().size());
}

TEST(Safetensors, AFlippedBitOfATensorIsFoundByReadingAndVerifying) {
  const Scratch scratch;
  const std::string path = scratch / "c.safetensors";
  ASSERT_TRUE(rewritten(checkpoint(), path));
  std::string bytes = slurp(path);
  const std::size_t first = 8 + load_le<std::uint64_t>(bytes.data());  // of step.1, which the reference order puts first
  bytes[first] ^= 4;
  std::ofstream(path, std::ios::binary) << bytes;
  const auto model = open(path);
  ASSERT_TRUE(model);
  const Faults faults = verified(path);
  ASSERT_EQ(faults.list.size(), 1u);
  EXPECT_THAT(faults.list[0].what, HasSubstr("tensor 'step.1'"));
  EXPECT_EQ(faults.list[0].offset, first);
  EXPECT_FALSE(model->tensor("step.1")->read_bytes());
  bytes[first] ^= 4;
  bytes[bytes.size() - 3] ^= 4;  // the copy of a tied tensor, which only other readers look at
  std::ofstream(path, std::ios::binary) << bytes;
  EXPECT_THAT(verified(path).list.at(0).what, HasSubstr("tensor 'model.weight'"));
}

TEST(Safetensors, AChangedHeaderSetsTheTreeAsideWithAWarning) {
  const Scratch scratch;
  const std::string path = scratch / "c.safetensors";
  ASSERT_TRUE(rewritten(checkpoint(), path));
  std::string bytes = slurp(path);
  bytes[bytes.find("epoch") + 9] = '4';
  std::ofstream(path, std::ios::binary) << bytes;
  const auto model = open(path);
  ASSERT_TRUE(model);
  EXPECT_THAT(model->warnings(), ElementsAre(HasSubstr("seal does not hold")));
  EXPECT_TRUE(model->find("model.weight"));
  EXPECT_EQ(verified(path).list.size(), 1u);
}

TEST(Safetensors, ShardsAreWrittenAndReadBack) {
  const Scratch scratch;
  const Model model = checkpoint();
  WriteOptions options;
  options.shard_bytes = 60;
  const auto again = rewritten(model, scratch / "folder", options);
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_TRUE(fs::exists(scratch / "folder/model-00001-of-00004.safetensors"));
  EXPECT_TRUE(again->warnings().empty()) << again->warnings().front();
  EXPECT_EQ(names(*again), names(model));
  for (const NamedTensor& entry : model.tensors())
    EXPECT_EQ(content(*again, entry.name), content(model, entry.name)) << entry.name;
  EXPECT_EQ(again->tensor("model.t")->storage(), again->tensor("model.weight")->storage());
  const Faults faults = verified(scratch / "folder/model.safetensors.index.json");
  EXPECT_TRUE(faults.list.empty()) << faults.list.front().what;
  EXPECT_EQ(faults.digests, model.tensors().size());
  const auto single = rewritten(model, scratch / "one", [] {
    WriteOptions large;
    large.shard_bytes = 1'000'000;
    return large;
  }());
  ASSERT_TRUE(single) << single.error().to_string();
  EXPECT_EQ(names(*single), names(model));
}

TEST(Safetensors, WhatHasNoPlaceIsALoss) {
  ModelBuilder builder;
  builder.add(dense(DType::kComplex128, {1}, std::string(16, 'c')));
  builder.add(dense(DType::kInt4, {2}, "i"));
  builder.add(dense(DType::kFloat32, {1}, "flow"));
  builder.add(*Tensor::strings({1}, Blob::memory(Bytes::copy(std::string(8, '\0')), "s")));
  builder.add(dense(DType::kUInt8, {1}, "m"));
  builder.add(dense(DType::kUInt8, {1}, "u"));
  const Model model = *std::move(builder).named({"c", "i", "f", "s", "__metadata__", "\xff"});
  const auto plan = k_safetensors_format.plan(model, {});
  ASSERT_TRUE(plan);
  std::vector<std::string> lost;
  for (const Loss& loss : plan->losses) lost.push_back(loss.where);
  EXPECT_THAT(lost, ElementsAre("c", "i", "s", "__metadata__", "\xff"));
  EXPECT_EQ(plan->losses[0].what, "dtype complex128 has no place in safetensors");
  const Scratch scratch;
  const auto rest = rewritten(model, scratch / "rest.safetensors");
  ASSERT_TRUE(rest) << rest.error().to_string();
  EXPECT_THAT(names(*rest), ElementsAre("f"));
  EXPECT_TRUE(rest->warnings().empty()) << rest->warnings().front();
  EXPECT_TRUE(rest->tree().find("c").is_null());
}

TEST(Safetensors, MemorySharedInPartIsALoss) {
  ModelBuilder builder;
  const auto storage = std::make_shared<const Storage>(Storage{Blob::memory(Bytes::copy("abcdefgh"), "s")});
  builder.add(*Tensor::view(DType::kUInt8, {4}, storage, {{1}, 0, false, false}));
  builder.add(*Tensor::view(DType::kUInt8, {4}, storage, {{1}, 2, false, false}));
  builder.add(*Tensor::view(DType::kUInt8, {2}, storage, {{1}, 6, false, false}));
  const auto plan = k_safetensors_format.plan(*std::move(builder).named({"a", "b", "c"}), {});
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->losses.size(), 1u);
  EXPECT_EQ(plan->losses[0].where, "b");
}

TEST(Safetensors, DataStartsWhereAsked) {
  const Scratch scratch;
  WriteOptions options;
  options.alignment = 4096;
  const auto model = rewritten(checkpoint(), scratch / "a.safetensors", options);
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_EQ(load_le<std::uint64_t>(slurp(scratch / "a.safetensors").data()) + 8, 4096u);
}

TEST(Safetensors, ContentDecidesWhatIsAFile) {
  const auto match = [](std::string bytes) {
    const Bundle bundle = in_memory(std::move(bytes));
    const Limits limits;
    Peek peek(bundle, limits);
    return k_safetensors_format.match(peek);
  };
  EXPECT_EQ(match(slurp(kData + "dtypes.safetensors")), Match::kCertain);
  EXPECT_EQ(match(slurp(kData + "sharded/model.safetensors.index.json")), Match::kCertain);
  EXPECT_EQ(match(slurp(kData + "dtypes.safetensors").substr(0, 100)), Match::kCertain);
  EXPECT_EQ(match("{\"weight_map\":{\"a\":\"pytorch_model-00001-of-00002.bin\"}}"), Match::kNo);
  EXPECT_EQ(match("{\"data\":{\"a\":1}}"), Match::kMaybe);  // text whose ninth byte is a brace
  EXPECT_EQ(match("PK\3\4 and so on"), Match::kNo);
  EXPECT_EQ(match(""), Match::kNo);
}

}  // namespace
}  // namespace holdall
