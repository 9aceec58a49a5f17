#include "holdall/core/joined.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdall {
namespace {

Tensor matrix(Shape shape, const std::vector<float>& values) {
  const std::string bytes(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  return *Tensor::dense(DType::kFloat32, std::move(shape), Blob::memory(Bytes::copy(bytes), "t"));
}

TEST(Joined, PartsFollowEachOtherAndAreReadAcrossTheirEnds) {
  const auto whole = joined({matrix({1, 2}, {1, 2}), matrix({2, 2}, {3, 4, 5, 6}), matrix({0, 2}, {}), matrix({1, 2}, {7, 8})});
  ASSERT_TRUE(whole) << whole.error().to_string();
  EXPECT_EQ(whole->shape(), Shape({4, 2}));
  EXPECT_THAT(*whole->read<float>(), testing::ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  std::vector<std::byte> middle(16);
  ASSERT_TRUE(whole->data()->read_at(4, middle));
  EXPECT_EQ(reinterpret_cast<const float*>(middle.data())[3], 5);
  EXPECT_FALSE(whole->data()->read_at(24, middle));
}

TEST(Joined, WhatDoesNotFitIsRefused) {
  EXPECT_FALSE(joined({}));
  EXPECT_FALSE(joined({matrix({1, 2}, {1, 2}), matrix({2, 1}, {1, 2})}));
  EXPECT_FALSE(joined({matrix({}, {1})}));
}

}  // namespace
}  // namespace holdall
