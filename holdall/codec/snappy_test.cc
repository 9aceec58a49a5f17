#include "holdall/codec/snappy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdall {
namespace {

Result<Bytes> decoded(std::string_view block, std::uint64_t most = 1'000'000) { return decode_snappy(as_bytes(block), most); }

TEST(Snappy, LiteralsAndCopiesAreDecoded) {
  // "abcd", then ten bytes from four back (they overlap), then two from two back with a two-byte offset.
  const std::string_view block(
      "\x10\x0c"
      "abcd"
      "\x19\x04"
      "\x06\x02\x00",
      11);
  const auto bytes = decoded(block);
  ASSERT_TRUE(bytes) << bytes.error().to_string();
  EXPECT_EQ(bytes->text(), "abcdabcdabcdabab");
  EXPECT_EQ(decoded(std::string("\x64\xf0\x63", 3) + std::string(100, 'z'))->text(), std::string(100, 'z'));
  EXPECT_EQ(decoded(std::string_view("\0", 1))->size(), 0u);
}

TEST(Snappy, BrokenBlocksAreCorrupt) {
  for (const std::string_view block : {std::string_view(""),
                                       std::string_view("\x05\x0c"
                                                        "abcd",
                                                        6),
                                       std::string_view("\x03\x0c"
                                                        "abcd",
                                                        6),
                                       std::string_view("\x08\x0c"
                                                        "abcd"
                                                        "\x01\x05",
                                                        8),
                                       std::string_view("\x08\x0c"
                                                        "abcd"
                                                        "\x01\x00",
                                                        8),
                                       std::string_view("\x04\x0c"
                                                        "abc",
                                                        5),
                                       std::string_view("\x04\xf4\x01", 3)}) {
    const auto bytes = decoded(block);
    ASSERT_FALSE(bytes);
    EXPECT_EQ(bytes.error().code(), Code::kCorrupt);
  }
}

TEST(Snappy, SizesThatCannotBeAreRefusedBeforeMemoryIsTaken) {
  EXPECT_EQ(decoded(std::string_view("\xff\xff\xff\xff\x0f\x00", 6)).error().code(), Code::kCorrupt);
  EXPECT_EQ(decoded(std::string("\x64\xf0\x63", 3) + std::string(100, 'z'), 99).error().code(), Code::kLimit);
}

}  // namespace
}  // namespace holdall
