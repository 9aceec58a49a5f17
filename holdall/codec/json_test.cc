#include "holdall/codec/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <limits>
#include <random>

namespace holdall {
namespace {

using ::testing::HasSubstr;
using Token = JsonReader::Token;

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

// The text of the value, or the error's text.
std::string rendered(std::string_view json, const JsonOptions& options = {}) {
  Arena arena;
  const auto root = parse_json(arena, json, options);
  if (!root) return root.error().to_string();
  JsonWriter writer;
  const Status written = write_json(writer, arena.at(*root));
  return written ? writer.text() : written.error().to_string();
}

TEST(Json, AgreesWithPythonOnWholeAndDamagedTexts) {
  std::ifstream file(HOLDALL_SOURCE_DIR "/holdall/codec/testdata/json/cases.tsv");
  std::string line;
  std::size_t whole = 0;
  std::size_t damaged = 0;
  while (std::getline(file, line)) {
    const std::size_t first = line.find('\t');
    const std::size_t second = line.find('\t', first + 1);
    const std::string json = from_hex(std::string_view(line).substr(0, first));
    const bool accepted = line.substr(first + 1, second - first - 1) == "ok";
    const std::string expected = from_hex(std::string_view(line).substr(second + 1));
    Arena arena;
    const auto root = parse_json(arena, json);
    ASSERT_EQ(root.has_value(), accepted) << json << (root ? "" : root.error().to_string());
    if (!accepted) {
      ++damaged;
      EXPECT_TRUE(root.error().offset().has_value()) << json;
      EXPECT_LE(*root.error().offset(), json.size()) << json;
      continue;
    }
    ++whole;
    if (expected == "nonfinite") continue;
    JsonWriter writer;
    ASSERT_TRUE(write_json(writer, arena.at(*root))) << json;
    // Python writes DEL as it is and knows no short forms but ours.
    EXPECT_EQ(writer.text(), expected) << json;
  }
  EXPECT_GT(whole, 400u);
  EXPECT_GT(damaged, 400u);
}

TEST(Json, RenderedTextsReadBackTheSame) {
  for (const char* json :
       {"[0.10,1.00e0,-0.0,5e-324,1e999]", "{\"a\":[{},[],\"\\u0001\\\"\\\\\\n\"],\"é\":18446744073709551616}"}) {
    EXPECT_EQ(rendered(json), json);
  }
}

TEST(Json, DuplicateKeysAreCorruptWhereTheSecondStands) {
  EXPECT_EQ(rendered(R"({"a":1,"b":2,"\u0061":3})"), "@ 13: key 'a' stands twice in one object");
}

TEST(Json, DuplicateAmongManyKeysIsFoundInLinearTime) {
  std::string json = "{";
  for (int i = 0; i < 100'000; ++i) json += "\"key" + std::to_string(i) + "\":" + std::to_string(i) + ",";
  Arena arena;
  const auto whole = parse_json(arena, json + "\"last\":0}");
  ASSERT_TRUE(whole);
  EXPECT_EQ(arena.at(*whole).size(), 100'001u);
  EXPECT_EQ(arena.at(*whole).find_int("key99999"), 99'999);
  const auto twice = parse_json(arena, json + "\"key50000\":0}");
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().offset(), json.size());
}

TEST(Json, DepthIsLimitedAndNotByTheStack) {
  JsonOptions options;
  options.depth = 10;
  EXPECT_EQ(rendered(std::string(10, '[') + std::string(10, ']'), options), std::string(10, '[') + std::string(10, ']'));
  EXPECT_THAT(rendered(std::string(11, '[') + std::string(11, ']'), options), HasSubstr("deeper than the 10 levels"));
  options.depth = 500'000;
  Arena arena;
  EXPECT_TRUE(parse_json(arena, std::string(400'000, '[') + std::string(400'000, ']'), options));
}

TEST(Json, ValuesBeyondTheAllowedMemoryAreRefused) {
  std::string json = "[";
  for (int i = 0; i < 200'000; ++i) json += "[],";
  JsonOptions options;
  options.value_bytes = 1'000'000;
  EXPECT_THAT(rendered(json + "0]", options), HasSubstr("more than the 1000000 allowed"));
}

TEST(Json, IntegersOfAnySizeAndFloatSpellingsAreKept) {
  Arena arena;
  const auto root = parse_json(arena, "[9223372036854775807,9223372036854775808,1.50,-0,1E5]");
  ASSERT_TRUE(root);
  const Value list = arena.at(*root);
  EXPECT_EQ(list.item(0).as_int(), INT64_MAX);
  EXPECT_EQ(list.item(1).as_big_int(), "9223372036854775808");
  EXPECT_EQ(list.item(2).float_spelling(), "1.50");
  EXPECT_EQ(list.item(3).as_int(), 0);
  EXPECT_EQ(list.item(4).as_float(), 1e5);
}

TEST(Json, NonFiniteNumbersAreAcceptedOnlyWhereAsked) {
  Arena arena;
  const auto root = parse_json(arena, "[NaN,Infinity,-Infinity]");
  ASSERT_TRUE(root);
  EXPECT_TRUE(std::isnan(arena.at(*root).item(0).as_float()));
  EXPECT_EQ(arena.at(*root).item(2).as_float(), -std::numeric_limits<double>::infinity());
  JsonOptions strict;
  strict.non_finite = JsonOptions::NonFinite::kRefuse;
  for (const char* json : {"NaN", "[Infinity]", "-Infinity"}) EXPECT_FALSE(parse_json(arena, json, strict)) << json;
}

TEST(Json, LoneSurrogatesAreRefusedOrTheBytesThatTheWriterMeant) {
  EXPECT_EQ(rendered(R"("ab\udc80")"), "@ 3: unpaired surrogate \\udc80");
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  bytes += "é\xed\xa0\x80";
  JsonWriter writer;
  writer.string(bytes);
  JsonOptions options;
  options.surrogates = JsonOptions::Surrogates::kBytes;
  Arena arena;
  const auto root = parse_json(arena, writer.text(), options);
  ASSERT_TRUE(root);
  EXPECT_EQ(arena.at(*root).as_string(), bytes);
}

TEST(Json, WhatIsRefusedMayBeReadAsOthersReadIt) {
  const std::string_view json = R"({"a":1,"b":{"c":"\ud800"},"a":2,"b":3})";
  for (const bool first : {true, false}) {
    JsonOptions options;
    options.surrogates = JsonOptions::Surrogates::kReplace;
    options.repeated = first ? JsonOptions::Repeated::kFirst : JsonOptions::Repeated::kLast;
    Arena arena;
    const auto root = parse_json(arena, json, options);
    ASSERT_TRUE(root);
    EXPECT_EQ(arena.at(*root).size(), 2u);
    EXPECT_EQ(arena.at(*root).find_int("a"), first ? 1 : 2);
    EXPECT_EQ(arena.at(*root).find("b").is(ValueKind::kDict), first);
    EXPECT_EQ(arena.at(*root).find("b").find_string("c").value_or("none"), first ? "\xef\xbf\xbd" : "none");
  }
}

TEST(JsonReader, GivesTokensWithTheirPlaces) {
  JsonReader reader(R"( {"a" : [1, -2.5e1], "b":"x\n"} )");
  const std::vector<std::pair<Token, std::uint64_t>> expected = {
      {Token::kBeginObject, 1}, {Token::kKey, 2},       {Token::kBeginArray, 8}, {Token::kInteger, 9},
      {Token::kFloat, 12},      {Token::kEndArray, 18}, {Token::kKey, 21},       {Token::kString, 25},
      {Token::kEndObject, 30},  {Token::kEnd, 32},      {Token::kEnd, 32}};
  for (const auto& [token, offset] : expected) {
    const auto item = reader.next();
    ASSERT_TRUE(item);
    EXPECT_EQ(item->token, token);
    EXPECT_EQ(item->offset, offset);
    EXPECT_EQ(item->text == "x\n", token == Token::kString);
  }
}

TEST(JsonReader, SkipsAValueWhole) {
  JsonReader reader(R"([{"a":[[],{}]},7])");
  ASSERT_TRUE(reader.next());
  const auto begun = reader.next();
  ASSERT_TRUE(begun);
  ASSERT_TRUE(reader.skip(*begun));
  EXPECT_EQ(reader.next()->text, "7");
}

TEST(JsonWriter, IndentsAsAskedAndLeavesEmptyContainersClosed) {
  JsonWriter writer(2);
  writer.begin_object().key("a").begin_array().integer(1).null().end_array().key("b").begin_object().end_object().end_object();
  EXPECT_EQ(writer.text(), "{\n  \"a\": [\n    1,\n    null\n  ],\n  \"b\": {}\n}");
}

TEST(JsonWriter, NumbersReadBackTheSameBits) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000; ++i) {
    const double value = std::bit_cast<double>(random());
    if (!std::isfinite(value)) continue;
    JsonWriter writer;
    writer.number(value);
    Arena arena;
    const auto root = parse_json(arena, writer.text());
    ASSERT_TRUE(root);
    ASSERT_EQ(arena.at(*root).kind(), ValueKind::kFloat) << writer.text();
    ASSERT_EQ(std::bit_cast<std::uint64_t>(arena.at(*root).as_float()), std::bit_cast<std::uint64_t>(value));
  }
  JsonWriter writer;
  writer.begin_array().number(1).number(-0.0).number(std::nan("")).number(-INFINITY).unsigned_integer(UINT64_MAX).end_array();
  EXPECT_EQ(writer.text(), R"([1.0,-0.0,{"$float":"nan"},{"$float":"-inf"},18446744073709551615])");
}

TEST(JsonWriter, ValuesThatPlainJsonLacksAreRefused) {
  Arena arena;
  JsonWriter writer;
  EXPECT_FALSE(write_json(writer, arena.at(arena.tuple({}))));
  EXPECT_FALSE(write_json(writer, arena.at(arena.real(std::nan("")))));
  const NodeId by_number = arena.dict();
  arena.set_item(by_number, arena.integer(1), arena.null());
  EXPECT_FALSE(write_json(writer, arena.at(by_number)));
  const NodeId cycle = arena.list();
  arena.append(cycle, cycle);
  EXPECT_FALSE(write_json(writer, arena.at(cycle)));
  NodeId doubled = arena.list();
  for (int i = 0; i < 60; ++i) doubled = arena.list({doubled, doubled});
  EXPECT_FALSE(write_json(writer, arena.at(doubled)));
}

TEST(JsonWriter, AFloatSpellingThatIsNotJsonIsReplaced) {
  Arena arena;
  JsonWriter writer;
  writer.begin_array();
  for (const char* spelling : {"1.", "2", "1e-07", "]"}) write_float(writer, arena.at(arena.real(0.5, spelling)));
  writer.end_array();
  EXPECT_EQ(writer.text(), "[0.5,0.5,1e-07,0.5]");
}

}  // namespace
}  // namespace holdall
