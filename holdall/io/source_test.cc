#include "holdall/io/source.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "holdall/io/blob.h"
#include "holdall/io/bundle.h"

namespace holdall {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    std::string name = fs::temp_directory_path() / "holdall-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path_); }
  std::string file(const std::string& name, const std::string& content) const {
    fs::create_directories(fs::path(path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << content;
    return path_ / name;
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

TEST(Source, ReadsPastTheEndAreCorruptAndNameTheFile) {
  const Folder folder;
  const auto path = folder.file("a", "0123456789");
  const auto source = open_file(path);
  ASSERT_TRUE(source.has_value());
  std::vector<std::byte> out(4);
  EXPECT_TRUE((*source)->read_at(6, out).has_value());
  const auto status = (*source)->read_at(7, out);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code(), Code::kCorrupt);
  EXPECT_EQ(status.error().path(), path);
  EXPECT_EQ(status.error().offset(), 7u);
  EXPECT_FALSE((*source)->read_at(UINT64_MAX, out).has_value());
}

TEST(Source, FileThatShrinksWhileOpenIsCorruptNotACrash) {
  const Folder folder;
  const auto path = folder.file("a", "0123456789");
  const auto source = open_file(path);
  fs::resize_file(path, 3);
  std::vector<std::byte> out(10);
  const auto status = (*source)->read_at(0, out);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code(), Code::kCorrupt);
}

TEST(Source, MissingFileIsNotFoundAndAFolderIsNoFile) {
  const Folder folder;
  EXPECT_EQ(open_file(folder.path() / "none").error().code(), Code::kNotFound);
  EXPECT_EQ(open_file(folder.path()).error().code(), Code::kInvalidArgument);
}

TEST(Source, ByteSwappedReadsAgreeAtEveryOffset) {
  const std::string stored = "abcdefghijklmnop";
  for (const std::size_t width : {2u, 4u, 8u, 16u}) {
    std::string expected = stored;
    for (std::size_t i = 0; i < stored.size(); i += width) std::reverse(&expected[i], &expected[i] + width);
    const auto source = byte_swapped_source(memory_source(Bytes::copy(stored), "memory"), width);
    for (std::size_t from = 0; from < stored.size(); ++from) {
      for (std::size_t size = 1; from + size <= stored.size(); ++size) {
        std::string out(size, '\0');
        ASSERT_TRUE((*source)->read_at(from, std::as_writable_bytes(std::span(out))).has_value());
        ASSERT_EQ(out, expected.substr(from, size));
      }
    }
  }
  EXPECT_FALSE(byte_swapped_source(memory_source(Bytes::copy("abc"), "memory"), 2).has_value());
}

TEST(Blob, StoredChecksumIsComparedOnFullReads) {
  const Bytes bytes = Bytes::copy("123456789");
  EXPECT_TRUE(Blob(memory_source(bytes, "m"), 0xcbf43926).read().has_value());  // the check value of CRC-32/ISO-HDLC
  const Blob wrong(memory_source(bytes, "m"), 1);
  EXPECT_EQ(wrong.read().error().code(), Code::kCorrupt);
  EXPECT_FALSE(for_each_tile(wrong, 4, [](std::uint64_t, std::span<const std::byte>) -> Status { return {}; }).has_value());
}

TEST(Bundle, NamesThatLeadOutOfTheFolderAreRefused) {
  for (const char* name : {"", "/etc/passwd", "../a", "a/../b", "a//b", "./a", "a\\b", "a/"})
    EXPECT_FALSE(is_contained(name)) << name;
  EXPECT_TRUE(is_contained("a/b.c"));
  const Folder folder;
  folder.file("sub/a", "1");
  folder.file("outside", "2");
  const auto bundle = Bundle::open(folder.path() / "sub", {});
  ASSERT_TRUE(bundle.has_value());
  EXPECT_TRUE(bundle->open_part("a").has_value());
  EXPECT_FALSE(bundle->open_part("../outside").has_value());
}

TEST(Bundle, AnEmptyPathIsNamedAsOne) { EXPECT_EQ(Bundle::open("", {}).error().message(), "the path '' names no file"); }

TEST(Bundle, FolderListsItsFilesAndFollowsLinksToFiles) {
  const Folder folder;
  folder.file("blobs/x", "data");
  folder.file("snapshot/b/c", "1");
  fs::create_symlink("../blobs/x", folder.path() / "snapshot" / "model.bin");
  fs::create_directory_symlink("..", folder.path() / "snapshot" / "loop");
  const auto bundle = Bundle::open(folder.path() / "snapshot", {});
  ASSERT_TRUE(bundle.has_value());
  EXPECT_EQ(bundle->names(), (std::vector<std::string>{"b/c", "model.bin"}));
  EXPECT_EQ((*bundle->open_part("model.bin"))->size(), 4u);
  EXPECT_EQ(bundle->links(), std::vector<std::string>{"model.bin"});
  EXPECT_EQ(bundle->folder_links(), std::vector<std::string>{"loop"});
}

TEST(Bundle, AFileOfAnArchiveReachesThoseBesideItAndBelow) {
  const auto source = [](std::string name) { return memory_source(Bytes::copy(name), name); };
  const auto parts = std::make_shared<Bundle::Parts>();
  for (const std::string name : {"m/index", "m/shard", "m/sub/shard", "other"}) (*parts)[name] = [=] { return source(name); };
  const Bundle index = Bundle::of(source("a.zip!m/index"), "m/index", parts);
  EXPECT_TRUE(index.has("shard") && index.has("sub/shard") && index.has("index"));
  EXPECT_FALSE(index.has("other") || index.has("../other") || index.has("m/shard"));
  EXPECT_EQ((*index.open_part("sub/shard"))->name(), "m/sub/shard");
  EXPECT_EQ(index.open_part("none").error().code(), Code::kNotFound);
  EXPECT_EQ(index.open_part("../other").error().code(), Code::kInvalidArgument);
  const auto part = index.part("sub/shard");
  ASSERT_TRUE(part);
  EXPECT_TRUE(part->has("shard"));
  EXPECT_FALSE(part->has("index"));
}

TEST(Bundle, FileReachesWhatLiesBesideIt) {
  const Folder folder;
  const auto path = folder.file("index.json", "{}");
  folder.file("shard", "1234");
  const auto bundle = Bundle::open(path, {});
  EXPECT_EQ((*bundle->open_part("shard"))->size(), 4u);
  const auto missing = bundle->open_part("other");
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code(), Code::kNotFound);
}

TEST(Bundle, ASmallFileInMemoryReachesWhatLiesBesideItStill) {
  const Folder folder;
  const auto path = folder.file("index.json", "{}");
  folder.file("shard", "1234");
  const auto bundle = Bundle::open(path, {});
  EXPECT_FALSE(bundle->in_memory(1).main()->resident());
  const Bundle small = bundle->in_memory(2);
  fs::resize_file(path, 0);
  ASSERT_TRUE(small.main()->resident());
  EXPECT_EQ(small.main()->resident()->text(), "{}");
  EXPECT_EQ(small.main()->name(), bundle->main()->name());
  EXPECT_EQ((*small.open_part("shard"))->size(), 4u);
  EXPECT_EQ(small.names(), bundle->names());
}

TEST(Bundle, AFileThatEndsEarlyIsNotInMemory) {
  const Folder folder;
  const auto path = folder.file("a", "1234");
  const auto bundle = Bundle::open(path, {});
  fs::resize_file(path, 2);
  const Bundle small = bundle->in_memory(10);
  EXPECT_FALSE(small.main()->resident());
  EXPECT_EQ(small.main()->size(), 4u);
}

TEST(Bundle, FoldersAreNamedByTheirPaths) {
  const Folder folder;
  folder.file("a/one", "1");
  folder.file("a/two", "22");
  for (const std::string path : {"/a/one", "//a//one"}) {
    const auto bundle = Bundle::open(folder.path().string() + path, {});
    ASSERT_TRUE(bundle.has_value()) << path;
    EXPECT_EQ(bundle->names(), std::vector<std::string>{"one"});
    EXPECT_TRUE(bundle->has("two")) << path;
    EXPECT_EQ((*bundle->open_part("two"))->size(), 2u) << path;
  }
  EXPECT_EQ(Bundle::open(folder.path().string() + "/a/one/", {}).error().code(),
            open_file(folder.path().string() + "/a/one/").error().code());
  folder.file("b.index", "3");
  EXPECT_EQ((*Bundle::open(folder.path().string() + "/b", {})).names(), std::vector<std::string>{"b.index"});
  EXPECT_EQ(Bundle::open(folder.path().string() + "/c", {}).error().code(), Code::kNotFound);
}

TEST(Bundle, PartOfAFolderIsAFileWithItsNeighboursOrAFolder) {
  const Folder folder;
  folder.file("a/b/one", "1");
  folder.file("a/b/two", "22");
  folder.file("a/c", "3");
  const auto bundle = Bundle::open(folder.path() / "a", {});
  ASSERT_TRUE(bundle.has_value());
  const auto file = bundle->part("b/one");
  ASSERT_TRUE(file.has_value());
  EXPECT_EQ(file->kind(), Bundle::Kind::kFile);
  EXPECT_EQ(file->names(), std::vector<std::string>{"one"});
  EXPECT_EQ((*file->open_part("two"))->size(), 2u);
  EXPECT_FALSE(file->open_part("../c").has_value());
  const auto inner = bundle->part("b");
  ASSERT_TRUE(inner.has_value());
  EXPECT_EQ(inner->kind(), Bundle::Kind::kFolder);
  EXPECT_EQ(inner->names(), (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ((*inner->open_part("two"))->size(), 2u);
  EXPECT_FALSE(bundle->part("x").has_value());
}

}  // namespace
}  // namespace holdall
