#include "holdall/core/cast.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <complex>
#include <fstream>
#include <limits>
#include <sstream>

#include "holdall/base/digest.h"
#include "holdall/base/endian.h"
#include "holdall/core/numbers.h"

namespace holdall {
namespace {

constexpr std::array<std::uint32_t, 11> kLower = {0, 1, 0x0fff, 0x1000, 0x1001, 0x2fff, 0x3000, 0x7fff, 0x8000, 0x8001, 0xffff};
constexpr std::array<unsigned, 10> kShifts = {0, 1, 9, 10, 11, 33, 40, 41, 50, 57};

unsigned bits_of(DType dtype) { return 8 * info(dtype).block_bytes / info(dtype).block_elements; }

template <class T>
void append(std::vector<std::byte>& to, T value) {
  const std::size_t at = to.size();
  to.resize(at + sizeof(T));
  store_le(to.data() + at, value);
}

// Every code of a type of at most 16 bits, packed.
std::vector<std::byte> every_code(DType dtype) {
  const unsigned bits = bits_of(dtype);
  std::vector<std::byte> packed((std::size_t{1} << bits) * bits / 8);
  for (std::uint64_t code = 0; code < (std::uint64_t{1} << bits); ++code)
    for (unsigned bit = 0; bit < bits; ++bit)
      if ((code >> bit & 1) != 0) packed[(code * bits + bit) / 8] |= std::byte{1} << ((code * bits + bit) % 8);
  return packed;
}

std::vector<std::byte> inputs(const std::string& set, DType dtype) {
  std::vector<std::byte> packed;
  if (set == "codes") return every_code(dtype);
  if (set == "halves" || set == "normals") {
    for (const std::uint32_t low : kLower) {
      for (std::uint32_t high = 0; high < 65536; ++high) {
        const bool dropped = set == "normals" && (high & 0x7f80) == 0;
        append(packed, dropped ? 0 : high << 16 | low);
      }
    }
  } else if (set == "mild") {
    for (int k = -1016; k < 1016; ++k) {
      if (dtype == DType::kFloat64)
        append(packed, k / 8.0);
      else
        append(packed, static_cast<float>(k / 8.0));
    }
  } else {
    for (const unsigned shift : kShifts) {
      for (std::uint64_t i = 0; i < 4096; ++i) {
        std::array<std::byte, 8> whole;
        store_le(whole.data(), (i * 0x9E3779B97F4A7C15) >> shift);
        packed.insert(packed.end(), whole.begin(), whole.begin() + info(dtype).block_bytes);
      }
    }
  }
  return packed;
}

Tensor tensor_of(DType dtype, std::vector<std::byte> packed) {
  const std::uint64_t count = packed.size() * 8 / bits_of(dtype);
  return *Tensor::dense(dtype, {count}, Blob::memory(Bytes::adopt(std::move(packed)), "test"));
}

template <class Bits>
void quiet_nans(std::vector<std::byte>& packed, Bits exponent, Bits quiet) {
  constexpr Bits kSign = Bits{1} << (sizeof(Bits) * 8 - 1);
  for (std::size_t i = 0; i < packed.size(); i += sizeof(Bits)) {
    const Bits magnitude = static_cast<Bits>(load_le<Bits>(packed.data() + i) & static_cast<Bits>(~kSign));
    if (magnitude > exponent) store_le(packed.data() + i, quiet);
  }
}

std::vector<std::byte> bytes_of(const Tensor& tensor) {
  const Result<Bytes> bytes = tensor.read_bytes();
  EXPECT_TRUE(bytes) << (bytes ? "" : bytes.error().to_string());
  std::vector<std::byte> packed(bytes->data(), bytes->data() + bytes->size());
  switch (tensor.dtype()) {
    case DType::kFloat16:
      quiet_nans<std::uint16_t>(packed, 0x7c00, 0x7e00);
      break;
    case DType::kBFloat16:
      quiet_nans<std::uint16_t>(packed, 0x7f80, 0x7fc0);
      break;
    case DType::kFloat32:
      quiet_nans<std::uint32_t>(packed, 0x7f800000, 0x7fc00000);
      break;
    case DType::kFloat64:
      quiet_nans<std::uint64_t>(packed, 0x7ff0000000000000, 0x7ff8000000000000);
      break;
    default:
      break;
  }
  return packed;
}

std::string digest(std::span<const std::byte> data) {
  Sha256 sha;
  sha.update(data);
  return to_hex(sha.finish());
}

template <class T>
std::vector<T> casted(DType from, DType to, const std::vector<std::byte>& packed) {
  return *cast(tensor_of(from, packed), to)->read<T>();
}

TEST(Cast, EqualsNumPyAndMlDtypesBitForBit) {
  std::ifstream golden(HOLDALL_SOURCE_DIR "/holdall/core/testdata/cast/cast.tsv");
  std::string line;
  int cases = 0;
  while (std::getline(golden, line)) {
    if (line.starts_with('#')) continue;
    std::istringstream fields(line);
    std::string from, to, set, expected;
    fields >> from >> to >> set >> expected;
    const DType source = *dtype_named(from);
    const Result<Tensor> result = cast(tensor_of(source, inputs(set, source)), *dtype_named(to));
    ASSERT_TRUE(result) << line << ": " << result.error().to_string();
    EXPECT_EQ(digest(bytes_of(*result)), expected) << line;
    ++cases;
  }
  EXPECT_GT(cases, 250);
}

// What is_exact_cast() promises, tried on every value of every type of at most 16 bits.
TEST(Cast, IsExactExactlyWhereEveryValueComesBack) {
  for (std::size_t a = 0; a < all_dtypes().size(); ++a) {
    const auto from = static_cast<DType>(a);
    if (number_kind(from) == NumberKind::kNone || number_kind(from) == NumberKind::kComplex || bits_of(from) > 16) continue;
    if (info(from).kind == DTypeKind::kQuantized || info(from).kind == DTypeKind::kBlock || from == DType::kBool) continue;
    const Tensor source = tensor_of(from, every_code(from));
    std::vector<double> values(source.elements()), back(source.elements());
    ASSERT_TRUE(to_float64(from, every_code(from), 0, values));
    for (std::size_t b = 0; b < all_dtypes().size(); ++b) {
      const auto to = static_cast<DType>(b);
      // Blocks are exact for some rows and not for others: none is promised (blocks_test.cc).
      if (!can_cast(from, to) || number_kind(to) == NumberKind::kComplex || info(to).kind == DTypeKind::kBlock) continue;
      const Result<Tensor> result = cast(source, to);
      ASSERT_TRUE(result);
      const Bytes bytes = *result->read_bytes();
      ASSERT_TRUE(to_float64(to, bytes, 0, back));
      bool exact = true;
      for (std::size_t i = 0; i < values.size(); ++i) {
        const bool same = std::isnan(values[i])
                              ? std::isnan(back[i])
                              : std::bit_cast<std::uint64_t>(values[i]) == std::bit_cast<std::uint64_t>(back[i]);
        exact = exact && same;
      }
      EXPECT_EQ(is_exact_cast(from, to), exact) << name(from) << " to " << name(to);
    }
  }
}

TEST(Cast, LongIntegersRoundOnceOnTheWayToNarrowFloats) {
  // One above a tie of bfloat16, and beyond what float64 tells apart: two roundings would give the even neighbour.
  const std::int64_t above_tie = (std::int64_t{0x101} << 54) + 1;
  std::vector<std::byte> packed;
  append(packed, above_tie);
  append(packed, -above_tie);
  EXPECT_THAT(casted<std::uint16_t>(DType::kInt64, DType::kBFloat16, packed), testing::ElementsAre(0x5e81, 0xde81));
}

TEST(Cast, Float64RoundsOnceOnTheWayToFloat16) {
  std::vector<std::byte> packed;
  append(packed, 1 + 0x1p-11 + 0x1p-40);
  EXPECT_THAT(casted<std::uint16_t>(DType::kFloat64, DType::kFloat16, packed), testing::ElementsAre(0x3c01));
}

TEST(Cast, FloatsOutOfRangeBecomeTheEndsOfTheIntegers) {
  std::vector<std::byte> packed;
  for (const float value : {300.F, -129.F, 1e30F, -1e30F, std::numeric_limits<float>::infinity(), std::nanf(""), 127.9F})
    append(packed, value);
  EXPECT_THAT(casted<std::int8_t>(DType::kFloat32, DType::kInt8, packed),
              testing::ElementsAre(127, -128, 127, -128, 127, 0, 127));
  EXPECT_THAT(casted<std::uint8_t>(DType::kFloat32, DType::kUInt8, packed), testing::ElementsAre(255, 0, 255, 0, 255, 0, 127));
  EXPECT_THAT(casted<std::uint64_t>(DType::kFloat32, DType::kUInt64, packed),
              testing::ElementsAre(300, 0, UINT64_MAX, 0, UINT64_MAX, 0, 127));
  EXPECT_THAT(casted<std::int64_t>(DType::kFloat32, DType::kInt64, packed),
              testing::ElementsAre(300, -129, INT64_MAX, INT64_MIN, INT64_MAX, 0, 127));
}

TEST(Cast, ComplexNumbersKeepTheirPartsAndLoseTheImaginaryOneToReals) {
  std::vector<std::byte> packed;
  for (const float part : {1.5F, -2.25F, 0.F, 3.F}) append(packed, part);
  EXPECT_THAT(casted<std::complex<double>>(DType::kComplex64, DType::kComplex128, packed),
              testing::ElementsAre(std::complex<double>(1.5, -2.25), std::complex<double>(0, 3)));
  EXPECT_THAT(casted<float>(DType::kComplex64, DType::kFloat32, packed), testing::ElementsAre(1.5F, 0.F));
  EXPECT_THAT(casted<std::uint8_t>(DType::kComplex64, DType::kBool, packed), testing::ElementsAre(1, 1));
  std::vector<double> magnitudes(2);
  ASSERT_TRUE(to_float64(DType::kComplex64, packed, 0, magnitudes));
  EXPECT_DOUBLE_EQ(magnitudes[1], 3.0);
}

TEST(Cast, AnyPieceReadsAsTheSameBytes) {
  for (const auto& [from, to] : {std::pair{DType::kFloat32, DType::kFloat6E2M3}, std::pair{DType::kFloat6E3M2, DType::kFloat32},
                                 std::pair{DType::kFloat32, DType::kBFloat16}, std::pair{DType::kInt4, DType::kInt2}}) {
    std::vector<std::byte> packed;
    for (int i = 0; i < 4008; ++i) append(packed, static_cast<float>(i) / 700);
    const Result<Tensor> result = cast(tensor_of(from, packed), to);
    ASSERT_TRUE(result) << result.error().to_string();
    const Blob data = *result->data();
    const Bytes whole = *data.read();
    for (const std::uint64_t size : {1, 2, 3, 5, 7, 100, 1024}) {
      std::vector<std::byte> pieces(whole.size());
      for (std::uint64_t at = 0; at < pieces.size(); at += size) {
        const std::uint64_t some = std::min<std::uint64_t>(size, pieces.size() - at);
        ASSERT_TRUE(data.read_at(at, std::span(pieces).subspan(at, some)));
      }
      EXPECT_EQ(digest(pieces), digest(whole)) << name(from) << " to " << name(to) << " by " << size;
    }
    std::byte beyond;
    EXPECT_FALSE(data.source()->read_at(whole.size(), {&beyond, 1}));
  }
}

TEST(Cast, StringsAndQuantizedElementsAreUnsupported) {
  EXPECT_FALSE(can_cast(DType::kFloat32, DType::kString));
  EXPECT_FALSE(can_cast(DType::kQInt8, DType::kFloat32));
  std::vector<std::byte> packed(8);
  const Tensor strings = *Tensor::strings({1}, Blob::memory(Bytes::adopt(packed), "test"));
  EXPECT_EQ(cast(strings, DType::kFloat32).error().code(), Code::kUnsupported);
  std::vector<double> out(1);
  EXPECT_FALSE(to_float64(DType::kString, packed, 0, out));
}

TEST(Cast, AnOddCountHasNoPlaceInPackedElements) {
  std::vector<std::byte> packed(12);
  EXPECT_EQ(cast(tensor_of(DType::kFloat32, packed), DType::kInt4).error().code(), Code::kUnsupported);
}

}  // namespace
}  // namespace holdall
