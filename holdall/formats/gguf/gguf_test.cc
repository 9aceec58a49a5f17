#include "holdall/formats/gguf/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "holdall/core/cast.h"
#include "holdall/formats/format_test_files.h"
#include "holdall/formats/gguf/gguf_values.h"
#include "holdall/io/execute.h"

namespace holdall {

extern const Format k_gguf_format;

namespace {

using gguf::put_number;
using gguf::put_pair;
using gguf::put_string;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

const std::string kData = HOLDALL_SOURCE_DIR "/holdall/formats/gguf/testdata/";

Result<Model> open(const std::string& path) {
  HOLDALL_ASSIGN(const Bundle bundle, Bundle::open(path, Limits()));
  return k_gguf_format.read(bundle, Context());
}

Bundle in_memory(std::string bytes) { return Bundle::of(memory_source(Bytes::adopt(std::move(bytes)), "m.gguf")); }

Result<Model> open_bytes(std::string bytes) { return k_gguf_format.read(in_memory(std::move(bytes)), Context()); }

std::string fault(std::string bytes) {
  const auto model = open_bytes(std::move(bytes));
  return model ? "" : model.error().to_string();
}

Faults verified(const Bundle& bundle) {
  Faults faults;
  const Status status = k_gguf_format.verify(bundle, Context(), faults);
  if (!status) faults.add(status.error());
  return faults;
}

Result<Model> rewritten(const Model& model, const std::string& path, WriteOptions options = {}) {
  options.name = fs::path(path).filename().string();
  HOLDALL_ASSIGN(const Plan plan, k_gguf_format.plan(model, options));
  ExecuteOptions execution;
  execution.durable = false;
  HOLDALL_TRY(execute(plan, path, execution));
  return open(path);
}

// A file of version 3 by hand: what stands after the counts, and the data.
std::string file_of(std::uint64_t tensors, std::uint64_t pairs, const std::string& body, std::size_t data) {
  std::string bytes = "GGUF";
  put_number(bytes, 3, 4);
  put_number(bytes, tensors, 8);
  put_number(bytes, pairs, 8);
  bytes += body;
  bytes.resize((bytes.size() + 31) / 32 * 32);
  return bytes + std::string(data, 'x');
}

std::string info_of(std::string_view name, std::vector<std::uint64_t> sizes, std::uint32_t type, std::uint64_t offset) {
  std::string bytes;
  put_string(bytes, name);
  put_number(bytes, sizes.size(), 4);
  for (const std::uint64_t size : sizes) put_number(bytes, size, 8);
  put_number(bytes, type, 4);
  put_number(bytes, offset, 8);
  return bytes;
}

std::string pair_of(std::string_view key, std::uint32_t type, std::string_view content) {
  std::string bytes;
  put_string(bytes, key);
  put_number(bytes, type, 4);
  return bytes + std::string(content);
}

// --- What the gguf package wrote ---------------------------------------------------------------------------------------------

class GoldenGguf : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenGguf, HasTheTensorsThatItsTableTells) {
  const std::string name = GetParam();
  const auto model = open(kData + name + (name == "splits" ? "-00001-of-00002.gguf" : ".gguf"));
  ASSERT_TRUE(model) << model.error().to_string();
  const auto rows = rows_of(kData + name + ".tsv");
  ASSERT_EQ(model->tensors().size(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const NamedTensor& entry = model->tensors()[i];
    EXPECT_EQ(entry.name, rows[i][0]);
    EXPECT_EQ(holdall::name(entry.tensor.dtype()), rows[i][1]) << rows[i][0];
    EXPECT_EQ(to_string(entry.tensor.shape()), rows[i][2]) << rows[i][0];
    EXPECT_EQ(digest_of(entry.tensor), rows[i][3]) << rows[i][0];
    if (rows[i][4] == "-") continue;
    const auto numbers = cast(entry.tensor, DType::kFloat32);
    ASSERT_TRUE(numbers) << numbers.error().to_string();
    EXPECT_EQ(digest_of(*numbers), rows[i][4]) << rows[i][0];
  }
  EXPECT_THAT(model->warnings(), IsEmpty());
}

TEST_P(GoldenGguf, IsSoundAndInert) {
  const std::string name = GetParam();
  const auto bundle = Bundle::open(kData + name + (name == "splits" ? "-00002-of-00002.gguf" : ".gguf"), Limits());
  const Faults faults = verified(*bundle);
  for (const Fault& fault : faults.list) EXPECT_THAT(fault.what, HasSubstr("'golden.nested' is an array of arrays"));
  EXPECT_EQ(faults.list.size(), name == "types" || name == "big" || name == "splits" ? 1u : 0u);
  Findings findings;
  EXPECT_TRUE(k_gguf_format.acts(*bundle, Context(), findings));
  EXPECT_THAT(findings, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenGguf, ::testing::Values("types", "big", "splits", "blocks", "v1", "v2", "big_blocks"));

TEST(Gguf, ValuesOfEveryTypeAreRead) {
  for (const char* name : {"types.gguf", "big.gguf"}) {
    const auto model = open(kData + name);
    ASSERT_TRUE(model) << model.error().to_string();
    const Value values = model->metadata();
    EXPECT_EQ(values.find_string("general.architecture"), "golden");
    EXPECT_EQ(values.find_int("golden.uint8"), 200);
    EXPECT_EQ(values.find_int("golden.int8"), -7);
    EXPECT_EQ(values.find_int("golden.uint32"), 4'000'000'000);
    EXPECT_EQ(values.find("golden.uint64").as_big_int(), "18446744073709551615");
    EXPECT_EQ(values.find_int("golden.int64"), INT64_MIN);
    EXPECT_EQ(values.find_number("golden.float64"), 0.1);
    EXPECT_TRUE(values.find("golden.bool").as_bool());
    EXPECT_EQ(values.find_string("golden.string"), "naïve ▁token");
    EXPECT_EQ(values.find("golden.words").item(2).as_string(), "▁b");
    EXPECT_EQ(values.find("golden.nested").item(1).item(0).as_int(), 3);
    const Value types = values.find(gguf::kTypesKey);
    EXPECT_EQ(types.find_string("golden.uint8"), "uint8");
    EXPECT_EQ(types.find_string("golden.bytes"), "[uint8]");
    EXPECT_EQ(types.find_string("golden.nested"), "[[int32]]");
    EXPECT_FALSE(types.find("golden.uint32"));
  }
}

TEST(Gguf, AFileOfThePackageIsWrittenAgainByteForByte) {
  const Scratch scratch;
  WriteOptions options;
  options.checksums = false;
  for (const char* name : {"types.gguf", "blocks.gguf"}) {
    const auto model = open(kData + name);
    const auto again = rewritten(*model, scratch / name, options);
    ASSERT_TRUE(again) << again.error().to_string();
    EXPECT_EQ(slurp(scratch / name), slurp(kData + name)) << name;
  }
  // A big-endian one becomes the little-endian one of the same content.
  const auto big = rewritten(*open(kData + "big.gguf"), scratch / "big.gguf", options);
  ASSERT_TRUE(big) << big.error().to_string();
  EXPECT_EQ(slurp(scratch / "big.gguf").size(), slurp(kData + "big.gguf").size());
  EXPECT_EQ(big->origin().detail, "version 3");
}

// --- Splits ------------------------------------------------------------------------------------------------------------------

TEST(Gguf, AMissingSplitIsNamed) {
  const Scratch scratch;
  fs::copy(kData + "splits-00001-of-00002.gguf", scratch / "m-00001-of-00002.gguf");
  const auto model = open(scratch / "m-00001-of-00002.gguf");
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code(), Code::kNotFound);
  EXPECT_THAT(model.error().to_string(), HasSubstr("1 of 2 splits missing: 'm-00002-of-00002.gguf'"));
  fs::copy(kData + "splits-00001-of-00002.gguf", scratch / "m-00002-of-00002.gguf");
  EXPECT_THAT(open(scratch / "m-00001-of-00002.gguf").error().to_string(), HasSubstr("it is split 1 of 2, its name 2 of 2"));
}

TEST(Gguf, SplitsAreWrittenWithChecksums) {
  const Scratch scratch;
  WriteOptions options;
  options.shard_bytes = 40;
  const auto model = open(kData + "types.gguf");
  const auto again = rewritten(*model, scratch / "folder", options);
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_GT(again->origin().files.size(), 3u);
  EXPECT_EQ(again->metadata().size(), model->metadata().size());
  const std::string second = (fs::path(scratch / "folder") / again->origin().files[1]).string();
  const auto bundle = Bundle::open(scratch / "folder", Limits());
  EXPECT_EQ(verified(*bundle).digests, model->tensors().size());
  const std::size_t before = verified(*bundle).list.size();
  std::string bytes = slurp(second);
  bytes[bytes.size() - 32] ^= 4;
  std::ofstream(second, std::ios::binary) << bytes;
  EXPECT_EQ(verified(*bundle).list.size(), before + 1);
}

// --- Writing -----------------------------------------------------------------------------------------------------------------

TEST(Gguf, TensorsStandWhereAsked) {
  const Scratch scratch;
  WriteOptions options;
  options.alignment = 4096;
  const auto again = rewritten(*open(kData + "types.gguf"), scratch / "a.gguf", options);
  ASSERT_TRUE(again) << again.error().to_string();
  for (const NamedTensor& entry : again->tensors()) EXPECT_EQ(entry.tensor.storage()->data.offset() % 4096, 0u) << entry.name;
  EXPECT_EQ(again->metadata().find_int("general.alignment"), 4096);
  options.alignment = 1u << 21;
  EXPECT_THAT(rewritten(*again, scratch / "b.gguf", options).error().to_string(), HasSubstr("at most 1048576"));
}

TEST(Gguf, ANameThatIsTooLongIsALoss) {
  ModelBuilder builder;
  builder.add(*Tensor::dense(DType::kInt8, {1}, Blob::memory(Bytes::copy("a"), "t")));
  builder.add(*Tensor::dense(DType::kInt8, {1}, Blob::memory(Bytes::copy("b"), "t")));
  const Model model = *std::move(builder).named({std::string(63, 'n'), std::string(64, 'n')});
  const auto plan = k_gguf_format.plan(model, {});
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->losses.size(), 1u);
  EXPECT_EQ(plan->losses[0].where, std::string(64, 'n'));
  EXPECT_THAT(plan->losses[0].what, HasSubstr("a name of 64 bytes has no place in GGUF"));
}

TEST(Gguf, FiveDimensionsComeBackAsFive) {
  const Scratch scratch;
  ModelBuilder builder;
  builder.add(*Tensor::dense(DType::kInt16, {2, 1, 3, 1, 2}, Blob::memory(Bytes::copy("abcdefghijklmnopqrstuvwx"), "t")));
  const Model model = *std::move(builder).named({"w"});
  const auto again = rewritten(model, scratch / "m.gguf");
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ(to_string(again->tensor("w")->shape()), "[2, 1, 3, 1, 2]");
}

TEST(Gguf, MetadataThatHasNoTypeOfItsOwnComesBack) {
  const Scratch scratch;
  ModelBuilder builder;
  Arena& arena = *builder.arena;
  builder.metadata = arena.dict();
  arena.set_item(builder.metadata, "count", arena.integer(7));
  arena.set_item(builder.metadata, "rate", arena.real(0.1));
  arena.set_item(builder.metadata, "mixed", arena.list({arena.integer(1), arena.string("a")}));
  arena.set_item(builder.metadata, "none", arena.null());
  arena.set_item(builder.metadata, "nested", arena.list({arena.list({arena.integer(1)})}));
  const auto again = rewritten(*std::move(builder).named({}), scratch / "m.gguf");
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ(again->metadata().size(), 5u);
  EXPECT_EQ(again->metadata().find("nested").item(0).item(0).as_int(), 1);
  EXPECT_THAT(verified(*Bundle::open(scratch / "m.gguf", Limits())).list, IsEmpty());
  EXPECT_EQ(again->metadata().find_number("rate"), 0.1);
  EXPECT_EQ(again->metadata().find("mixed").item(1).as_string(), "a");
  EXPECT_TRUE(again->metadata().find("none").is_null());
}

// --- Broken files ------------------------------------------------------------------------------------------------------------

TEST(Gguf, BrokenFilesAreRefusedByName) {
  const std::string one = info_of("a", {4}, 0, 0);
  const auto pair = [](std::uint32_t type, const std::string& content) { return pair_of("k", type, content); };
  std::string alignment;
  put_pair(alignment, "general.alignment", "uint32", 24);
  std::string huge(8, '\xff');
  std::string eight("\x08\0\0\0", 4);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"GGU", "@ 0: 4 bytes are needed, 3 remain"},
      {"GGUF", "m.gguf @ 4: 4 bytes are needed, 0 remain"},
      {std::string("GGUF\4\0\0\0", 8), "@ 4: GGUF version 4; 1 to 3 are known"},
      {std::string("GGUF\0\0\0\0", 8), "GGUF version 0"},
      {file_of(1'000'000, 0, one, 16), "need more than the"},
      {file_of(0, std::uint64_t{1} << 62, "", 0), "need more than the"},
      {file_of(0, 1, pair_of("", 0, "x"), 0), "@ 24: a key of no characters"},
      {file_of(0, 2, pair(0, "x") + pair(0, "x"), 0), "'k' stands twice"},
      {file_of(0, 1, pair(13, "x"), 0), "key 'k': a value of type 13; 13 types are known"},
      {file_of(0, 1, pair(7, "\2"), 0), "key 'k': 2 is no bool"},
      {file_of(0, 1, pair(8, huge), 0), "key 'k': 18446744073709551615 bytes are needed"},
      {file_of(0, 1, pair(9, eight + huge), 0), "key 'k': an array of 18446744073709551615 elements of string"},
      {file_of(0, 1, alignment, 0), "'general.alignment' is no power of two of at most 1048576 as uint32"},
      {file_of(0, 1, pair_of("general.alignment", 8, std::string("\1\0\0\0\0\0\0\0a", 9)), 0),
       "'general.alignment' is no power"},
      {file_of(2, 0, one + one, 16), "tensor 'a' stands twice"},
      {file_of(1, 0, info_of("a", {1, 1, 1, 1, 4}, 0, 0), 16), "@ 24: tensor 'a': 5 dimensions, 4 are allowed"},
      {file_of(1, 0, info_of("a", {4}, 4, 0), 16), "tensor 'a': type 4 is none of ggml's"},
      {file_of(1, 0, info_of("a", {4}, 43, 0), 16), "tensor 'a': type 43 is none of ggml's"},
      {file_of(1, 0, info_of("a", {33}, 8, 0), 64), "tensor 'a': 33 elements of q8_0 are not whole blocks of 32"},
      {file_of(1, 0, info_of("a", {std::uint64_t{1} << 33, std::uint64_t{1} << 33}, 0, 0), 16), "more elements than 63 bits"},
      {file_of(1, 0, info_of("a", {4}, 0, 8), 32), "tensor 'a': offset 8 is not a multiple of 32"},
      {file_of(1, 0, one, 15), "tensor 'a': its 16 bytes at offset 0 of the data do not lie within"},
      {file_of(1, 0, info_of("a", {4}, 0, ~std::uint64_t{31}), 16), "do not lie within"},
      {file_of(2, 0, one + info_of("b", {2}, 0, 0), 32), "tensor 'a': it overlaps 'b', which ends at"},
  };
  for (const auto& [bytes, expected] : cases) EXPECT_THAT(fault(bytes), HasSubstr(expected)) << bytes.substr(0, 60);
}

TEST(Gguf, NestingBeyondTheLimitIsRefused) {
  std::string deep;
  for (int i = 0; i < 2'000; ++i) deep += std::string("\x09\0\0\0\x01\0\0\0\0\0\0\0", 12);
  EXPECT_THAT(fault(file_of(0, 1, pair_of("k", 9, deep), 0)), HasSubstr("arrays nested 1001 deep, 1000 are allowed"));
}

TEST(Gguf, WhatGgmlWouldNotTakeIsAFault) {
  const Bundle gap = in_memory(file_of(2, 0, info_of("a", {4}, 0, 0) + info_of("b", {4}, 0, 64), 96));
  ASSERT_EQ(verified(gap).list.size(), 1u);
  EXPECT_THAT(verified(gap).list[0].what, HasSubstr("tensor 'b' lies at"));
  EXPECT_TRUE(k_gguf_format.read(gap, Context()));
  const Bundle tail = in_memory(file_of(1, 0, info_of("a", {4}, 0, 0), 100));
  ASSERT_EQ(verified(tail).list.size(), 1u);
  EXPECT_THAT(verified(tail).list[0].what, HasSubstr("68 bytes behind the last tensor belong to nothing"));
  const Bundle name = in_memory(file_of(1, 0, info_of(std::string(64, 'n'), {4}, 0, 0), 32));
  ASSERT_EQ(verified(name).list.size(), 1u);
  EXPECT_THAT(verified(name).list[0].what, HasSubstr("has 64 bytes, ggml takes 63"));
}

TEST(Gguf, BigEndianBlocksWithoutALayoutAreRefused) {
  std::string bytes = file_of(1, 0, "", 0).substr(0, 4);
  const auto big = [&](std::uint64_t number, int width) {
    for (int i = width - 1; i >= 0; --i) bytes += static_cast<char>(number >> (8 * i));
  };
  big(3, 4), big(1, 8), big(0, 8), big(1, 8);
  bytes += 'a';
  big(1, 4), big(256, 8), big(16, 4), big(0, 8);
  bytes.resize(64);
  EXPECT_THAT(fault(bytes + std::string(66, 'x')), HasSubstr("tensor 'a': blocks of iq2_xxs in a big-endian file"));
}

// --- Templates ---------------------------------------------------------------------------------------------------------------

std::vector<std::string> judged(const std::string& jinja) {
  std::string content;
  put_string(content, jinja);
  Findings findings;
  EXPECT_TRUE(
      k_gguf_format.acts(in_memory(file_of(0, 1, pair_of("tokenizer.chat_template", 8, content), 0)), Context(), findings));
  std::vector<std::string> verdicts;
  for (const Finding& finding : findings) verdicts.emplace_back(name(finding.severity));
  return verdicts;
}

TEST(Gguf, AChatTemplateIsJudgedByWhatItReachesFor) {
  const std::string plain =
      "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m.content|trim + eos_token }}{% endfor %}__text__ {# __class__ #}"
      "{% if messages[loop.index0 - 1]['role'] != 'a' ~ 'b' %}{{ raise_exception('__never') }}{% endif %}";
  EXPECT_THAT(judged(plain), IsEmpty());
  EXPECT_THAT(judged("{{ ''.__class__.__mro__[1].__subclasses__() }}"), ElementsAre("malicious", "malicious", "malicious"));
  // For the name, and for the function of Jinja's that it is taken from.
  EXPECT_THAT(judged("{{ cycler['__init__'] }}"), ElementsAre("malicious", "malicious"));
  EXPECT_THAT(judged(R"({{ x|attr("\x5f\x5fclass\x5f\x5f") }})"), ElementsAre("malicious"));
  EXPECT_THAT(judged("{{ x|attr('_' ~ '_class__') }}"), ElementsAre("malicious"));
  EXPECT_THAT(judged("{{ x['__cl' ~ 'ass__'] }}"), ElementsAre("malicious"));
  EXPECT_THAT(judged("{% include '/etc/passwd' %}"), ElementsAre("code"));
  EXPECT_THAT(judged("{% if x.__globals__"), ElementsAre("malicious"));
}

TEST(Gguf, ContentDecidesWhatIsAFile) {
  const auto match = [](std::string bytes) {
    const Bundle bundle = in_memory(std::move(bytes));
    const Limits limits;
    Peek peek(bundle, limits);
    return k_gguf_format.match(peek);
  };
  EXPECT_EQ(match(slurp(kData + "v1.gguf")), Match::kCertain);
  EXPECT_EQ(match("GGUf"), Match::kNo);
  EXPECT_EQ(match(""), Match::kNo);
}

}  // namespace
}  // namespace holdall
