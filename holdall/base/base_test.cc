#include <gtest/gtest.h>
#include <zlib.h>

#include <cerrno>
#include <random>

#include "holdall/base/checked.h"
#include "holdall/base/checksum.h"
#include "holdall/base/digest.h"
#include "holdall/base/endian.h"
#include "holdall/base/result.h"

namespace holdall {
namespace {

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(Error, MessageSaysFileOffsetContextAndFault) {
  const Error error = corrupt("offset 96 is not a multiple of 32").at(1042).in("model.gguf").with("tensor 'blk.0'");
  EXPECT_EQ(error.to_string(), "model.gguf @ 1042: tensor 'blk.0': offset 96 is not a multiple of 32");
}

TEST(Error, InnermostPlaceIsKept) {
  const Error error = corrupt("x").at(1).in("inner").at(2).in("outer");
  EXPECT_EQ(error.offset(), 1u);
  EXPECT_EQ(error.path(), "inner");
}

TEST(Error, OffsetOfAPartMovesToTheWholeUnlessItIsNamed) {
  EXPECT_EQ(corrupt("x").at(5).shifted(100).offset(), 105u);
  EXPECT_EQ(corrupt("x").at(5).in("part").shifted(100).offset(), 5u);
}

TEST(Error, SystemCodesBecomeCodes) {
  EXPECT_EQ(io_error("x", ENOENT).code(), Code::kNotFound);
  EXPECT_EQ(io_error("x", EACCES).code(), Code::kDenied);
  EXPECT_EQ(io_error("x", ENOSPC).code(), Code::kIo);
  EXPECT_EQ(io_error("x", ENOSPC).system_code(), ENOSPC);
}

Result<int> half(int value) {
  if (value % 2 != 0) return invalid_argument("odd");
  return value / 2;
}

Result<int> quarter(int value) {
  HOLDALL_ASSIGN(const int once, half(value));
  HOLDALL_ASSIGN(const int twice, half(once));
  return twice;
}

TEST(Result, MacrosPassTheFirstErrorOn) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(quarter(6).error().message(), "odd");
  EXPECT_EQ(quarter(3).value_or(-1), -1);
}

TEST(Checked, SumsAndProductsDoNotWrap) {
  EXPECT_EQ(checked_add(UINT64_MAX, 1), std::nullopt);
  EXPECT_EQ(checked_multiply(1ull << 32, 1ull << 32), std::nullopt);
  EXPECT_EQ(checked_align(UINT64_MAX, 64), std::nullopt);
  EXPECT_EQ(checked_align(65, 64), 128u);
  EXPECT_FALSE(fits(10, UINT64_MAX, 20));
  EXPECT_FALSE(fits(21, 0, 20));
  EXPECT_TRUE(fits(20, 0, 20));
}

// Check values: "check" of CRC-32/ISO-HDLC in the CRC catalogue, FIPS 180-4's "abc".
TEST(Checksum, AgreesWithPublishedValues) {
  EXPECT_EQ(crc32(bytes("123456789")), 0xcbf43926u);
  Sha256 hasher;
  hasher.update(bytes("abc"));
  EXPECT_EQ(to_hex(hasher.finish()), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Checksum, PiecesJoinToTheWhole) {
  std::mt19937 random(1);
  std::string data(100'000, '\0');
  for (char& c : data) c = static_cast<char>(random());
  for (const std::size_t cut : {0u, 1u, 4096u, 99'999u, 100'000u}) {
    const auto head = bytes(std::string_view(data).substr(0, cut));
    const auto tail = bytes(std::string_view(data).substr(cut));
    EXPECT_EQ(crc32_join(crc32(head), crc32(tail), tail.size()), crc32(bytes(data)));
    EXPECT_EQ(crc32(tail, crc32(head)), crc32(bytes(data)));
    Xxh3 hasher;
    hasher.update(head);
    hasher.update(tail);
    EXPECT_EQ(hasher.finish(), xxh3_128(bytes(data)));
  }
}

// crc32() folds long texts where the processor can; zlib does not.
TEST(Checksum, Crc32IsThatOfZlib) {
  std::mt19937 random(7);
  std::string data(20'000, '\0');
  for (char& c : data) c = static_cast<char>(random());
  for (std::size_t size = 0; size < 3000; ++size) {
    const std::size_t at = random() % 100;
    const auto seed = static_cast<std::uint32_t>(random());
    const std::string_view part = std::string_view(data).substr(at, size % 2 == 0 ? size : 6 * size);
    const auto expected = ::crc32_z(seed, reinterpret_cast<const Bytef*>(part.data()), part.size());
    ASSERT_EQ(crc32(bytes(part), seed), expected) << part.size() << " bytes from " << at;
  }
}

TEST(Endian, BigAndLittleDiffer) {
  const unsigned char raw[] = {1, 2, 3, 4};
  EXPECT_EQ(load_le<std::uint32_t>(raw), 0x04030201u);
  EXPECT_EQ(load_be<std::uint32_t>(raw), 0x01020304u);
}

}  // namespace
}  // namespace holdall
