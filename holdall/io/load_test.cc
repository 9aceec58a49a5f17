#include "holdall/io/load.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <unistd.h>
#include <atomic>

#include <filesystem>
#include <fstream>
#include <random>

namespace holdall {
namespace {

namespace fs = std::filesystem;

class Load : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "holdall-load-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    std::mt19937_64 random(1);
    content_.resize((20u << 20) + 777);
    for (std::size_t i = 0; i + 8 <= content_.size(); i += 8) store_le(&content_[i], random());
    std::ofstream(path(), std::ios::binary) << content_;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path() const { return (folder_ / "model").string(); }
  // Drops the file from the page cache, as far as the system will.
  void make_cold() const {
    const int handle = ::open(path().c_str(), O_RDONLY);
    ::fdatasync(handle);
    ::posix_fadvise(handle, 0, 0, POSIX_FADV_DONTNEED);
    ::close(handle);
  }
  std::string_view bytes(std::uint64_t offset, std::uint64_t size) const {
    return std::string_view(content_).substr(offset, size);
  }

  fs::path folder_;
  std::string content_;
};

// Ranges of all sizes and places, checked or not, warm and cold: what is loaded is what is in the file.
TEST_F(Load, AnyRangesFromWarmAndColdFiles) {
  std::mt19937 random(2);
  for (int round = 0; round < 8; ++round) {
    const SourceRef source = *open_file(path());
    std::vector<Blob> blobs;
    std::vector<std::string_view> expected;
    const int count = 1 + static_cast<int>(random() % 60);
    for (int i = 0; i < count; ++i) {
      const std::uint64_t most = std::uint64_t{1} << (random() % 25);
      const std::uint64_t size = std::min<std::uint64_t>(random() % most, content_.size());
      std::uint64_t offset = random() % (content_.size() - size + 1);
      if (random() % 2 == 0) offset = offset / 4096 * 4096;
      Blob blob = *Blob::range(source, offset, size);
      expected.push_back(bytes(offset, size));
      if (random() % 2 == 0) blob = blob.with_xxh3(xxh3_128(as_bytes(expected.back())));
      blobs.push_back(std::move(blob));
    }
    if (round % 2 == 0) make_cold();
    const auto loaded = load_all(blobs, {.threads = 1 + static_cast<unsigned>(random() % 4)});
    ASSERT_TRUE(loaded) << loaded.error().to_string();
    for (std::size_t i = 0; i < blobs.size(); ++i) {
      ASSERT_TRUE((*loaded)[i].text() == expected[i]) << "round " << round << ", range " << i;
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>((*loaded)[i].data()) % 64, 0u);
    }
  }
}

// Without memory for what is read: whichever byte is another, the check says so.
TEST_F(Load, ChecksumsAloneAreCompared) {
  const SourceRef source = *open_file(path());
  std::vector<Blob> blobs;
  for (std::uint64_t at = 0; at < content_.size(); at += 5u << 20) {
    const std::uint64_t size = std::min<std::uint64_t>(5u << 20, content_.size() - at);
    blobs.push_back(Blob::range(source, at, size)->with_xxh3(xxh3_128(as_bytes(bytes(at, size)))));
  }
  EXPECT_TRUE(check_all(blobs));
  EXPECT_TRUE(are_cached(blobs));
  EXPECT_EQ(check_all(blobs, {.loaded = [](std::uint64_t) { return false; }}).error().code(), Code::kCancelled);
  std::fstream(path(), std::ios::binary | std::ios::in | std::ios::out)
      .seekp(17u << 20)
      .put(static_cast<char>(content_[17u << 20] + 1));
  EXPECT_EQ(check_all(blobs).error().code(), Code::kCorrupt);
  EXPECT_TRUE(check_all(std::span(blobs).first(3)));
}

TEST_F(Load, AWholeFileIntoMemoryOfTheCaller) {
  for (const std::size_t shift : {0u, 1u}) {
    make_cold();
    const std::uint32_t sum = crc32(as_bytes(content_));
    std::vector<std::byte> out(content_.size() + shift);
    const LoadRequest request = {Blob(*open_file(path()), sum), std::span(out).subspan(shift)};
    const Status status = load_into(std::span(&request, 1));
    ASSERT_TRUE(status) << status.error().to_string();
    EXPECT_TRUE(as_text(request.out) == content_);
  }
}

TEST_F(Load, AStoredChecksumThatDoesNotHoldIsReportedUnlessIgnored) {
  const SourceRef source = *open_file(path());
  for (const std::uint64_t size : {std::uint64_t{100}, std::uint64_t{17} << 20}) {
    for (const bool crc : {false, true}) {
      const Blob blob =
          crc ? Blob(*slice_source(source, 5, size, "part"), 1u) : Blob::range(source, 5, size)->with_xxh3({1, 1});
      const auto loaded = load_all(std::span(&blob, 1));
      ASSERT_FALSE(loaded);
      EXPECT_EQ(loaded.error().code(), Code::kCorrupt);
      EXPECT_EQ(loaded.error().path(), blob.name());
      const auto ignored = load_all(std::span(&blob, 1), {.checks = LoadOptions::Checks::kIgnored});
      ASSERT_TRUE(ignored);
      EXPECT_TRUE((*ignored)[0].text() == bytes(5, size));
    }
  }
}

TEST_F(Load, AFileThatShrankSinceItWasOpenedIsCorrupt) {
  const SourceRef source = *open_file(path());
  const Blob blobs[] = {*Blob::range(source, 0, 9u << 20), *Blob::range(source, 9u << 20, 300),
                        *Blob::range(source, 10u << 20, 200)};
  fs::resize_file(path(), 8u << 20);
  for (const Blob& blob : blobs) {
    const auto loaded = load_all(std::span(&blob, 1));
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().code(), Code::kCorrupt);
  }
  EXPECT_FALSE(load_all(blobs));
}

TEST_F(Load, BytesInMemoryAreSharedAndSizesMustAgree) {
  const Bytes memory = Bytes::copy("resident");
  const Blob blob = Blob::memory(memory, "m");
  EXPECT_EQ((*load_all(std::span(&blob, 1)))[0].data(), memory.data());
  std::byte small[3];
  const LoadRequest request = {blob, small};
  const Status status = load_into(std::span(&request, 1));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), Code::kInvalidArgument);
  EXPECT_TRUE(load_all({})->empty());
}

TEST_F(Load, EveryByteIsToldAndALoadCanBeCancelled) {
  const SourceRef source = *open_file(path());
  const Blob blobs[] = {*Blob::range(source, 0, 9u << 20), *Blob::range(source, 9u << 20, 300)};
  std::atomic<std::uint64_t> told = 0;
  ASSERT_TRUE(load_all(blobs, {.loaded = [&](std::uint64_t bytes) {
                         told += bytes;
                         return true;
                       }}));
  EXPECT_EQ(told, (9u << 20) + 300u);
  const auto cancelled = load_all(blobs, {.loaded = [](std::uint64_t) { return false; }});
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().code(), Code::kCancelled);
}

}  // namespace
}  // namespace holdall
