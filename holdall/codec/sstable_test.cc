#include "holdall/codec/sstable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "holdall/base/text.h"

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

TEST(SortedTable, MasksAreUndone) {
  for (const std::uint32_t crc : {0u, 1u, 0xffffffffu, 0x12345678u}) EXPECT_EQ(unmask_crc32c(mask_crc32c(crc)), crc);
}

}  // namespace
}  // namespace holdall
