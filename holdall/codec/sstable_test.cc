#include "holdall/codec/sstable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <functional>
#include <map>

#include "holdall/base/crc32c.h"
#include "holdall/base/text.h"
#include "holdall/codec/protobuf.h"

namespace holdall {
namespace {

using ::testing::HasSubstr;
using Entries = std::map<std::string, std::string>;

const std::string kData = std::string(HOLDALL_SOURCE_DIR) + "/holdall/formats/tf_checkpoint/testdata/";

std::string written(const Entries& entries) {
  SortedTableWriter writer;
  for (const auto& [key, value] : entries) writer.add(key, value);
  return std::move(writer).finish();
}

Result<Entries> read(const std::string& bytes) {
  HOLDALL_ASSIGN(const SortedTable table, SortedTable::open(memory_source(Bytes::copy(bytes), "t.index"), {}));
  Entries entries;
  HOLDALL_TRY(table.for_each([&](std::string_view key, std::string_view value, std::uint64_t) -> Status {
    entries.emplace(key, value);
    return {};
  }));
  return entries;
}

Entries many() {
  Entries entries = {{"", "header"}};
  for (int i = 0; i < 2000; ++i) entries[text("layer_{}/kernel", i)] = std::string(static_cast<std::size_t>(i % 37), 'v');
  return entries;
}

TEST(SortedTable, WhatIsWrittenIsReadBack) {
  for (const Entries& entries : {Entries(), Entries{{"", "x"}}, many()}) {
    const auto again = read(written(entries));
    ASSERT_TRUE(again) << again.error().to_string();
    EXPECT_EQ(*again, entries);
  }
}

TEST(SortedTable, AKeyIsFoundByReadingOneBlock) {
  const auto table = SortedTable::open(memory_source(Bytes::copy(written(many())), "t"), {});
  ASSERT_TRUE(table);
  EXPECT_GT(table->blocks().size(), 5u);
  for (const auto& [key, value] : many()) EXPECT_EQ(table->find(key)->value(), value);
  EXPECT_FALSE(table->find("layer_5/kernel/")->has_value());
  EXPECT_FALSE(table->find("zzz")->has_value());
}

TEST(SortedTable, EveryFlippedBitIsFound) {
  const std::string whole = written({{"", "header"}, {"a", "1"}, {"ab", "22"}});
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    const auto table = SortedTable::open(memory_source(Bytes::copy(damaged), "t"), {});
    if (!table) continue;
    const auto entries = read(damaged);
    const bool is_padding = at >= whole.size() - 48 && at < whole.size() - 8;
    EXPECT_TRUE(!entries || !table->check_metaindex() || is_padding) << at;
  }
}

TEST(SortedTable, TensorFlowsTablesAreRead) {
  std::ifstream file(kData + "old.ckpt", std::ios::binary);
  const auto entries = read({std::istreambuf_iterator<char>(file), {}});
  ASSERT_TRUE(entries) << entries.error().to_string();
  EXPECT_EQ(entries->size(), 10u);
}

TEST(SortedTable, HandlesOutsideOfTheFileAreCorrupt) {
  std::string whole = written(many());
  const auto cut = read(whole.substr(0, 100));
  EXPECT_THAT(cut.error().to_string(), HasSubstr("not those of a table"));
  whole.erase(0, 4096);
  const auto shifted = read(whole);
  ASSERT_FALSE(shifted);
  EXPECT_EQ(shifted.error().code(), Code::kCorrupt);
}

void append_word(std::string& out, std::uint32_t number) {
  std::array<char, 4> raw;
  store_le(raw.data(), number);
  out.append(raw.data(), raw.size());
}

// Appends a block of these entries, none of which shares bytes with the one before; its handle.
std::string append_block(std::string& out, const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string block;
  for (const auto& [key, value] : entries) {
    for (const std::size_t number : {std::size_t{0}, key.size(), value.size()}) append_varint(block, number);
    block += key + value;
  }
  append_word(block, 0);
  append_word(block, 1);
  std::string handle;
  append_varint(handle, out.size());
  append_varint(handle, block.size());
  block += '\0';
  append_word(block, mask_crc32c(crc32c(as_bytes(block))));
  out += block;
  return handle;
}

std::string table_of(const std::function<std::vector<std::pair<std::string, std::string>>(std::string& out)>& index) {
  std::string out;
  const auto entries = index(out);
  std::string footer = append_block(out, {});
  footer += append_block(out, entries);
  footer.resize(40);
  return out + footer + "\x57\xfb\x80\x8b\x24\x75\x47\xdb";
}

// A block without entries may be named by every entry of an index: what reading takes would be the square of the file.
TEST(SortedTable, BlocksThatLieInEachOtherAreCorrupt) {
  const auto sound = read(table_of([](std::string& out) {
    const std::string first = append_block(out, {{"a", "1"}});
    return std::vector<std::pair<std::string, std::string>>{{"a", first}, {"b", append_block(out, {{"b", "2"}})}};
  }));
  ASSERT_TRUE(sound) << sound.error().to_string();
  EXPECT_EQ(*sound, (Entries{{"a", "1"}, {"b", "2"}}));
  const auto twice = read(table_of([](std::string& out) {
    const std::string handle = append_block(out, {});
    return std::vector<std::pair<std::string, std::string>>{{"a", handle}, {"b", handle}};
  }));
  ASSERT_FALSE(twice);
  EXPECT_THAT(twice.error().to_string(), HasSubstr("begins within the one before"));
}

TEST(SortedTable, MasksAreUndone) {
  for (const std::uint32_t crc : {0u, 1u, 0xffffffffu, 0x12345678u}) EXPECT_EQ(unmask_crc32c(mask_crc32c(crc)), crc);
}

}  // namespace
}  // namespace holdall
