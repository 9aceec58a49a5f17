#include "holdall/io/fresh_memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace holdall {
namespace {

TEST(FreshMemory, RangesAreApartAndAligned) {
  FreshMemory memory;
  std::vector<FreshMemory::Range> ranges;
  for (const std::uint64_t size : {1u, 100u, 1'000'000u, 1'048'575u, 2'000'000u, 3u, 1'048'575u, 1'048'575u, 64u}) {
    auto range = memory.take(size);
    ASSERT_TRUE(range);
    EXPECT_EQ(range->memory.size(), size);
    EXPECT_EQ(range->bytes.data(), range->memory.data());
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(range->memory.data()) % 64, 0u);
    for (const auto& other : ranges) {
      EXPECT_TRUE(other.bytes.data() + other.bytes.size() <= range->bytes.data() ||
                  range->bytes.data() + size <= other.bytes.data());
    }
    ranges.push_back(*std::move(range));
  }
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.take(2'000'000, 128)->memory.data()) % 4096, 128u);
}

TEST(FreshMemory, NoSizeWraps) {
  FreshMemory memory;
  EXPECT_EQ(memory.take(UINT64_MAX, 100).error().code(), Code::kLimit);
}

}  // namespace
}  // namespace holdall
