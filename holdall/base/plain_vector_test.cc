#include "holdall/base/plain_vector.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <span>
#include <string_view>
#include <vector>

namespace holdall {
namespace {

using Numbers = PlainVector<std::uint32_t>;

std::vector<std::uint32_t> items(const Numbers& numbers) { return {numbers.begin(), numbers.end()}; }

TEST(PlainVector, GrowsAndKeepsWhatItHolds) {
  Numbers numbers;
  EXPECT_TRUE(numbers.empty());
  EXPECT_EQ(numbers.begin(), numbers.end());
  for (std::uint32_t i = 0; i < 100'000; ++i) numbers.push_back(i);
  std::vector<std::uint32_t> expected(100'000);
  std::iota(expected.begin(), expected.end(), 0u);
  EXPECT_EQ(items(numbers), expected);
  EXPECT_EQ(numbers.back(), 99'999u);
}

TEST(PlainVector, WithoutRoomForAnythingItHasNoAddress) {
  const Numbers numbers;
  EXPECT_EQ(numbers.data(), nullptr);
  EXPECT_TRUE(std::span<const std::uint32_t>(numbers).empty());
}

TEST(PlainVector, NewItemsAreZeroAlsoWhereOthersStoodBefore) {
  Numbers numbers = {1, 2, 3};
  numbers.resize(1);
  numbers.resize(4);
  EXPECT_EQ(items(numbers), (std::vector<std::uint32_t>{1, 0, 0, 0}));
  numbers.resize(0);
  EXPECT_TRUE(numbers.empty());
}

TEST(PlainVector, ItsOwnItemsMayBeAppended) {
  Numbers numbers = {1, 2, 3};
  for (int i = 0; i < 4; ++i) numbers.append(numbers);
  EXPECT_EQ(numbers.size(), 48u);
  for (std::size_t i = 0; i < 48; ++i) EXPECT_EQ(numbers[i], i % 3 + 1);
  PlainVector<char> none;
  none.append(std::string_view());
  EXPECT_TRUE(none.empty());
}

TEST(PlainVector, ACopyIsApartAndAMovedOneIsEmpty) {
  Numbers numbers = {1, 2};
  Numbers copy = numbers;
  copy[0] = 7;
  EXPECT_EQ(numbers[0], 1u);
  const Numbers moved = std::move(copy);
  EXPECT_EQ(items(moved), (std::vector<std::uint32_t>{7, 2}));
  numbers = moved;
  EXPECT_EQ(items(numbers), items(moved));
}

}  // namespace
}  // namespace holdall
