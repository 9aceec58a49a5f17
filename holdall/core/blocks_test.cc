#include "holdall/core/blocks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>

#include "holdall/base/digest.h"
#include "holdall/core/cast.h"

namespace holdall {
namespace {

constexpr std::size_t kCount = 65'536;

// As numbers() in testdata/blocks/generate.py.
float number(const std::string& set, std::uint32_t word) {
  const float near = static_cast<float>(static_cast<std::int32_t>(word)) / 2147483648.0F;
  if (set == "bits") return std::bit_cast<float>((word & 0x7f800000) == 0x7f800000 ? word & ~0x40000000U : word);
  if (set == "ties") return static_cast<float>(static_cast<std::int32_t>(word >> 23) - 256) / 2;
  if (set == "small") return std::bit_cast<float>(word & 0x807fffff);
  if (set == "far" && word >> 24 == 1) return std::numeric_limits<float>::infinity();
  if (set == "far" && word >> 24 == 2) return -std::numeric_limits<float>::infinity();
  if (set == "far" && word >> 24 == 3) return std::numeric_limits<float>::quiet_NaN();
  return near;
}

std::vector<float> numbers(const std::string& set) {
  std::vector<float> values(kCount);
  std::uint32_t state = 1;
  for (float& value : values) {
    state = state * 1664525 + 1013904223;
    value = number(set, state);
  }
  return values;
}

TEST(Blocks, AreMadeAsTheGgufPackageMakesThem) {
  std::ifstream expected(HOLDALL_SOURCE_DIR "/holdall/core/testdata/blocks/encoded.tsv");
  std::size_t lines = 0;
  for (std::string set, type, digest; expected >> set >> type >> digest; ++lines) {
    const DType dtype = *dtype_named(type);
    ASSERT_TRUE(can_encode_blocks(dtype)) << type;
    const std::vector<float> values = numbers(set);
    const std::size_t count = kCount / info(dtype).block_elements;
    std::vector<std::byte> blocks(count * info(dtype).block_bytes);
    encode_blocks(dtype, values.data(), count, blocks.data());
    Sha256 hasher;
    hasher.update(blocks);
    EXPECT_EQ(to_hex(hasher.finish()), digest) << set << " " << type;
  }
  EXPECT_EQ(lines, 25u);
}

TEST(Blocks, AreTheSameHoweverManyAreMadeAtOnce) {
  const std::vector<float> values = numbers("far");
  for (const DType dtype : {DType::kQ8_0, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1}) {
    const std::size_t bytes = info(dtype).block_bytes;
    std::vector<std::byte> together(41 * bytes), alone(41 * bytes);
    encode_blocks(dtype, values.data(), 41, together.data());
    for (std::size_t i = 0; i < 41; ++i) encode_blocks(dtype, values.data() + 32 * i, 1, alone.data() + i * bytes);
    EXPECT_EQ(together, alone) << name(dtype);
  }
}

Tensor tensor_of(const std::vector<float>& values, Shape shape) {
  return *Tensor::dense(DType::kFloat32, std::move(shape), Blob::memory(Bytes::copy(std::as_bytes(std::span(values))), "t"));
}

TEST(Blocks, CastsGoThroughFloat32) {
  const Tensor tensor = tensor_of(numbers("near"), {64, 1024});
  const Tensor blocks = *cast(tensor, DType::kQ8_0);
  EXPECT_EQ(blocks.bytes(), kCount / 32 * 34);
  const std::vector<float> back = *cast(blocks, DType::kFloat32)->read<float>();
  const std::vector<float> was = *tensor.read<float>();
  for (std::size_t i = 0; i < kCount; ++i) ASSERT_NEAR(back[i], was[i], 1.0 / 200) << i;
  // Every other dtype gets what float32 would give it.
  const std::vector<double> wide = *cast(blocks, DType::kFloat64)->read<double>();
  const std::vector<std::uint16_t> brain = *cast(blocks, DType::kBFloat16)->read<std::uint16_t>();
  const std::vector<std::uint16_t> expected = *cast(tensor_of(back, {kCount}), DType::kBFloat16)->read<std::uint16_t>();
  for (std::size_t i = 0; i < kCount; ++i) ASSERT_EQ(wide[i], back[i]) << i;
  EXPECT_EQ(brain, expected);
  EXPECT_EQ(*cast(*cast(tensor, DType::kFloat64), DType::kQ4_1)->digest(), *cast(tensor, DType::kQ4_1)->digest());
}

TEST(Blocks, AnyRangeOfACastCanBeRead) {
  const Tensor tensor = tensor_of(numbers("near"), {64, 1024});
  const Blob blocks = *cast(tensor, DType::kQ5_1)->data();
  const Bytes whole = *blocks.read();
  for (const auto& [offset, size] : {std::pair(0, 1), std::pair(23, 2), std::pair(5, 100), std::pair(2400, 24'000)}) {
    std::vector<std::byte> part(static_cast<std::size_t>(size));
    ASSERT_TRUE(blocks.read_at(static_cast<std::uint64_t>(offset), part));
    EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.span().begin() + offset)) << offset;
  }
}

TEST(Blocks, WhatCannotBeMadeIsRefused) {
  EXPECT_FALSE(can_cast(DType::kFloat32, DType::kQ4_K));
  EXPECT_TRUE(can_cast(DType::kQ4_K, DType::kQ8_0));
  EXPECT_TRUE(is_exact_cast(DType::kIQ1_S, DType::kFloat32));
  EXPECT_FALSE(is_exact_cast(DType::kIQ1_S, DType::kFloat16));
  EXPECT_FALSE(is_exact_cast(DType::kQ8_0, DType::kQ8_1));
  const auto odd = cast(tensor_of(std::vector<float>(33), {33}), DType::kQ8_0);
  ASSERT_FALSE(odd);
  EXPECT_EQ(odd.error().code(), Code::kUnsupported);
}

}  // namespace
}  // namespace holdall
