#include "holdall/core/numbers.h"

#include <algorithm>
#include <array>
#include <type_traits>

#include "holdall/base/endian.h"
#include "holdall/core/blocks.h"
#include "holdall/core/small_float.h"

namespace holdall {
namespace {

template <class T, class Out>
void load_as(const std::byte* packed, std::uint64_t first, std::span<Out> out) noexcept {
  const std::byte* from = packed + first * sizeof(T);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<Out>(load_le<T>(from + i * sizeof(T)));
}

// Elements of 2 or 4 bits, low bits first.
template <unsigned kBits, bool kSigned, class Out>
void load_packed(const std::byte* packed, std::uint64_t first, std::span<Out> out) noexcept {
  constexpr unsigned kPerByte = 8 / kBits;
  constexpr int kMask = (1 << kBits) - 1;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::uint64_t at = first + i;
    int value = (std::to_integer<int>(packed[at / kPerByte]) >> (at % kPerByte * kBits)) & kMask;
    if (kSigned && value > kMask / 2) value -= kMask + 1;
    out[i] = static_cast<Out>(value);
  }
}

template <class Out>
void load_any_integers(DType dtype, const std::byte* packed, std::uint64_t first, std::span<Out> out) noexcept {
  switch (dtype) {
    case DType::kBool:
      load_as<std::uint8_t>(packed, first, out);
      break;
    case DType::kUInt8:
    case DType::kQUInt8:
      load_as<std::uint8_t>(packed, first, out);
      break;
    case DType::kInt8:
    case DType::kQInt8:
      load_as<std::int8_t>(packed, first, out);
      break;
    case DType::kUInt16:
      load_as<std::uint16_t>(packed, first, out);
      break;
    case DType::kInt16:
      load_as<std::int16_t>(packed, first, out);
      break;
    case DType::kUInt32:
      load_as<std::uint32_t>(packed, first, out);
      break;
    case DType::kInt32:
    case DType::kQInt32:
      load_as<std::int32_t>(packed, first, out);
      break;
    case DType::kUInt64:
      load_as<std::uint64_t>(packed, first, out);
      break;
    case DType::kInt64:
      load_as<std::int64_t>(packed, first, out);
      break;
    case DType::kInt4:
      load_packed<4, true>(packed, first, out);
      break;
    case DType::kUInt4:
      load_packed<4, false>(packed, first, out);
      break;
    case DType::kInt2:
      load_packed<2, true>(packed, first, out);
      break;
    case DType::kUInt2:
      load_packed<2, false>(packed, first, out);
      break;
    default:
      break;
  }
  if (dtype == DType::kBool) {
    for (Out& value : out) value = value != 0 ? Out{1} : Out{0};
  }
}

template <class T>
void store_as(std::span<const std::int64_t> values, std::byte* packed) noexcept {
  for (std::size_t i = 0; i < values.size(); ++i) store_le<T>(packed + i * sizeof(T), static_cast<T>(values[i]));
}

template <unsigned kBits>
void store_packed(std::span<const std::int64_t> values, std::byte* packed) noexcept {
  constexpr unsigned kPerByte = 8 / kBits;
  constexpr std::int64_t kMask = (1 << kBits) - 1;
  for (std::size_t i = 0; i < values.size(); i += kPerByte) {
    unsigned byte = 0;
    for (unsigned k = 0; k < kPerByte; ++k) byte |= static_cast<unsigned>(values[i + k] & kMask) << (k * kBits);
    packed[i / kPerByte] = static_cast<std::byte>(byte);
  }
}

template <const SmallFloat& kLayout>
constexpr std::array<double, std::size_t{1} << kLayout.bits()> decoded() noexcept {
  std::array<double, std::size_t{1} << kLayout.bits()> table = {};
  for (std::size_t code = 0; code < table.size(); ++code) table[code] = decode(static_cast<std::uint32_t>(code), kLayout);
  return table;
}

template <const SmallFloat& kLayout>
void load_small(const std::byte* packed, std::uint64_t first, std::span<double> out) noexcept {
  static constexpr auto kTable = decoded<kLayout>();
  constexpr unsigned kBits = kLayout.bits();
  for (std::size_t i = 0; i < out.size(); ++i) {
    if constexpr (kBits == 8) {
      out[i] = kTable[std::to_integer<std::size_t>(packed[first + i])];
    } else {
      const std::uint64_t bit = (first + i) * kBits;
      unsigned window = std::to_integer<unsigned>(packed[bit / 8]);
      if (bit % 8 + kBits > 8) window |= std::to_integer<unsigned>(packed[bit / 8 + 1]) << 8;
      out[i] = kTable[(window >> (bit % 8)) & ((1U << kBits) - 1)];
    }
  }
}

template <const SmallFloat& kLayout>
void load_wide(const std::byte* packed, std::uint64_t first, std::span<double> out) noexcept {
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = decode(load_le<std::uint16_t>(packed + 2 * (first + i)), kLayout);
}

template <const SmallFloat& kLayout>
void store_small(std::span<const double> values, std::byte* packed) noexcept {
  constexpr unsigned kBits = kLayout.bits();
  unsigned pending = 0;
  unsigned held = 0;
  for (const double value : values) {
    const std::uint32_t code = encode(value, kLayout);
    if constexpr (kBits == 16) {
      store_le(packed, static_cast<std::uint16_t>(code));
      packed += 2;
    } else {
      pending |= code << held;
      for (held += kBits; held >= 8; held -= 8, pending >>= 8) *packed++ = static_cast<std::byte>(pending & 0xff);
    }
  }
}

constexpr std::size_t kMostBlock = 256;

void load_blocks(DType dtype, const std::byte* packed, std::uint64_t first, std::span<double> out) noexcept {
  const DTypeInfo& row = info(dtype);
  std::array<float, kMostBlock> floats;
  for (std::size_t done = 0; done < out.size(); done += row.block_elements) {
    decode_blocks(dtype, packed + (first + done) / row.block_elements * row.block_bytes, 1, floats.data());
    std::copy_n(floats.begin(), row.block_elements, out.begin() + static_cast<std::ptrdiff_t>(done));
  }
}

void store_blocks(DType dtype, std::span<const double> values, std::byte* packed) noexcept {
  const DTypeInfo& row = info(dtype);
  std::array<float, kMostBlock> floats;
  for (std::size_t done = 0; done < values.size(); done += row.block_elements) {
    for (std::size_t i = 0; i < row.block_elements; ++i) floats[i] = static_cast<float>(values[done + i]);
    encode_blocks(dtype, floats.data(), 1, packed + done / row.block_elements * row.block_bytes);
  }
}

}  // namespace

NumberKind number_kind(DType dtype) noexcept {
  switch (info(dtype).kind) {
    case DTypeKind::kBool:
    case DTypeKind::kUnsigned:
    case DTypeKind::kSigned:
    case DTypeKind::kQuantized:
      return NumberKind::kInteger;
    case DTypeKind::kFloat:
    case DTypeKind::kBlock:
      return NumberKind::kReal;
    case DTypeKind::kComplex:
      return NumberKind::kComplex;
    case DTypeKind::kOther:
      break;
  }
  return NumberKind::kNone;
}

DType complex_part(DType complex) noexcept {
  switch (complex) {
    case DType::kComplex32:
      return DType::kFloat16;
    case DType::kComplex64:
      return DType::kFloat32;
    default:
      return DType::kFloat64;
  }
}

void load_integers(DType dtype, const std::byte* packed, std::uint64_t first, std::span<std::int64_t> out) noexcept {
  load_any_integers(dtype, packed, first, out);
}

void store_integers(DType dtype, std::span<const std::int64_t> values, std::byte* packed) noexcept {
  switch (dtype) {
    case DType::kBool:
      for (std::size_t i = 0; i < values.size(); ++i) packed[i] = std::byte{values[i] != 0 ? std::uint8_t{1} : std::uint8_t{0}};
      break;
    case DType::kInt4:
    case DType::kUInt4:
      store_packed<4>(values, packed);
      break;
    case DType::kInt2:
    case DType::kUInt2:
      store_packed<2>(values, packed);
      break;
    default:
      switch (info(dtype).block_bytes) {
        case 1:
          store_as<std::uint8_t>(values, packed);
          break;
        case 2:
          store_as<std::uint16_t>(values, packed);
          break;
        case 4:
          store_as<std::uint32_t>(values, packed);
          break;
        default:
          store_as<std::uint64_t>(values, packed);
          break;
      }
  }
}

void load_reals(DType dtype, const std::byte* packed, std::uint64_t first, std::span<double> out) noexcept {
  switch (dtype) {
    case DType::kFloat16:
      load_wide<kHalf>(packed, first, out);
      break;
    case DType::kBFloat16:
      load_wide<kBrain>(packed, first, out);
      break;
    case DType::kFloat32:
      load_as<float>(packed, first, out);
      break;
    case DType::kFloat64:
      load_as<double>(packed, first, out);
      break;
    case DType::kFloat8E4M3FN:
      load_small<kE4M3FN>(packed, first, out);
      break;
    case DType::kFloat8E4M3FNUZ:
      load_small<kE4M3FNUZ>(packed, first, out);
      break;
    case DType::kFloat8E5M2:
      load_small<kE5M2>(packed, first, out);
      break;
    case DType::kFloat8E5M2FNUZ:
      load_small<kE5M2FNUZ>(packed, first, out);
      break;
    case DType::kFloat8E8M0FNU:
      load_small<kE8M0FNU>(packed, first, out);
      break;
    case DType::kFloat6E2M3:
      load_small<kE2M3>(packed, first, out);
      break;
    case DType::kFloat6E3M2:
      load_small<kE3M2>(packed, first, out);
      break;
    case DType::kFloat4E2M1:
      load_small<kE2M1>(packed, first, out);
      break;
    default:
      if (info(dtype).kind == DTypeKind::kBlock) {
        load_blocks(dtype, packed, first, out);
      } else {
        load_any_integers(dtype, packed, first, out);
      }
      break;
  }
}

void store_reals(DType dtype, std::span<const double> values, std::byte* packed) noexcept {
  switch (dtype) {
    case DType::kFloat16:
      store_small<kHalf>(values, packed);
      break;
    case DType::kBFloat16:
      store_small<kBrain>(values, packed);
      break;
    case DType::kFloat32:
      for (std::size_t i = 0; i < values.size(); ++i) store_le(packed + 4 * i, static_cast<float>(values[i]));
      break;
    case DType::kFloat64:
      for (std::size_t i = 0; i < values.size(); ++i) store_le(packed + 8 * i, values[i]);
      break;
    case DType::kFloat8E4M3FN:
      store_small<kE4M3FN>(values, packed);
      break;
    case DType::kFloat8E4M3FNUZ:
      store_small<kE4M3FNUZ>(values, packed);
      break;
    case DType::kFloat8E5M2:
      store_small<kE5M2>(values, packed);
      break;
    case DType::kFloat8E5M2FNUZ:
      store_small<kE5M2FNUZ>(values, packed);
      break;
    case DType::kFloat8E8M0FNU:
      store_small<kE8M0FNU>(values, packed);
      break;
    case DType::kFloat6E2M3:
      store_small<kE2M3>(values, packed);
      break;
    case DType::kFloat6E3M2:
      store_small<kE3M2>(values, packed);
      break;
    case DType::kFloat4E2M1:
      store_small<kE2M1>(values, packed);
      break;
    default:
      if (can_encode_blocks(dtype)) store_blocks(dtype, values, packed);
      break;
  }
}

}  // namespace holdall
