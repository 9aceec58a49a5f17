#include "holdall/base/utf8.h"

#include <gtest/gtest.h>

namespace holdall {
namespace {

TEST(Utf8, EveryCodePointComesBackAndOnlySurrogatesAreMalformed) {
  for (std::uint32_t point = 0; point <= 0x10FFFF; ++point) {
    std::string text;
    append_utf8(text, point);
    const bool is_surrogate = point >= 0xD800 && point <= 0xDFFF;
    ASSERT_EQ(is_utf8(text), !is_surrogate) << point;
    ASSERT_EQ(utf8_length(text), is_surrogate ? 0 : text.size()) << point;
    ASSERT_TRUE(is_utf8(text, Surrogates::kTaken)) << point;
    text += "x";
    std::string_view rest = text;
    ASSERT_EQ(take_code_point(rest), point);
    ASSERT_EQ(rest, "x");
  }
}

TEST(Utf8, OverlongCutStrayAndTooLargeSequencesAreMalformed) {
  using namespace std::string_view_literals;
  for (const std::string_view text :
       {"\x80"sv, "\xBF"sv, "\xC0\x80"sv, "\xC1\xBF"sv, "\xC2"sv, "\xC2x"sv, "\xE0\x9F\xBF"sv, "\xE1\x80"sv, "\xE1\x80x"sv,
        "\xF0\x8F\xBF\xBF"sv, "\xF4\x90\x80\x80"sv, "\xF1\x80\x80"sv, "\xF5\x80\x80\x80"sv, "\xFF"sv}) {
    std::string_view rest = text;
    EXPECT_FALSE(is_utf8(text, Surrogates::kTaken)) << testing::PrintToString(text);
    EXPECT_EQ(utf8_length(text, Surrogates::kTaken), 0u);
    EXPECT_EQ(take_code_point(rest), std::nullopt);
    EXPECT_FALSE(is_utf8("twenty letters before" + std::string(text)));
  }
}

TEST(Utf8, AsciiIsSeenWhereverTheOtherByteStands) {
  std::string text(20, 'a');
  EXPECT_TRUE(is_ascii(text));
  EXPECT_TRUE(is_ascii(""));
  for (char& letter : text) {
    letter = '\x80';
    EXPECT_FALSE(is_ascii(text));
    letter = '\x7F';
  }
  EXPECT_TRUE(is_ascii(text));
}

}  // namespace
}  // namespace holdall
