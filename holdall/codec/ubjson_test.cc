#include "holdall/codec/ubjson.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdall {
namespace {

using Token = UbjsonReader::Token;
using namespace std::string_literals;

UbjsonReader reader_of(std::string_view bytes, std::uint32_t depth = 100) {
  return UbjsonReader(Blob::memory(Bytes::copy(bytes), "document"), depth, 1000);
}

// The tokens as text; ends with what went wrong where something did.
std::string read(std::string_view bytes, std::uint32_t depth = 100) {
  UbjsonReader reader = reader_of(bytes, depth);
  std::string seen;
  while (true) {
    const auto item = reader.next();
    if (!item) return seen + std::string(code_name(item.error().code())) + ": " + item.error().to_string();
    switch (item->token) {
      case Token::kBeginObject:
        seen += "{ ";
        break;
      case Token::kEndObject:
        seen += "} ";
        break;
      case Token::kBeginArray:
        seen += "[ ";
        break;
      case Token::kEndArray:
        seen += "] ";
        break;
      case Token::kKey:
        seen += item->text + ": ";
        break;
      case Token::kText:
        seen += "'" + item->text + "' ";
        break;
      case Token::kInteger:
        seen += std::to_string(item->integer) + " ";
        break;
      case Token::kFloat:
        seen += std::to_string(item->real) + " ";
        break;
      case Token::kTrue:
        seen += "true ";
        break;
      case Token::kFalse:
        seen += "false ";
        break;
      case Token::kNull:
        seen += "null ";
        break;
      case Token::kNumbers:
        seen += std::string(name(item->dtype)) + "*" + std::to_string(item->integer) + " ";
        break;
      case Token::kEnd:
        return seen;
    }
  }
}

TEST(Ubjson, ValuesOfEveryTypeAreRead) {
  EXPECT_EQ(read("[ZTFi\xffU\xffI\xff\xfel\xff\xff\xff\xfdL\xff\xff\xff\xff\xff\xff\xff\xfc]"s),
            "[ null true false -1 255 -2 -3 -4 ] ");
  EXPECT_EQ(read("[d\x3f\xc0\0\0D\xbf\xe0\0\0\0\0\0\0CaSi\2hi]"s), "[ 1.500000 -0.500000 'a' 'hi' ] ");
  EXPECT_EQ(read("{i\1aTU\1b{}i\1c[]}"), "{ a: true b: { } c: [ ] } ");
  EXPECT_EQ(read("[NNTN]"), "[ true ] ");
}

TEST(Ubjson, ContainersWithCountsAndTypesNeedNoEnd) {
  EXPECT_EQ(read("[#i\2T[#i\1F"), "[ true [ false ] ] ");
  EXPECT_EQ(read("{#i\1i\1aZ"), "{ a: null } ");
  EXPECT_EQ(read("{$i#i\2i\1a\5i\1b\6"), "{ a: 5 b: 6 } ");
  EXPECT_EQ(read("[$S#i\2i\1ai\1b"), "[ 'a' 'b' ] ");
  EXPECT_EQ(read("[$[#i\2T]F]"), "[ [ true ] [ false ] ] ");
}

TEST(Ubjson, NumbersOfATypedArrayStayOnDiskAndAreDecodedWhenRead) {
  UbjsonReader reader = reader_of("[$I#i\2\1\2\xff\xfe"s);
  const auto item = reader.next();
  ASSERT_TRUE(item) << item.error().to_string();
  ASSERT_EQ(item->token, Token::kNumbers);
  EXPECT_EQ(item->dtype, DType::kInt16);
  const auto numbers = reader.numbers(*item)->read();
  ASSERT_TRUE(numbers);
  EXPECT_EQ(numbers->text(), "\2\1\xfe\xff"s);
  EXPECT_EQ(read("[$d#L\0\0\0\0\0\0\0\0"s), "float32*0 ");
}

TEST(Ubjson, CountsBeyondTheEndAreCorrupt) {
  for (const std::string& bytes :
       {"[$d#L\x7f\xff\xff\xff\xff\xff\xff\xff"s, "[#L\x7f\xff\xff\xff\xff\xff\xff\xff"s, "[$Z#L\0\0\0\0\x7f\xff\xff\xff"s,
        "Si\x7f"s, "[#i\xff"s, "[$d#i\2\0\0\0\0"s, "[$?#i\1"s, "[$d]"s, "[T"s, "{i\1a}"s, "{Si\1aT}"s, "T "s, "?"s, ""s}) {
    EXPECT_THAT(read(bytes), ::testing::HasSubstr("corrupt: ")) << ::testing::PrintToString(bytes);
  }
}

TEST(Ubjson, DepthAndTextsAreBounded) {
  EXPECT_THAT(read(std::string(101, '[') + std::string(101, ']')), ::testing::HasSubstr("limit: document @ 100: values"));
  EXPECT_THAT(read("SI\4\0"s + std::string(1024, 'x')), ::testing::HasSubstr("limit: document @ 4: a text has 1024 bytes"));
  EXPECT_THAT(read("Hi\1"s + "5"), ::testing::HasSubstr("unsupported: "));
}

}  // namespace
}  // namespace holdall
