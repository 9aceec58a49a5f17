#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "holdall/base/endian.h"
#include "holdall/core/block_lanes.h"
#include "holdall/core/blocks.h"
#include "holdall/core/half.h"

namespace holdall {
namespace {

constexpr int kElements = 32;
constexpr std::uint32_t kInfinityBits = 0x7f800000;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

HOLDALL_INLINE std::uint32_t magnitude_bits(float value) noexcept { return std::bit_cast<std::uint32_t>(value) & 0x7fffffff; }

// The bits of the largest magnitude; those of a NaN where there is one.
HOLDALL_INLINE std::uint32_t largest_magnitude(const float* x) noexcept {
  std::int32_t top = 0;
  for (int i = 0; i < kElements; ++i) top = std::max(top, static_cast<std::int32_t>(magnitude_bits(x[i])));
  return static_cast<std::uint32_t>(top);
}

float first_nan(const float* x) noexcept {
  return *std::find_if(x, x + kElements, [](float value) { return std::isnan(value); });
}

// The first element of the largest magnitude, with its sign; the first NaN.
HOLDALL_INLINE float extreme(const float* x) noexcept {
  const std::uint32_t top = largest_magnitude(x);
  if (top > kInfinityBits) return first_nan(x);
  std::int32_t first = kElements - 1;
  for (std::int32_t i = 0; i < kElements; ++i) first = std::min(first, magnitude_bits(x[i]) == top ? i : kElements - 1);
  return x[first];
}

// Integers in the order of the floats.
HOLDALL_INLINE std::int32_t ordered(std::int32_t bits) noexcept { return bits ^ ((bits >> 31) & 0x7fffffff); }

struct Ends {
  float least, most;
};

// Where an end is zero, its sign is that of the last zero, as in NumPy but for the lanes that it happens to reduce first; with
// a NaN both are that.
HOLDALL_INLINE Ends ends_of(const float* x) noexcept {
  std::int32_t low = INT32_MAX, high = INT32_MIN;
  for (int i = 0; i < kElements; ++i) {
    const std::int32_t key = ordered(std::bit_cast<std::int32_t>(x[i]));
    low = std::min(low, key);
    high = std::max(high, key);
  }
  Ends ends{std::bit_cast<float>(ordered(low)), std::bit_cast<float>(ordered(high))};
  if (std::isnan(ends.least) || std::isnan(ends.most)) ends.least = ends.most = kNan;
  if (ends.least == 0 || ends.most == 0) {
    float zero = 0;
    for (int i = 0; i < kElements; ++i) zero = x[i] == 0 ? x[i] : zero;
    if (ends.least == 0) ends.least = zero;
    if (ends.most == 0) ends.most = zero;
  }
  return ends;
}

HOLDALL_INLINE float inverse(float scale) noexcept { return scale == 0 ? 0 : 1 / scale; }

// Towards zero, at most `most`; what is no number in [0, 2·most + 2) becomes 0, as a conversion of it does on x86.
HOLDALL_INLINE std::int32_t code_of(float value, std::int32_t most) noexcept {
  const bool is_code = value >= 0 && value < static_cast<float>(2 * most + 2);
  return std::min(static_cast<std::int32_t>(is_code ? value : 0.0F), most);
}

HOLDALL_INLINE void store_half(std::byte* to, float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  // NaN keeps what fits of its bits, as in NumPy.
  const auto nan = static_cast<std::uint16_t>(((bits >> 16) & 0x8000) | 0x7c00 | ((bits & 0x7fffff) >> 13));
  store_le(to, std::isnan(value) ? nan : half_bits(bits));
}

using Codes = std::array<std::int32_t, kElements>;

using CodeBytes = std::array<std::uint8_t, kElements>;

HOLDALL_INLINE CodeBytes bytes_of(const Codes& codes) noexcept {
  CodeBytes bytes;
  for (std::size_t i = 0; i < kElements; ++i) bytes[i] = static_cast<std::uint8_t>(codes[i]);
  return bytes;
}

// The low four bits of two codes a byte: those of the first half low, those of the second half high; eight bytes at a time.
HOLDALL_INLINE void store_nibbles(const CodeBytes& codes, std::byte* to) noexcept {
  constexpr std::uint64_t kLow = 0x0f0f0f0f0f0f0f0f;
  for (std::size_t j = 0; j < kElements / 2; j += 8) {
    const std::uint64_t low = load_le<std::uint64_t>(codes.data() + j) & kLow;
    const std::uint64_t high = load_le<std::uint64_t>(codes.data() + kElements / 2 + j) & kLow;
    store_le(to + j, low | high << 4);
  }
}

// The fifth bits, the first code's lowest. The product brings bit 0 of byte i of eight to bit 56 + i.
HOLDALL_INLINE void store_fifth_bits(const CodeBytes& codes, std::byte* to) noexcept {
  for (std::size_t j = 0; j < kElements; j += 8) {
    const std::uint64_t bits = load_le<std::uint64_t>(codes.data() + j) >> 4 & 0x0101010101010101;
    to[j / 8] = static_cast<std::byte>(bits * 0x0102040810204080 >> 56);
  }
}

// q4_0, q5_0: a scale, codes around half of their range.
template <std::int32_t kMost>
HOLDALL_INLINE void encode_around_zero(const float* x, std::byte* out) noexcept {
  constexpr float kHalf = static_cast<float>(kMost + 1) / 2;
  const float scale = extreme(x) / -kHalf;
  const float by = inverse(scale);
  Codes codes;
  for (std::size_t i = 0; i < kElements; ++i) codes[i] = code_of(x[i] * by + (kHalf + 0.5F), kMost);
  store_half(out, scale);
  const CodeBytes bytes = bytes_of(codes);
  if constexpr (kMost == 31) store_fifth_bits(bytes, out + 2);
  store_nibbles(bytes, out + (kMost == 31 ? 6 : 2));
}

// q4_1, q5_1: a scale and a least value.
template <std::int32_t kMost>
HOLDALL_INLINE void encode_from_least(const float* x, std::byte* out) noexcept {
  const Ends ends = ends_of(x);
  const float scale = (ends.most - ends.least) / static_cast<float>(kMost);
  const float by = inverse(scale);
  Codes codes;
  for (std::size_t i = 0; i < kElements; ++i) codes[i] = code_of((x[i] - ends.least) * by + 0.5F, kMost);
  store_half(out, scale);
  store_half(out + 2, ends.least);
  const CodeBytes bytes = bytes_of(codes);
  if constexpr (kMost == 31) store_fifth_bits(bytes, out + 4);
  store_nibbles(bytes, out + (kMost == 31 ? 8 : 4));
}

// q8_0: a scale and bytes, halves rounded away from zero.
HOLDALL_INLINE void encode_bytes(const float* x, std::byte* out) noexcept {
  const std::uint32_t top = largest_magnitude(x);
  const float scale = (top > kInfinityBits ? kNan : std::bit_cast<float>(top)) / 127;
  const float by = inverse(scale);
  store_half(out, scale);
  Codes codes;
  for (std::size_t i = 0; i < kElements; ++i) {
    const float value = x[i] * by;
    // Twice the size is exact, and whole halves are what rounds.
    const float twice = 2 * std::bit_cast<float>(magnitude_bits(value));
    const std::int32_t size = (static_cast<std::int32_t>(twice < 256 ? twice : 0.0F) + 1) >> 1;
    const std::int32_t sign = std::bit_cast<std::int32_t>(value) >> 31;
    codes[i] = (size ^ sign) - sign;
  }
  for (std::size_t i = 0; i < kElements; ++i) out[2 + i] = static_cast<std::byte>(codes[i]);
}

HOLDALL_WIDE_LANES void encode_q4_0(const float* values, std::size_t count, std::byte* out) noexcept {
  for (std::size_t i = 0; i < count; ++i) encode_around_zero<15>(values + kElements * i, out + 18 * i);
}
HOLDALL_WIDE_LANES void encode_q4_1(const float* values, std::size_t count, std::byte* out) noexcept {
  for (std::size_t i = 0; i < count; ++i) encode_from_least<15>(values + kElements * i, out + 20 * i);
}
HOLDALL_WIDE_LANES void encode_q5_0(const float* values, std::size_t count, std::byte* out) noexcept {
  for (std::size_t i = 0; i < count; ++i) encode_around_zero<31>(values + kElements * i, out + 22 * i);
}
HOLDALL_WIDE_LANES void encode_q5_1(const float* values, std::size_t count, std::byte* out) noexcept {
  for (std::size_t i = 0; i < count; ++i) encode_from_least<31>(values + kElements * i, out + 24 * i);
}
HOLDALL_WIDE_LANES void encode_q8_0(const float* values, std::size_t count, std::byte* out) noexcept {
  for (std::size_t i = 0; i < count; ++i) encode_bytes(values + kElements * i, out + 34 * i);
}

using Encode = void (*)(const float*, std::size_t, std::byte*) noexcept;

Encode encoder_of(DType dtype) noexcept {
  switch (dtype) {
    case DType::kQ4_0:
      return encode_q4_0;
    case DType::kQ4_1:
      return encode_q4_1;
    case DType::kQ5_0:
      return encode_q5_0;
    case DType::kQ5_1:
      return encode_q5_1;
    case DType::kQ8_0:
      return encode_q8_0;
    default:
      return nullptr;
  }
}

}  // namespace

bool can_encode_blocks(DType dtype) noexcept { return encoder_of(dtype) != nullptr; }

void encode_blocks(DType dtype, const float* values, std::size_t count, std::byte* out) noexcept {
  encoder_of(dtype)(values, count, out);
}

}  // namespace holdall
