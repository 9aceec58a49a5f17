#include "holdall/core/quantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace holdall {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

template <class T>
Tensor tensor(DType dtype, Shape shape, const std::vector<T>& values) {
  return *Tensor::dense(dtype, std::move(shape), Blob::memory(Bytes::copy(std::as_bytes(std::span(values))), "values"));
}
Tensor floats(const std::vector<float>& values) { return tensor(DType::kFloat32, {values.size()}, values); }
Tensor bytes(Shape shape, const std::vector<std::int8_t>& values) { return tensor(DType::kInt8, std::move(shape), values); }

Tensor with(const Tensor& stored, Quantization quantization) {
  EXPECT_TRUE(check_quantization(stored.dtype(), stored.shape(), quantization));
  return stored.with_quantization(std::make_shared<const Quantization>(std::move(quantization)));
}

std::vector<float> reals(const Tensor& stored) { return dequantize(stored).value().read<float>().value(); }

TEST(Quantize, OneScaleIsForAllAndZeroPointsAreTakenOff) {
  const Tensor stored = bytes({2, 2}, {-128, 0, 1, 127});
  EXPECT_THAT(reals(with(stored, {.scales = floats({0.5F}), .blocks = {2, 2}})), ElementsAre(-64, 0, 0.5F, 63.5F));
  const Tensor points = tensor<std::int64_t>(DType::kInt64, {1}, {-128});
  EXPECT_THAT(reals(with(stored, {.scales = floats({0.1F}), .zero_points = points, .blocks = {2, 2}})),
              ElementsAre(0, 0.1F * 128, 0.1F * 129, 0.1F * 255));
  EXPECT_THAT(reals(with(bytes({}, {4}), {.scales = floats({2}), .blocks = {}})), ElementsAre(8));
}

TEST(Quantize, ScalesMayBeAlongAnyDimensionAndInBlocks) {
  const std::vector<std::int8_t> ones(24, 1);
  const Tensor stored = bytes({2, 3, 4}, ones);
  for (const Shape& blocks :
       std::vector<Shape>{{1, 3, 4}, {2, 1, 4}, {2, 3, 1}, {1, 1, 4}, {1, 3, 1}, {2, 3, 2}, {1, 1, 2}, {1, 1, 1}, {2, 3, 4}}) {
    std::uint64_t count = 1;
    for (std::size_t i = 0; i < 3; ++i) count *= stored.shape()[i] / blocks[i];
    std::vector<float> scales;
    for (std::uint64_t i = 0; i < count; ++i) scales.push_back(static_cast<float>(i + 1));
    std::vector<float> expected;
    for (std::uint64_t i = 0; i < 2; ++i)
      for (std::uint64_t j = 0; j < 3; ++j)
        for (std::uint64_t k = 0; k < 4; ++k) {
          const std::uint64_t at = (i / blocks[0] * (3 / blocks[1]) + j / blocks[1]) * (4 / blocks[2]) + k / blocks[2];
          expected.push_back(scales[at]);
        }
    EXPECT_EQ(reals(with(stored, {.scales = floats(scales), .blocks = blocks})), expected) << to_string(blocks);
  }
}

TEST(Quantize, AnyRangeOfTheRealNumbersCanBeRead) {
  const Tensor stored = with(tensor<std::uint8_t>(DType::kInt4, {2, 4}, {0x21, 0x43, 0xf5, 0x87}),
                             {.scales = floats({1, 10, 100, 1000}), .blocks = {1, 2}});
  const Tensor made = dequantize(stored).value();
  const std::vector<float> all = {1, 2, 30, 40, 500, -100, 7000, -8000};
  EXPECT_EQ(made.read<float>().value(), all);
  const Blob data = made.data().value();
  const auto whole = std::as_bytes(std::span(all));
  for (std::size_t from = 0; from < whole.size(); ++from) {
    std::vector<std::byte> part(std::min<std::size_t>(5, whole.size() - from));
    ASSERT_TRUE(data.read_at(from, part));
    EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + static_cast<std::ptrdiff_t>(from))) << from;
  }
}

TEST(Quantize, NewScalesAreMadeOfTheLargestMagnitudes) {
  const Tensor like = with(bytes({3, 2}, {1, 2, 3, 4, 5, 6}),
                           {.scales = floats({1, 1, 7}), .blocks = {1, 2}, .renewal = Quantization::Renewal::kOwn});
  const Tensor made = quantize(tensor<float>(DType::kFloat32, {3, 2}, {1, -2, 0.5F, 0.25F, 0, 0}), like).value();
  EXPECT_EQ(made.dtype(), DType::kInt8);
  EXPECT_THAT(made.read<std::int8_t>().value(), ElementsAre(64, -127, 127, 64, 0, 0)) << "63.5 goes away from 0";
  EXPECT_THAT(made.quantization()->scales.read<float>().value(), ElementsAre(2 / 127.0F, 0.5F / 127.0F, 7));
}

TEST(Quantize, IntegersWithoutASignGetANewZeroPointToo) {
  const Tensor points = tensor<std::int64_t>(DType::kInt64, {1}, {128});
  const Tensor like =
      with(tensor<std::uint8_t>(DType::kUInt8, {4}, {0, 0, 0, 0}),
           {.scales = floats({1}), .zero_points = points, .blocks = {4}, .renewal = Quantization::Renewal::kOwn});
  const Tensor made = quantize(floats({-25.4F, 0, 25.4F, 228.6F}), like).value();
  EXPECT_THAT(made.read<std::uint8_t>().value(), ElementsAre(1, 26, 51, 255)) << "0 is left out, as of weights";
  EXPECT_THAT(made.quantization()->zero_points->read<std::int64_t>().value(), ElementsAre(26));
  EXPECT_FLOAT_EQ(made.quantization()->scales.read<float>()->front(), 1);
  const Tensor zeros = quantize(floats({0, 0, 0, 0}), like).value();
  EXPECT_THAT(zeros.read<std::uint8_t>().value(), ElementsAre(128, 128, 128, 128));
}

TEST(Quantize, ValuesBeyondSixtyFourBitsBecomeTheNearestEnd) {
  const Tensor like = with(tensor<std::int64_t>(DType::kInt64, {2}, {0, 0}), {.scales = floats({1e-30F}), .blocks = {2}});
  const auto made = quantize(floats({1, -1}), like).value().read<std::int64_t>().value();
  EXPECT_GT(made[0], INT64_MAX / 2);
  EXPECT_LT(made[1], INT64_MIN / 2);
}

TEST(Quantize, ScalesThatAreKeptEndTheValues) {
  const Tensor points = tensor<std::int64_t>(DType::kInt64, {1}, {3});
  const Tensor like = with(tensor<std::uint8_t>(DType::kUInt4, {2, 2}, {0, 0}),
                           {.scales = floats({0.5F}), .zero_points = points, .blocks = {2, 2}});
  const Tensor made = quantize(tensor<float>(DType::kFloat32, {2, 2}, {-9, 0, 1, 9}), like).value();
  EXPECT_EQ(made.read_bytes().value().text(), "\x30\xf5");
  EXPECT_EQ(made.quantization()->scales.storage(), like.quantization()->scales.storage());
  const Tensor given = quantize(tensor<float>(DType::kFloat32, {2, 2}, {-9, 0, 1, 9}), like, floats({3})).value();
  EXPECT_EQ(given.read_bytes().value().text(), "\x30\x63");
}

TEST(Quantize, WhatIsNotFiniteIsRefused) {
  for (const auto renewal : {Quantization::Renewal::kOwn, Quantization::Renewal::kKept}) {
    const Tensor like = with(bytes({2}, {1, 2}), {.scales = floats({1}), .blocks = {2}, .renewal = renewal});
    const auto made = quantize(floats({1, std::numeric_limits<float>::quiet_NaN()}), like);
    EXPECT_FALSE(made && made->read_bytes());
  }
}

TEST(Quantize, ScalesThatDoNotFitAreFaults) {
  const auto fault = [](const Shape& shape, Quantization quantization) {
    const Status status = check_quantization(DType::kInt8, shape, quantization);
    return status ? std::string() : status.error().message();
  };
  EXPECT_EQ(fault({4}, {.scales = floats({1}), .blocks = {4}}), "");
  EXPECT_EQ(fault({0}, {.scales = floats({1}), .blocks = {0}}), "");
  EXPECT_EQ(fault({4}, {.scales = floats({1}), .blocks = {}}), "blocks of 0 dimensions for a tensor of 1");
  EXPECT_EQ(fault({4}, {.scales = floats({1}), .blocks = {3}}), "blocks of 3 elements do not divide 4");
  EXPECT_EQ(fault({4}, {.scales = floats({1}), .blocks = {0}}), "blocks of 0 elements do not divide 4");
  EXPECT_EQ(fault({4}, {.scales = floats({1}), .blocks = {1}}), "1 scales, 4 blocks");
  EXPECT_EQ(fault({4}, {.scales = floats({1, 2}), .zero_points = floats({1}), .blocks = {2}}), "1 zero points, 2 blocks");
}

}  // namespace
}  // namespace holdall
