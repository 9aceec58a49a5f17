#include "holdall/codec/hdf5_writer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "holdall/base/endian.h"
#include "holdall/io/execute.h"

namespace holdall {
namespace {

namespace fs = std::filesystem;

Blob memory(std::string bytes) { return Blob::memory(Bytes::adopt(std::move(bytes)), "made"); }

std::string numbers(std::size_t count) {
  std::string bytes;
  for (std::size_t i = 0; i < count; ++i) {
    char raw[4];
    store_le(raw, static_cast<std::uint32_t>(i * 2654435761u));
    bytes.append(raw, 4);
  }
  return bytes;
}

class Hdf5Writer : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "holdall-hdf5-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  // The file as it lies on disk.
  std::string written(Hdf5Planner planner) const {
    PlannedFile file;
    Status status = std::move(planner).finish(file);
    EXPECT_TRUE(status) << status.error().to_string();
    Plan plan;
    plan.files.push_back(std::move(file));
    const std::string path = (folder_ / "out.h5").string();
    status = execute(plan, path, {.durable = false});
    EXPECT_TRUE(status) << status.error().to_string();
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  fs::path folder_;
};

std::uint64_t end_of_file(const std::string& file) { return load_le<std::uint64_t>(file.data() + 40); }

Code code_of(const auto& result) { return result ? Code::kInternal : result.error().code(); }

TEST_F(Hdf5Writer, TheEndOfTheFileStandsInTheSuperblock) {
  for (const int level : {0, 4}) {
    Hdf5Planner planner({.deflate_level = level});
    ASSERT_TRUE(planner.dataset("a/b/c", *hdf5_type(DType::kFloat32), {1000, 3}, memory(numbers(3000))));
    const std::string file = written(std::move(planner));
    EXPECT_TRUE(file.starts_with("\x89HDF\r\n\x1a\n"));
    EXPECT_EQ(end_of_file(file), file.size());
  }
}

TEST_F(Hdf5Writer, ElementsAreAligned) {
  Hdf5Planner planner({.alignment = 4096});
  const std::string data = numbers(1000);
  ASSERT_TRUE(planner.dataset("a", *hdf5_type(DType::kUInt32), {1000}, memory(data)));
  ASSERT_TRUE(planner.dataset("b", *hdf5_type(DType::kUInt8), {2}, memory("xy")));
  const std::string file = written(std::move(planner));
  EXPECT_EQ(file.find(data) % 4096, 0u);
  EXPECT_EQ(file.size() % 4096, 2u);
  EXPECT_TRUE(file.ends_with("xy"));
}

TEST_F(Hdf5Writer, TheBlobOfAFileIsTheFile) {
  const auto planned = [] {
    Hdf5Planner planner;
    EXPECT_TRUE(planner.dataset("layers/dense/vars/0", *hdf5_type(DType::kFloat32), {3, 5}, memory(numbers(15))));
    EXPECT_TRUE(planner.dataset("layers/dense/vars/1", *hdf5_type(DType::kFloat32), {0}, Blob()));
    EXPECT_TRUE(planner.attribute(*planner.group("layers/dense"), "name", Hdf5Value::text("dense")));
    return planner;
  };
  const auto blob = planned().finish("model.weights.h5");
  ASSERT_TRUE(blob) << blob.error().to_string();
  EXPECT_EQ(blob->read()->text(), written(planned()));
}

TEST_F(Hdf5Writer, LateTextsAreGivenChecksums) {
  Hdf5Planner planner;
  const std::string data = numbers(50);
  const auto full = planner.dataset("full", *hdf5_type(DType::kUInt32), {50}, memory(data));
  const auto empty = planner.dataset("empty", *hdf5_type(DType::kUInt32), {0}, Blob());
  std::string made;
  ASSERT_TRUE(planner.late_text(Hdf5Planner::kRoot, "sums", 65, {*full, *empty},
                                [&](std::span<const Xxh128> sums) { return made = to_hex(sums[0]) + " " + to_hex(sums[1]); }));
  const std::string file = written(std::move(planner));
  EXPECT_EQ(made, to_hex(xxh3_128(as_bytes(data))) + " " + to_hex(xxh3_128({})));
  EXPECT_NE(file.find(made), std::string::npos);
  EXPECT_EQ(end_of_file(file), file.size());
}

TEST_F(Hdf5Writer, CompressedFilesAreNoBlobs) {
  Hdf5Planner planner({.deflate_level = 1});
  ASSERT_TRUE(planner.dataset("a", *hdf5_type(DType::kUInt8), {8192}, memory(std::string(8192, 'a'))));
  EXPECT_EQ(code_of(std::move(planner).finish("x")), Code::kInternal);
}

TEST_F(Hdf5Writer, NamesThatHdf5LacksAreRefused) {
  Hdf5Planner planner;
  const auto add = [&](std::string_view path) { return planner.dataset(path, *hdf5_type(DType::kUInt8), {1}, memory("x")); };
  for (const std::string& path : {std::string(), std::string("."), std::string("a//b"), std::string("/a"), std::string("a/"),
                                  std::string("a/./b"), std::string("a\0b", 3)}) {
    EXPECT_EQ(code_of(add(path)), Code::kInvalidArgument) << path;
  }
  ASSERT_TRUE(add("a"));
  EXPECT_EQ(code_of(add("a")), Code::kAlreadyExists);
  EXPECT_EQ(code_of(add("a/b")), Code::kInvalidArgument);
  ASSERT_TRUE(add("c/d"));
  EXPECT_EQ(code_of(add("c")), Code::kAlreadyExists);
  EXPECT_EQ(*planner.group("c"), *planner.group("c"));
  EXPECT_EQ(*planner.group(""), Hdf5Planner::kRoot);
}

TEST_F(Hdf5Writer, AnAttributeIsThereOnceAndFitsIntoAHeader) {
  Hdf5Planner planner;
  ASSERT_TRUE(planner.attribute(Hdf5Planner::kRoot, "a", Hdf5Value::text(std::string(200'000, 't'))));
  EXPECT_EQ(code_of(planner.attribute(Hdf5Planner::kRoot, "a", Hdf5Value::text("again"))), Code::kAlreadyExists);
  const std::vector<std::string> long_names(2, std::string(32'768, 'n'));
  EXPECT_EQ(code_of(planner.attribute(Hdf5Planner::kRoot, "b", Hdf5Value::fixed_texts(long_names))), Code::kInvalidArgument);
  EXPECT_EQ(code_of(planner.attribute(Hdf5Planner::kRoot, "", Hdf5Value::text("x"))), Code::kInvalidArgument);
}

TEST_F(Hdf5Writer, ShapesThatDoNotFitTheBytesAreRefused) {
  Hdf5Planner planner;
  EXPECT_EQ(code_of(planner.dataset("a", *hdf5_type(DType::kFloat32), {3}, memory("12345678"))), Code::kInvalidArgument);
  EXPECT_EQ(code_of(planner.dataset("a", *hdf5_type(DType::kUInt8), Shape(33), Blob())), Code::kInvalidArgument);
  EXPECT_EQ(code_of(hdf5_type(DType::kInt4)), Code::kUnsupported);
  EXPECT_EQ(code_of(hdf5_type(DType::kString)), Code::kUnsupported);
}

}  // namespace
}  // namespace holdall
