#include "holdall/base/keyed_hash.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

namespace holdall {
namespace {

TEST(KeyedHash, TextsAndTheirViewsAreTheSameKey) {
  TextMap<int> map = {{"a", 1}, {"", 2}};
  EXPECT_EQ(map.find(std::string_view("a"))->second, 1);
  EXPECT_EQ(map.find(std::string_view())->second, 2);
  EXPECT_EQ(map.find(std::string_view("b")), map.end());
}

constexpr std::uint64_t kMultiplier = 0xc6a4a7935bd1e995;  // of MurmurHash64A, libstdc++'s std::hash

std::uint64_t inverse(std::uint64_t odd) {
  std::uint64_t result = odd;
  for (int i = 0; i < 6; ++i) result *= 2 - odd * result;
  return result;
}

// The block that enters the hash with its top bit turned over: two of them in a row cancel, whatever the seed.
std::uint64_t turned(std::uint64_t block) {
  const auto shift = [](std::uint64_t v) { return v ^ (v >> 47); };
  const std::uint64_t mixed = (shift(block * kMultiplier) * kMultiplier) ^ (std::uint64_t{1} << 63);
  return shift(mixed * inverse(kMultiplier)) * inverse(kMultiplier);
}

TEST(KeyedHash, TextsThatShareABucketOfTheStandardLibraryDoNotHere) {
  std::set<std::size_t> standard;
  std::set<std::uint64_t> keyed;
  for (unsigned bits = 0; bits < 256; ++bits) {
    std::string text(128, 'a');
    for (unsigned pair = 0; pair < 8; ++pair) {
      if ((bits >> pair & 1) == 0) continue;
      for (const std::size_t at : {16 * pair, 16 * pair + 8}) {
        std::uint64_t block = 0;
        std::memcpy(&block, text.data() + at, 8);
        block = turned(block);
        std::memcpy(text.data() + at, &block, 8);
      }
    }
    standard.insert(std::hash<std::string>()(text));
    keyed.insert(keyed_hash(text));
  }
  EXPECT_EQ(standard.size(), 1u);
  EXPECT_EQ(keyed.size(), 256u);
}

// std::hash of a number is the number: multiples of a table's size would all share one bucket.
TEST(KeyedHash, NumbersThatAreMultiplesOfAPowerOfTwoSpread) {
  std::set<std::uint64_t> low;
  for (std::uint64_t i = 0; i < 1000; ++i) low.insert(keyed_hash(i << 32) & 0xffff);
  EXPECT_GT(low.size(), 900u);
}

}  // namespace
}  // namespace holdall
