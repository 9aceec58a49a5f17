#include "holdall/codec/compress.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <random>

namespace holdall {
namespace {

std::string golden(const std::string& name) {
  std::ifstream file(std::string(HOLDALL_SOURCE_DIR) + "/holdall/codec/testdata/compress/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

SourceRef source_of(std::string bytes) { return memory_source(Bytes::adopt(std::move(bytes)), "file"); }

Result<std::string> decode(std::string bytes, Compression compression, const Limits& limits = {}) {
  HOLDALL_ASSIGN(const SourceRef source, decompressed(source_of(std::move(bytes)), compression, limits));
  HOLDALL_ASSIGN(const Bytes decoded, read_all(*source, UINT64_MAX));
  return std::string(decoded.text());
}

const std::map<std::string, Compression> kFiles = {
    {"text.gz", Compression::kGzip},   {"text.two.gz", Compression::kGzip},   {"text.zlib", Compression::kZlib},
    {"text.bz2", Compression::kBzip2}, {"text.two.bz2", Compression::kBzip2}, {"text.xz", Compression::kXz},
    {"text.two.xz", Compression::kXz}, {"text.lzma", Compression::kLzma},     {"text.lz4", Compression::kLz4},
    {"text.zst", Compression::kZstd},
};

TEST(Compress, EveryCompressionIsRecognisedByItsFirstBytes) {
  for (const auto& [name, compression] : kFiles) EXPECT_EQ(detect_compression(as_bytes(golden(name))), compression) << name;
  for (const char* text : {"", "x", "BZh9 is text", "]q", "\x80\x02]q", "\x93NUMPY", "PK\3\4"})
    EXPECT_EQ(detect_compression(as_bytes(text)), Compression::kNone) << text;
}

TEST(Compress, EveryCompressionIsDecoded) {
  const std::string text = golden("text");
  ASSERT_EQ(text.size(), 3000u);
  for (const auto& [name, compression] : kFiles) {
    const auto decoded = decode(golden(name), compression);
    ASSERT_TRUE(decoded) << name << ": " << decoded.error().to_string();
    EXPECT_EQ(*decoded, text) << name;
    const auto head = decompressed_head(source_of(golden(name)), compression, 100);
    ASSERT_TRUE(head);
    EXPECT_EQ(as_text(*head), text.substr(0, 100));
  }
}

TEST(Compress, TruncationIsCorrupt) {
  for (const auto& [name, compression] : kFiles) {
    const std::string whole = golden(name);
    const bool several = name.find(".two.") != std::string::npos;
    for (std::size_t size = 1; size < whole.size(); ++size) {
      const auto decoded = decode(whole.substr(0, size), compression);
      // A file cut between its streams is a whole file.
      if (decoded && several) {
        EXPECT_EQ(*decoded, golden("text").substr(0, 1500)) << name << " cut at " << size;
        continue;
      }
      ASSERT_FALSE(decoded) << name << " cut at " << size;
      EXPECT_EQ(decoded.error().code(), Code::kCorrupt) << decoded.error().to_string();
    }
  }
}

TEST(Compress, BytesBehindTheEndAreCorrupt) {
  for (const auto& [name, compression] : kFiles) {
    const auto decoded = decode(golden(name) + "surplus", compression);
    ASSERT_FALSE(decoded) << name;
    EXPECT_EQ(decoded.error().code(), Code::kCorrupt);
    EXPECT_TRUE(decoded.error().offset().has_value());
  }
}

std::string encoded(const std::string& text, Compression compression) {
  std::string out;
  const Status status =
      compress(Blob::memory(Bytes::copy(text), "text"), compression, 6, [&](std::span<const std::byte> piece) -> Status {
        out += as_text(piece);
        return {};
      });
  EXPECT_TRUE(status);
  return out;
}

TEST(Compress, GzipAndZlibAreWrittenAndReadBack) {
  std::mt19937 random(1);
  std::string text(3'000'000, '\0');
  for (char& letter : text) letter = static_cast<char>(random() % 17);
  for (const Compression compression : {Compression::kGzip, Compression::kZlib}) {
    const std::string bytes = encoded(text, compression);
    EXPECT_LT(bytes.size(), text.size());
    EXPECT_EQ(detect_compression(as_bytes(bytes)), compression);
    const auto decoded = decode(bytes, compression);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(*decoded, text);
  }
  const Sink sink = [](std::span<const std::byte>) -> Status { return {}; };
  EXPECT_EQ(compress(Blob::memory({}, ""), Compression::kXz, 6, sink).error().code(), Code::kUnsupported);
}

TEST(Compress, MoreThanIsKeptInMemoryIsDecodedAgainInAnyOrder) {
  std::string text(20'000'000, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i / 1000);
  const auto source = decompressed(source_of(encoded(text, Compression::kZlib)), Compression::kZlib, {});
  ASSERT_TRUE(source);
  EXPECT_EQ((*source)->size(), text.size());
  EXPECT_FALSE((*source)->random_access());
  EXPECT_EQ((*source)->name(), "file");
  for (const std::size_t offset : {0u, 5'000'000u, 19'999'000u, 1000u}) {
    std::string out(1000, '\0');
    ASSERT_TRUE((*source)->read_at(offset, std::as_writable_bytes(std::span(out))));
    EXPECT_EQ(out, text.substr(offset, 1000));
  }
}

TEST(Compress, ExpansionIsLimited) {
  const std::string bytes = encoded(std::string(40'000'000, '\0'), Compression::kGzip);
  Limits limits;
  limits.expansion = 100;
  const auto decoded = decode(bytes, Compression::kGzip, limits);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code(), Code::kLimit);
}

}  // namespace
}  // namespace holdall
