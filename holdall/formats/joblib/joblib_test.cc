#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <iterator>
#include <numeric>
#include <random>
#include <thread>

#include "holdall/base/text.h"
#include "holdall/codec/compress.h"
#include "holdall/formats/format.h"
#include "holdall/formats/format_test_files.h"
#include "holdall/io/execute.h"
#include "holdall/io/load.h"
#include "holdall/objects/verdict.h"

namespace holdall {

extern const Format k_joblib_format;

namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace std::string_literals;
namespace fs = std::filesystem;

const std::string kData = HOLDALL_SOURCE_DIR "/holdall/formats/joblib/testdata/";

Bundle in_memory(std::string bytes) { return Bundle::of(memory_source(Bytes::adopt(std::move(bytes)), "m.joblib")); }

Result<Model> open_path(const std::string& path) {
  HOLDALL_ASSIGN(const Bundle bundle, Bundle::open(path, Limits()));
  HOLDALL_ASSIGN(const Format* format, detect(bundle, Limits()));
  if (format != &k_joblib_format) return unsupported(text("it is {}", format->id));
  return format->read(bundle, Context());
}

Result<Model> open_bytes(std::string bytes) { return k_joblib_format.read(in_memory(std::move(bytes)), Context()); }

Findings judged(const std::string& path) {
  Findings findings;
  const auto bundle = Bundle::open(path, Limits());
  EXPECT_TRUE(bundle && k_joblib_format.acts(*bundle, Context(), findings));
  return findings;
}

Verdict worst(const Findings& findings) {
  Verdict found = Verdict::kInert;
  for (const Finding& finding : findings) found = std::max(found, finding.severity);
  return found;
}

template <class T>
std::vector<T> values(const Model& model, std::string_view name) {
  const auto tensor = model.tensor(name);
  EXPECT_TRUE(tensor) << name;
  if (!tensor) return {};
  const auto read = tensor->template read<T>();
  EXPECT_TRUE(read) << name;
  return read ? *read : std::vector<T>();
}

// What generate.py puts into every file.
void expect_arrays(const Model& model, std::string_view matrix = "matrix.args.0") {
  EXPECT_EQ(values<float>(model, "c"), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(values<std::int64_t>(model, "f"), (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(values<std::int16_t>(model, "big"), (std::vector<std::int16_t>{1, 2, 3}));
  EXPECT_EQ(values<double>(model, "scalar"), std::vector<double>{2.5});
  EXPECT_EQ(values<std::int64_t>(model, matrix), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(model.tensor("empty")->shape(), (Shape{0, 4}));
  EXPECT_EQ(model.tensor("text")->dtype(), DType::kString);
  EXPECT_EQ(model.tensor("record")->dtype(), DType::kRecord);
  EXPECT_EQ(model.tree().find("step").as_int(), 7);
}

class EveryCompression : public ::testing::TestWithParam<const char*> {};

TEST_P(EveryCompression, HoldsTheSameArrays) {
  const auto model = open_path(kData + GetParam());
  ASSERT_TRUE(model) << model.error().to_string();
  expect_arrays(*model);
  EXPECT_EQ(model->origin().format, "joblib");
  EXPECT_THAT(model->warnings(), IsEmpty());
}

TEST_P(EveryCompression, IsInert) { EXPECT_THAT(judged(kData + GetParam()), IsEmpty()); }

INSTANTIATE_TEST_SUITE_P(Joblib, EveryCompression,
                         ::testing::Values("plain.joblib", "protocol2.joblib", "zlib.joblib", "gzip.joblib", "bz2.joblib",
                                           "lzma.joblib", "xz.joblib", "lz4.joblib", "old_0.11.pkl", "old_0.11_zf.pkl",
                                           "old_0.8.4_zf.pkl", "old_0.9.4_zf.pkl"));

TEST(Joblib, BlocksOfLz4ReferToThoseBefore) {
  const auto model = open_path(kData + "linked.joblib");
  ASSERT_TRUE(model) << model.error().to_string();
  const auto all = values<std::uint8_t>(*model, "tensor");
  ASSERT_EQ(all.size(), 97u * 2000);
  for (std::size_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i], i % 97);
}

TEST(Joblib, PlainArraysStayWhereTheyAre) {
  const auto model = open_path(kData + "plain.joblib");
  ASSERT_TRUE(model);
  const auto tensor = model->tensor("c");
  const auto data = tensor->data();
  ASSERT_TRUE(data && data->source()->locate(data->offset()));
  EXPECT_EQ(data->source()->locate(data->offset())->offset % 16, 0u);
}

TEST(Joblib, ArraysOfObjectsAreInertTreesWithTheirOwnArrays) {
  const auto model = open_path(kData + "plain.joblib");
  ASSERT_TRUE(model);
  EXPECT_EQ(values<std::int64_t>(*model, "objects.4.2.y"), (std::vector<std::int64_t>{0, 1, 2}));
}

TEST(Joblib, OldFilesHaveTheirArraysBesideThem) {
  const auto model = open_path(kData + "old_0.9.4.pkl");
  ASSERT_TRUE(model) << model.error().to_string();
  expect_arrays(*model);
  EXPECT_EQ(model->origin().files.size(), 10u);
  const auto compressed = open_path(kData + "old_0.8.4_beside.pkl");
  ASSERT_TRUE(compressed) << compressed.error().to_string();
  EXPECT_EQ(values<double>(*compressed, "a"), (std::vector<double>{0, 1, 2, 3, 4}));
  EXPECT_EQ(values<std::int64_t>(*compressed, "f"), (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5}));
}

TEST(Joblib, AMissingFileBesideIsNamed) {
  const auto folder = fs::temp_directory_path() / ("holdall-joblib-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  fs::copy_file(kData + "old_0.9.4.pkl", folder / "a.pkl", fs::copy_options::overwrite_existing);
  const auto model = open_path((folder / "a.pkl").string());
  EXPECT_THAT(model ? "" : model.error().to_string(), HasSubstr("old_0.9.4.pkl_0"));
  fs::remove_all(folder);
}

// A wrapper of protocol 2: NumpyArrayWrapper() with this state, and what follows.
std::string wrapped(const std::string& state, const std::string& behind) {
  return "\x80\x02"s + "cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(" + state + "ub" + behind;
}
const std::string kClass = "X\x08\0\0\0subclasscnumpy\nndarray\n"s;
const std::string kDType = "X\x05\0\0\0dtypecnumpy\ndtype\nX\x02\0\0\0u1\x89\x88\x87R"s;
const std::string kOrder = "X\x05\0\0\0orderX\x01\0\0\0C"s;

std::string fault(const std::string& bytes) {
  const auto model = open_bytes(bytes);
  return model ? "" : model.error().to_string();
}

TEST(Joblib, AnArrayIsNotLargerThanTheFile) {
  const std::string shape = "X\x05\0\0\0shapeJ\xff\xff\xff\x7f\x85"s;
  EXPECT_THAT(fault(wrapped(kClass + kDType + kOrder + shape, "ab.")), HasSubstr("3 bytes remain"));
  EXPECT_EQ(fault(wrapped(kClass + kDType + kOrder + "X\x05\0\0\0shapeK\x02\x85"s, "ab.")), "");
}

TEST(Joblib, WrappersThatJoblibDoesNotWriteAreCorrupt) {
  const std::string shape = "X\x05\0\0\0shapeK\x02\x85"s;
  EXPECT_THAT(fault(wrapped(kClass + kOrder + shape, "ab.")), HasSubstr("dtype"));
  EXPECT_THAT(fault(wrapped("X\x08\0\0\0subclasscos\nsystem\n"s + kDType + kOrder + shape, "ab.")), HasSubstr("class"));
  EXPECT_THAT(fault(wrapped(kClass + kDType + shape, "ab.")), HasSubstr("order"));
  EXPECT_THAT(fault(wrapped(kClass + kDType + kOrder, "ab.")), HasSubstr("shape"));
}

TEST(Joblib, WhatStandsInAnArrayOfObjectsIsJudged) {
  const std::string dtype = "X\x05\0\0\0dtypecnumpy\ndtype\nX\x02\0\0\0O8\x89\x88\x87R"s;
  const std::string attack = "\x80\x02"s + "cos\nsystem\nX\x01\0\0\0x\x85R."s;
  Findings findings;
  const std::string file = wrapped(kClass + dtype + kOrder + "X\x05\0\0\0shapeK\x01\x85"s, attack + ".");
  ASSERT_TRUE(k_joblib_format.acts(in_memory(file), Context(), findings));
  EXPECT_EQ(worst(findings), Verdict::kMalicious);
}

TEST(Joblib, AFileThatLiesElsewhereIsMalicious) {
  const std::string file =
      "\x80\x02"s + "cjoblib.numpy_pickle_compat\nNDArrayWrapper\n)\x81}(X\x08\0\0\0filenameX\x0b\0\0\0/etc/passwdub."s;
  Findings findings;
  ASSERT_TRUE(k_joblib_format.acts(in_memory(file), Context(), findings));
  EXPECT_EQ(worst(findings), Verdict::kMalicious);
  EXPECT_NE(fault(file), "");
}

TEST(Joblib, AZFileIsAsLargeAsItSays) {
  std::string file = slurp(kData + "old_0.9.4_zf.pkl");
  ASSERT_TRUE(file.starts_with("ZF0x"));
  file[4] = file[4] == '1' ? '2' : '1';
  EXPECT_THAT(fault(file), HasSubstr("declared"));
}

TEST(Joblib, TruncationIsNeverTaken) {
  for (const char* name : {"plain.joblib", "zlib.joblib", "lz4.joblib", "xz.joblib"}) {
    const std::string whole = slurp(kData + name);
    for (std::size_t size = 1; size < whole.size(); size += 7) EXPECT_NE(fault(whole.substr(0, size)), "") << name << size;
  }
}

// Arrays that are more, decoded, than is kept in memory.
constexpr std::size_t kArrays = 6;
std::string noise(std::size_t seed) {
  std::mt19937 random(static_cast<unsigned>(seed));
  std::string bytes(4'000'001, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random() & 7);
  return bytes;
}
std::string large(Compression compression) {
  std::string plain = "\x80\x02]("s;
  for (std::size_t i = 0; i < kArrays; ++i) {
    std::string size(4, '\0');
    store_le(size.data(), static_cast<std::uint32_t>(noise(i).size()));
    plain += wrapped(kClass + kDType + kOrder + "X\x05\0\0\0shapeJ"s + size + "\x85", noise(i)).substr(2);
  }
  std::string encoded;
  const Sink sink = [&](std::span<const std::byte> piece) -> Status {
    encoded += as_text(piece);
    return {};
  };
  EXPECT_TRUE(compress(Blob::memory(Bytes::adopt(plain + "e."), "m"), compression, 1, sink));
  return encoded;
}
Result<Model> open_to_load(const std::string& bytes) {
  Context context;
  context.wanted = Context::Wanted::kAll;
  return k_joblib_format.read(in_memory(bytes), context);
}

TEST(Joblib, LargeCompressedArraysAreReadByManyThreads) {
  const auto model = open_bytes(large(Compression::kZlib));
  ASSERT_TRUE(model) << model.error().to_string();
  ASSERT_EQ(model->tensors().size(), kArrays);
  std::vector<std::thread> threads;
  std::atomic<std::size_t> equal = 0;
  for (std::size_t i = 0; i < kArrays; ++i) {
    threads.emplace_back([&, i] {
      const auto bytes = model->tensors()[kArrays - 1 - i].tensor.data()->read();
      equal += bytes && bytes->text() == noise(kArrays - 1 - i) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(equal, kArrays);
}

TEST(Joblib, ArraysThatAreAllWantedAreDecodedOnceAndGivenUp) {
  const auto model = open_to_load(large(Compression::kGzip));
  ASSERT_TRUE(model) << model.error().to_string();
  std::vector<Blob> blobs;
  for (const NamedTensor& named : model->tensors()) blobs.push_back(*named.tensor.data());
  const auto given = blobs.back().source()->give_up();
  ASSERT_TRUE(given);
  EXPECT_EQ(given->text(), noise(kArrays - 1));
  const auto loaded = load_all(blobs);
  ASSERT_TRUE(loaded);
  for (std::size_t i = 0; i < kArrays; ++i) {
    EXPECT_EQ((*loaded)[i].text(), noise(i));
    EXPECT_FALSE(blobs[i].source()->give_up());
  }
  const auto small = open_to_load(slurp(kData + "zlib.joblib"));
  ASSERT_TRUE(small);
  expect_arrays(*small);
}

TEST(Joblib, DamageFarIntoALargeStreamIsToldWithItsPlace) {
  const std::string whole = large(Compression::kGzip);
  std::mt19937 random(1);
  for (int i = 0; i < 6; ++i) {
    std::string bytes = whole;
    const std::size_t place = bytes.size() / 2 + random() % (bytes.size() / 2);
    if (i % 2 == 0) bytes.resize(place);
    if (i % 2 == 1) bytes[place] = static_cast<char>(bytes[place] ^ 16);
    for (const auto& model : {open_bytes(bytes), open_to_load(bytes)}) {
      ASSERT_FALSE(model) << place;
      EXPECT_EQ(model.error().code(), Code::kCorrupt);
      EXPECT_THAT(model.error().to_string(), HasSubstr("deflated data")) << place;
      EXPECT_TRUE(model.error().offset().has_value());
    }
  }
}

TEST(Joblib, WrappersFarIntoAPickleAreFound) {
  std::string file = "\x80\x02]("s;
  for (int i = 0; i < 5000; ++i) file += "K\x01";
  file += wrapped(kClass + kDType + kOrder + "X\x05\0\0\0shapeK\x02\x85"s, "abe.").substr(2);
  const Bundle bundle = in_memory(file);
  const auto format = detect(bundle, Limits());
  ASSERT_TRUE(format);
  EXPECT_EQ((*format)->id, "joblib");
  EXPECT_TRUE(open_bytes(file));
}

TEST(Joblib, AWrapperBeyondAMillionOpcodesIsFound) {
  std::string file = "\x80\x02]("s;
  for (int i = 0; i < 1'200'000; ++i) file += "N0";
  const std::string wrapper = wrapped(kClass + kDType + kOrder + "X\x05\0\0\0shapeK\x02\x85"s, "abe.").substr(2);
  const auto id = [](const std::string& bytes) {
    const Bundle bundle = in_memory(bytes);
    const auto format = detect(bundle, Limits());
    return format ? std::string((*format)->id) : format.error().to_string();
  };
  EXPECT_EQ(id(file + wrapper), "joblib");
  EXPECT_EQ(id(file + "X\x13\0\0\0joblib.numpy_picklee."s), "pickle");
  EXPECT_EQ(id(file + "e."), "pickle");
}

std::string written(const Model& model, const WriteOptions& options) {
  const auto plan = k_joblib_format.plan(model, options);
  EXPECT_TRUE(plan && plan->losses.empty());
  const auto path = (fs::temp_directory_path() / ("holdall-" + std::to_string(::getpid()) + ".joblib")).string();
  ExecuteOptions how;
  how.durable = false;
  EXPECT_TRUE(execute(*plan, path, how));
  std::string bytes = slurp(path);
  fs::remove(path);
  return bytes;
}

TEST(Joblib, WhatIsWrittenIsAlignedAndReadAgain) {
  const auto model = open_path(kData + "old_0.11.pkl");
  ASSERT_TRUE(model);
  for (const bool compress : {false, true}) {
    WriteOptions options;
    options.name = "a.joblib";
    options.compress = compress;
    const std::string bytes = written(*model, options);
    EXPECT_EQ(detect_compression(std::as_bytes(std::span(bytes))), compress ? Compression::kZlib : Compression::kNone);
    const auto again = open_bytes(bytes);
    ASSERT_TRUE(again) << again.error().to_string();
    expect_arrays(*again);
    EXPECT_EQ(again->tensor("c")->data()->offset() % 16, 0u);
  }
}

}  // namespace
}  // namespace holdall
