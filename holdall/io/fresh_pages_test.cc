#include "holdall/io/fresh_pages.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace holdall {
namespace {

TEST(FreshPages, PopulatingChangesNoByte) {
  for (const auto pages : {Buffer::Pages::kOrdinary, Buffer::Pages::kHuge}) {
    auto buffer = Buffer::allocate(40u << 20, pages);
    ASSERT_TRUE(buffer);
    const std::span<std::byte> all = buffer->span();
    std::fill(all.begin(), all.end(), std::byte{7});
    const std::size_t step = (8u << 20) + 100;
    for (std::size_t at = 3; at < all.size(); at += step) populate(all.subspan(at, std::min(step, all.size() - at)));
    populate({});
    populate(all.first(5));
    EXPECT_TRUE(std::all_of(all.begin(), all.end(), [](std::byte byte) { return byte == std::byte{7}; }));
  }
}

TEST(FreshPages, PopulatedPagesAreThereAndThoseBesideThemAreNot) {
  constexpr std::size_t kPage = 4096;
  auto buffer = Buffer::allocate(8u << 20);
  ASSERT_TRUE(buffer);
  populate(buffer->span().subspan(kPage + 1, 3 * kPage));
  std::vector<unsigned char> present(8);
  ASSERT_EQ(::mincore(buffer->data(), present.size() * kPage, present.data()), 0);
  for (std::size_t page = 0; page < present.size(); ++page) EXPECT_EQ(present[page] & 1, page >= 1 && page <= 4) << page;
}

}  // namespace
}  // namespace holdall
