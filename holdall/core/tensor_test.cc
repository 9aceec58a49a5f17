#include "holdall/core/tensor.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

namespace holdall {
namespace {

Blob blob_of(std::span<const std::byte> data) { return Blob::memory(Bytes::copy(data), "memory"); }

StorageRef counting_storage(std::size_t elements) {
  std::vector<std::uint32_t> values(elements);
  std::iota(values.begin(), values.end(), 0u);
  return std::make_shared<Storage>(Storage{blob_of(std::as_bytes(std::span(values)))});
}

// The definition of a strided view, element by element.
std::vector<std::uint32_t> gathered(const Shape& shape, const Tensor::View& view) {
  std::vector<std::uint32_t> values;
  std::vector<std::uint64_t> index(shape.size(), 0);
  const std::uint64_t count = *element_count(shape);
  for (std::uint64_t n = 0; n < count; ++n) {
    std::int64_t at = static_cast<std::int64_t>(view.offset);
    for (std::size_t d = 0; d < shape.size(); ++d) at += static_cast<std::int64_t>(index[d]) * view.strides[d];
    values.push_back(static_cast<std::uint32_t>(at));
    for (std::size_t d = shape.size(); d-- > 0;) {
      if (++index[d] < shape[d]) break;
      index[d] = 0;
    }
  }
  return values;
}

TEST(Tensor, DenseDataMustMatchShapeTimesDtype) {
  const std::vector<std::byte> data(12);
  EXPECT_TRUE(Tensor::dense(DType::kFloat32, {3}, blob_of(data)).has_value());
  const auto wrong = Tensor::dense(DType::kFloat32, {4}, blob_of(data));
  ASSERT_FALSE(wrong.has_value());
  EXPECT_EQ(wrong.error().code(), Code::kCorrupt);
}

TEST(Tensor, ShapeThatOverflowsIsCorrupt) {
  const std::vector<std::byte> data(16);
  EXPECT_FALSE(Tensor::dense(DType::kFloat32, {1ull << 62, 8}, blob_of(data)).has_value());
  EXPECT_FALSE(Tensor::dense(DType::kFloat64, {1ull << 61}, blob_of(data)).has_value());
  EXPECT_TRUE(Tensor::dense(DType::kFloat64, {0, 1ull << 62}, blob_of({})).has_value());
}

TEST(Tensor, SubByteElementsMustFillWholeBytes) {
  const std::vector<std::byte> data(3);
  EXPECT_TRUE(Tensor::dense(DType::kFloat4E2M1, {2, 3}, blob_of(data)).has_value());
  EXPECT_FALSE(Tensor::dense(DType::kFloat4E2M1, {5}, blob_of(data)).has_value());
  EXPECT_TRUE(Tensor::dense(DType::kFloat6E3M2, {4}, blob_of(data)).has_value());
}

TEST(Tensor, ViewThatLeavesItsStorageIsCorrupt) {
  const auto storage = counting_storage(12);
  EXPECT_TRUE(Tensor::view(DType::kUInt32, {3, 4}, storage, {}).has_value());
  EXPECT_FALSE(Tensor::view(DType::kUInt32, {3, 4}, storage, {{}, 1}).has_value());
  EXPECT_FALSE(Tensor::view(DType::kUInt32, {3}, storage, {{-1}, 1}).has_value());
  EXPECT_FALSE(Tensor::view(DType::kUInt32, {2}, storage, {{INT64_MAX}, 1}).has_value());
  EXPECT_FALSE(Tensor::view(DType::kUInt32, {1}, storage, {{1}, UINT64_MAX}).has_value());
}

TEST(Tensor, StridedViewsAreGatheredRowMajor) {
  std::mt19937 random(7);
  for (int round = 0; round < 400; ++round) {
    const auto pick = [&](std::uint64_t low, std::uint64_t high) {
      return std::uniform_int_distribution<std::uint64_t>(low, high)(random);
    };
    Shape shape(pick(0, 4));
    for (auto& size : shape) size = pick(1, round % 20 == 0 ? 40 : 7);
    Tensor::View view;
    std::int64_t low = 0;
    std::int64_t high = 0;
    for (const std::uint64_t size : shape) {
      const std::int64_t stride = static_cast<std::int64_t>(pick(0, 12)) - (round % 3 == 0 ? 6 : 0);
      view.strides.push_back(stride);
      const std::int64_t reach = static_cast<std::int64_t>(size - 1) * stride;
      (reach < 0 ? low : high) += reach;
    }
    view.offset = static_cast<std::uint64_t>(-low) + pick(0, 5);
    const auto storage = counting_storage(view.offset + static_cast<std::uint64_t>(high) + 1);
    const auto tensor = Tensor::view(DType::kUInt32, shape, storage, view);
    ASSERT_TRUE(tensor.has_value()) << tensor.error().to_string();
    const auto expected = gathered(shape, view);
    const auto values = tensor->read<std::uint32_t>();
    ASSERT_TRUE(values.has_value());
    ASSERT_EQ(*values, expected) << to_string(shape);
    // Any byte range gives the same bytes as the whole.
    const auto data = tensor->data();
    const auto bytes = std::as_bytes(std::span(expected));
    const std::uint64_t from = pick(0, bytes.size() - 1);
    std::vector<std::byte> part(pick(1, bytes.size() - from));
    ASSERT_TRUE(data->read_at(from, part).has_value());
    ASSERT_TRUE(std::equal(part.begin(), part.end(), bytes.begin() + static_cast<std::ptrdiff_t>(from)));
  }
}

TEST(Tensor, LargeTransposeIsGatheredThroughWindows) {
  const std::uint64_t rows = 1500;
  const std::uint64_t columns = 1100;
  const auto storage = counting_storage(rows * columns);
  const auto tensor = Tensor::view(DType::kUInt32, {columns, rows}, storage, {{1, static_cast<std::int64_t>(columns)}, 0});
  ASSERT_TRUE(tensor.has_value());
  EXPECT_FALSE(tensor->is_dense());
  const auto values = tensor->read<std::uint32_t>();
  ASSERT_TRUE(values.has_value());
  for (std::uint64_t i = 0; i < columns; i += 97)
    for (std::uint64_t j = 0; j < rows; j += 89) ASSERT_EQ((*values)[i * rows + j], j * columns + i);
}

TEST(Tensor, PendingConjugationAndNegationAreResolved) {
  const std::vector<float> stored = {1, 2, 3, -4};
  const auto storage = std::make_shared<Storage>(Storage{blob_of(std::as_bytes(std::span(stored)))});
  const auto floats = [&](bool conjugate, bool negative) {
    const auto tensor = Tensor::view(DType::kComplex64, {2}, storage, {{}, 0, conjugate, negative});
    const auto bytes = tensor->read_bytes();
    std::vector<float> values(4);
    std::memcpy(values.data(), bytes->data(), 16);
    return values;
  };
  EXPECT_EQ(floats(true, false), (std::vector<float>{1, -2, 3, 4}));
  EXPECT_EQ(floats(false, true), (std::vector<float>{-1, -2, -3, 4}));
  EXPECT_EQ(floats(true, true), (std::vector<float>{-1, 2, -3, -4}));
  const auto reals = Tensor::view(DType::kFloat32, {4}, storage, {{}, 0, false, true})->read<float>();
  EXPECT_EQ(*reals, (std::vector<float>{-1, -2, -3, 4}));
}

TEST(Tensor, ReadingAsAnotherTypeIsRefused) {
  const auto tensor = Tensor::view(DType::kUInt32, {4}, counting_storage(4), {});
  EXPECT_FALSE(tensor->read<float>().has_value());
  EXPECT_FALSE(tensor->read<std::int32_t>().has_value());
  EXPECT_FALSE(tensor->read<std::uint64_t>().has_value());
}

TEST(Tensor, StoredChecksumIsCompared) {
  const auto tensor = Tensor::view(DType::kUInt32, {4}, counting_storage(4), {});
  const auto bytes = tensor->read_bytes();
  EXPECT_TRUE(tensor->with_data_check(xxh3_128(*bytes)).read_bytes().has_value());
  const auto wrong = tensor->with_data_check(Xxh128{1, 2});
  EXPECT_FALSE(wrong.read_bytes().has_value());
  EXPECT_FALSE(wrong.read<std::uint32_t>().has_value());
}

}  // namespace
}  // namespace holdall
