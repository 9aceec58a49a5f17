#include "holdall/io/staged.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>

namespace holdall {
namespace {

struct Staged {
  std::vector<std::string> blobs;
  std::size_t rounds = 0;
  Status status;
};

Staged staged(const std::vector<Blob>& blobs, std::size_t buffer_size) {
  Staged result;
  for (const Blob& blob : blobs) result.blobs.emplace_back(blob.size(), '?');
  StagedLoad load(blobs, {});
  std::vector<std::byte> buffer(buffer_size);
  while (true) {
    const auto pieces = load.next(buffer);
    if (!pieces) {
      result.status = pieces.error();
      return result;
    }
    if (pieces->empty()) return result;
    ++result.rounds;
    for (const StagedPiece& piece : *pieces) {
      EXPECT_EQ(piece.at % 64, 0u);
      std::memcpy(result.blobs[piece.blob].data() + piece.offset, buffer.data() + piece.at, piece.size);
    }
  }
}

std::string content(std::size_t size) {
  std::string text(size, '\0');
  std::mt19937 random(static_cast<unsigned>(size));
  for (char& byte : text) byte = static_cast<char>(random());
  return text;
}

// A blob whose checksums are those of `stored`.
Blob blob_of(const std::string& data, const std::string& stored) {
  return Blob::memory(Bytes::copy(data), "b").with_crc32(crc32(as_bytes(stored))).with_xxh3(xxh3_128(as_bytes(stored)));
}

TEST(StagedLoad, BlobsOfAnySizeComeThroughABufferOfAnySize) {
  std::vector<std::string> texts;
  std::vector<Blob> blobs;
  for (const std::size_t size : {1u, 0u, 63u, 64u, 65u, 1000u, 5000u, 0u, 4096u, 1u}) {
    texts.push_back(content(size));
    blobs.push_back(blob_of(texts.back(), texts.back()));
  }
  for (const std::size_t buffer : {64u, 100u, 1024u, 4096u, 100000u}) {
    const Staged result = staged(blobs, buffer);
    ASSERT_TRUE(result.status) << result.status.error().to_string();
    EXPECT_EQ(result.blobs, texts) << buffer;
    if (buffer == 100000) {
      EXPECT_EQ(result.rounds, 1u);
    }
  }
}

TEST(StagedLoad, DamageIsFoundInWholeBlobsAndInTheLastPieceOfCutOnes) {
  const std::string good = content(1000);
  for (const std::size_t at : {0u, 500u, 999u}) {
    std::string bad = good;
    bad[at] = static_cast<char>(~bad[at]);
    for (const std::size_t buffer : {256u, 4096u}) {
      const Staged result = staged({blob_of(good, good), blob_of(bad, good)}, buffer);
      ASSERT_FALSE(result.status) << at << ' ' << buffer;
      EXPECT_EQ(result.status.error().code(), Code::kCorrupt);
    }
  }
}

}  // namespace
}  // namespace holdall
