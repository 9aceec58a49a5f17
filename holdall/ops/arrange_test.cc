#include "holdall/ops/arrange.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "holdall/ops/ops_test_models.h"

namespace holdall {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

Tensor counted(const Shape& shape) {
  std::vector<float> values(*element_count(shape));
  std::iota(values.begin(), values.end(), 0.0F);
  return tensor_of(DType::kFloat32, shape, values);
}

std::vector<std::string> steps(const Shape& from, const Shape& to) {
  std::vector<std::string> result;
  for (const Arrangement& each : arrangements_between(from, to)) result.push_back(to_string(each));
  return result;
}

TEST(Arrange, StepsAreReadAsTheyAreWritten) {
  for (const char* spelled : {"", "axes=1,0", "shape=768,12,64 axes=1,2,0", "shape=", "axes=1,0 shape=6"}) {
    const auto parsed = parse_arrangement(spelled);
    ASSERT_TRUE(parsed) << parsed.error().to_string();
    EXPECT_EQ(to_string(*parsed), spelled);
  }
  for (const char* wrong : {"axis=1", "axes", "axes=1;0", "axes=-1", "shape=1,x", "shape=99999999999999999999"}) {
    EXPECT_FALSE(parse_arrangement(wrong)) << wrong;
  }
}

TEST(Arrange, AMatrixIsTransposedWithoutBeingMoved) {
  const Tensor matrix = counted({2, 3});
  const auto turned = arranged(matrix, *parse_arrangement("axes=1,0"));
  ASSERT_TRUE(turned);
  EXPECT_EQ(turned->storage(), matrix.storage());
  EXPECT_EQ(turned->read<float>().value(), (std::vector<float>{0, 3, 1, 4, 2, 5}));
}

TEST(Arrange, HeadsAreSplitAndJoined) {
  const Tensor kernel = counted({2, 6});
  const auto split = arranged(kernel, *parse_arrangement("shape=2,3,2 axes=1,2,0"));
  ASSERT_TRUE(split) << split.error().to_string();
  EXPECT_EQ(split->shape(), (Shape{3, 2, 2}));
  EXPECT_EQ(split->storage(), kernel.storage());
  const auto back = arranged(*split, *parse_arrangement("axes=2,0,1 shape=2,6"));
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_EQ(back->read<float>().value(), kernel.read<float>().value());
  // A transposed view is split where it lies, too, and gathered where axes out of order are joined.
  const auto turned = arranged(kernel, *parse_arrangement("axes=1,0"));
  const auto parts = arranged(*turned, *parse_arrangement("shape=3,2,2"));
  EXPECT_EQ(parts->storage(), kernel.storage());
  const auto joined = arranged(*turned, *parse_arrangement("shape=12"));
  EXPECT_EQ(joined->read<float>().value(), turned->read<float>().value());
}

TEST(Arrange, WhatTheShapeDoesNotAllowIsRefused) {
  const Tensor matrix = counted({2, 3});
  for (const char* steps : {"shape=7", "axes=0", "axes=0,0", "axes=0,2", "axes=0,1,2"}) {
    const auto made = arranged(matrix, *parse_arrangement(steps));
    ASSERT_FALSE(made) << steps;
    EXPECT_EQ(made.error().code(), Code::kInvalidArgument);
  }
}

TEST(Arrange, AllWaysBetweenTwoShapesAreFoundTheLeastChangedFirst) {
  EXPECT_THAT(steps({4, 4}, {4, 4}), ElementsAre("", "axes=1,0"));
  EXPECT_THAT(steps({2, 3}, {3, 2}), ElementsAre("axes=1,0"));
  EXPECT_THAT(steps({1, 5}, {5}), ElementsAre("shape=5"));
  EXPECT_THAT(steps({3, 3, 8, 16}, {16, 8, 3, 3}), ElementsAre("axes=3,2,0,1", "axes=3,2,1,0"));
  EXPECT_THAT(steps({24, 24}, {24, 4, 6}), Contains("shape=4,6,24 axes=2,0,1"));
  EXPECT_THAT(steps({24, 4, 6}, {24, 24}), Contains("axes=1,2,0 shape=24,24"));
  EXPECT_THAT(steps({2, 3}, {7}), IsEmpty());
  EXPECT_THAT(steps({}, {}), ElementsAre(""));
}

TEST(Arrange, AnElementIsFoundWhereItGoes) {
  const std::pair<Shape, Shape> shapes[] = {
      {{3, 2, 5}, {5, 3, 2}}, {{24, 24}, {24, 4, 6}}, {{2, 2, 6}, {6, 4}}, {{1, 6}, {6, 1, 1}}};
  for (const auto& [from, to] : shapes) {
    const Tensor tensor = counted(from);
    const auto ways = arrangements_between(from, to);
    ASSERT_FALSE(ways.empty());
    for (const Arrangement& way : ways) {
      const auto moved = arranged(tensor, way);
      ASSERT_TRUE(moved) << to_string(way);
      EXPECT_EQ(moved->shape(), to) << to_string(way);
      const std::vector<float> values = moved->read<float>().value();
      for (std::uint64_t i = 0; i < values.size(); ++i) {
        EXPECT_EQ(values[arranged_index(from, way, i)], static_cast<float>(i)) << to_string(way);
      }
    }
  }
}

}  // namespace
}  // namespace holdall
