#include "holdall/io/fresh_pages.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>

#include "holdall/io/bytes.h"

namespace holdall {
namespace {

TEST(FreshPages, PreparingChangesNoByteAndNothingBesideTheRange) {
  auto buffer = Buffer::allocate(40u << 20);
  ASSERT_TRUE(buffer);
  const std::span<std::byte> all = buffer->span();
  std::fill(all.begin(), all.end(), std::byte{7});
  FreshPages pages;
  const std::size_t step = (8u << 20) + 100;
  for (std::size_t at = 3; at < all.size(); at += step) pages.prepare(all.subspan(at, std::min(step, all.size() - at)));
  EXPECT_TRUE(std::all_of(all.begin(), all.end(), [](std::byte byte) { return byte == std::byte{7}; }));
  pages.prepare({});
  pages.prepare(all.first(5));
}

}  // namespace
}  // namespace holdall
