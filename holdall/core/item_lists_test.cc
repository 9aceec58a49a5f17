#include "holdall/core/item_lists.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

namespace holdall {
namespace {

using Expected = std::vector<std::vector<std::uint32_t>>;

void expect_equal(const ItemLists& lists, const Expected& expected) {
  ASSERT_EQ(lists.size(), expected.size());
  for (std::uint32_t i = 0; i < expected.size(); ++i) {
    const auto items = lists[i];
    ASSERT_EQ(std::vector<std::uint32_t>(items.begin(), items.end()), expected[i]) << "list " << i;
  }
}

TEST(ItemLists, AnyListMayGrowAtAnyTime) {
  std::mt19937 random(1);
  ItemLists lists;
  Expected expected;
  for (std::uint32_t i = 0; i < 200'000; ++i) {
    if (expected.size() < 50 && random() % 100 == 0) {
      expected.emplace_back(random() % 2000, i);
      lists.add(expected.back());
    } else if (!expected.empty()) {
      // A few grow fast, beyond what lists share.
      const auto list = static_cast<std::uint32_t>(random() % (random() % 4 == 0 ? expected.size() : 1 + expected.size() / 8));
      lists.push_back(list, i);
      expected[list].push_back(i);
    }
  }
  expect_equal(lists, expected);
  ItemLists copy(lists);
  lists.push_back(0, 7);
  expect_equal(copy, expected);
}

TEST(ItemLists, ManyShortListsTakeLittleMoreThanTheirItems) {
  ItemLists lists;
  for (std::uint32_t i = 0; i < 1000; ++i) lists.add(std::vector<std::uint32_t>{i, i});
  EXPECT_EQ(lists.memory(), 1000u * (16 + 8));
}

TEST(ItemLists, AListThatGrowsAloneIsNotLeftBehindInPieces) {
  ItemLists lists;
  lists.add({});
  for (std::uint32_t i = 0; i < 512; ++i) lists.push_back(0, i);
  EXPECT_LE(lists.memory(), 16u + 2 * 512 * 4);
}

TEST(ItemLists, GoingBackLeavesWhatWasThere) {
  ItemLists lists;
  const std::uint32_t first[] = {1, 2, 3};
  lists.add(first);
  for (int round = 0; round < 100; ++round) {
    const ItemLists::Mark mark = lists.mark();
    const std::uint64_t memory = lists.memory();
    for (std::uint32_t size : {1u, 60u, 500u, 2'000u}) lists.add(std::vector<std::uint32_t>(size, 7));
    lists.rewind(mark);
    EXPECT_EQ(lists.memory(), memory);
    lists.add(first);
  }
  ASSERT_EQ(lists.size(), 101u);
  for (std::uint32_t i = 0; i < lists.size(); ++i) EXPECT_TRUE(std::ranges::equal(std::as_const(lists)[i], first));
}

}  // namespace
}  // namespace holdall
