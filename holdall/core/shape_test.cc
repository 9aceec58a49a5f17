#include "holdall/core/shape.h"

#include <gtest/gtest.h>

namespace holdall {
namespace {

Shape counted(std::size_t rank) {
  Shape shape;
  for (std::size_t i = 0; i < rank; ++i) shape.push_back(i + 1);
  return shape;
}

TEST(Shape, HoldsAnyNumberOfSizesAndCopiesAreApart) {
  for (std::size_t rank = 0; rank < 10; ++rank) {
    const Shape shape = counted(rank);
    ASSERT_EQ(shape.size(), rank);
    for (std::size_t i = 0; i < rank; ++i) EXPECT_EQ(shape[i], i + 1);
    Shape copy = shape;
    EXPECT_EQ(copy, shape);
    copy.push_back(99);
    EXPECT_EQ(shape, counted(rank));
    const Shape moved = std::move(copy);
    EXPECT_EQ(moved.back(), 99u);
    copy = moved;
    EXPECT_EQ(copy, moved);
  }
}

TEST(Shape, OrdersAsItsSizesDo) {
  EXPECT_LT(Shape({1, 2}), Shape({1, 3}));
  EXPECT_LT(Shape({1, 2}), Shape({1, 2, 0}));
  EXPECT_LT(Shape({9, 9, 9}), Shape({10}));
  EXPECT_NE(Shape({1}), Shape({1, 1}));
  EXPECT_EQ(Shape(std::vector<std::uint64_t>{4, 5, 6}), Shape({4, 5, 6}));
}

TEST(Shape, MayBeFilledAnew) {
  Shape shape = {1, 2, 3, 4};
  const std::vector<std::int64_t> sizes = {7};
  shape.assign(sizes.begin(), sizes.end());
  EXPECT_EQ(shape, Shape({7}));
  shape.pop_back();
  EXPECT_TRUE(shape.empty());
}

}  // namespace
}  // namespace holdall
