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
  while (!std::isnan(*x)) ++x;
  return *x;
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

// NaN keeps what fits of its bits, as in NumPy.
HOLDALL_INLINE std::uint16_t half_of(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto nan = static_cast<std::uint16_t>(((bits >> 16) & 0x8000) | 0x7c00 | ((bits & 0x7fffff) >> 13));
  const std::uint16_t half = half_bits(bits);
  return (bits & 0x7fffffff) > kInfinityBits ? nan : half;
}

// Blocks whose scales are made together: one by one, divisions and halves would take as long as all the codes.
constexpr std::size_t kTogether = 8;

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

// The fifth bits, the first code's lowest.
HOLDALL_INLINE void store_fifth_bits(const Codes& codes, std::byte* to) noexcept {
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < kElements; ++i) bits |= static_cast<std::uint32_t>(codes[i] >> 4) << i;
  store_le(to, bits);
}

// The codes of a block behind its head.
template <std::int32_t kMost>
HOLDALL_INLINE void store_codes(const Codes& codes, std::byte* out) noexcept {
  const CodeBytes bytes = bytes_of(codes);
  if constexpr (kMost == 31) store_fifth_bits(codes, out);
  store_nibbles(bytes, out + (kMost == 31 ? 4 : 0));
}

// q4_0, q5_0: a scale, codes around half of their range.
template <std::int32_t kMost, std::size_t kCount>
HOLDALL_INLINE void encode_around_zero(const float* x, std::byte* out) noexcept {
  constexpr float kHalf = static_cast<float>(kMost + 1) / 2;
  constexpr std::size_t kBytes = kMost == 31 ? 22 : 18;
  std::array<float, kCount> scale, by;
  std::array<std::uint16_t, kCount> half;
  for (std::size_t b = 0; b < kCount; ++b) scale[b] = extreme(x + kElements * b);
  for (std::size_t b = 0; b < kCount; ++b) {
    scale[b] /= -kHalf;
    by[b] = inverse(scale[b]);
    half[b] = half_of(scale[b]);
  }
  for (std::size_t b = 0; b < kCount; ++b) {
    Codes codes;
    for (std::size_t i = 0; i < kElements; ++i) codes[i] = code_of(x[kElements * b + i] * by[b] + (kHalf + 0.5F), kMost);
    store_le(out + kBytes * b, half[b]);
    store_codes<kMost>(codes, out + kBytes * b + 2);
  }
}

// q4_1, q5_1: a scale and a least value.
template <std::int32_t kMost, std::size_t kCount>
HOLDALL_INLINE void encode_from_least(const float* x, std::byte* out) noexcept {
  constexpr std::size_t kBytes = kMost == 31 ? 24 : 20;
  std::array<float, kCount> least, most, by;
  std::array<std::uint16_t, kCount> half, least_half;
  for (std::size_t b = 0; b < kCount; ++b) {
    const Ends ends = ends_of(x + kElements * b);
    least[b] = ends.least;
    most[b] = ends.most;
  }
  for (std::size_t b = 0; b < kCount; ++b) {
    const float scale = (most[b] - least[b]) / static_cast<float>(kMost);
    by[b] = inverse(scale);
    half[b] = half_of(scale);
    least_half[b] = half_of(least[b]);
  }
  for (std::size_t b = 0; b < kCount; ++b) {
    Codes codes;
    for (std::size_t i = 0; i < kElements; ++i) codes[i] = code_of((x[kElements * b + i] - least[b]) * by[b] + 0.5F, kMost);
    store_le(out + kBytes * b, half[b]);
    store_le(out + kBytes * b + 2, least_half[b]);
    store_codes<kMost>(codes, out + kBytes * b + 4);
  }
}

// q8_0: a scale and bytes, halves rounded away from zero.
template <std::size_t kCount>
HOLDALL_INLINE void encode_bytes(const float* x, std::byte* out) noexcept {
  std::array<std::uint32_t, kCount> top;
  std::array<float, kCount> by;
  std::array<std::uint16_t, kCount> half;
  for (std::size_t b = 0; b < kCount; ++b) top[b] = largest_magnitude(x + kElements * b);
  for (std::size_t b = 0; b < kCount; ++b) {
    const float scale = (top[b] > kInfinityBits ? kNan : std::bit_cast<float>(top[b])) / 127;
    by[b] = inverse(scale);
    half[b] = half_of(scale);
  }
  for (std::size_t b = 0; b < kCount; ++b) {
    store_le(out + 34 * b, half[b]);
    Codes codes;
    for (std::size_t i = 0; i < kElements; ++i) {
      const float value = x[kElements * b + i] * by[b];
      // Twice the size is exact, and whole halves are what rounds.
      const float twice = 2 * std::bit_cast<float>(magnitude_bits(value));
      const std::int32_t size = (static_cast<std::int32_t>(twice < 256 ? twice : 0.0F) + 1) >> 1;
      const std::int32_t sign = std::bit_cast<std::int32_t>(value) >> 31;
      codes[i] = (size ^ sign) - sign;
    }
    for (std::size_t i = 0; i < kElements; ++i) out[34 * b + 2 + i] = static_cast<std::byte>(codes[i]);
  }
}

HOLDALL_WIDE_LANES void encode_q4_0(const float* values, std::size_t count, std::byte* out) noexcept {
  std::size_t i = 0;
  for (; i + kTogether <= count; i += kTogether) encode_around_zero<15, kTogether>(values + kElements * i, out + 18 * i);
  for (; i < count; ++i) encode_around_zero<15, 1>(values + kElements * i, out + 18 * i);
}
HOLDALL_WIDE_LANES void encode_q4_1(const float* values, std::size_t count, std::byte* out) noexcept {
  std::size_t i = 0;
  for (; i + kTogether <= count; i += kTogether) encode_from_least<15, kTogether>(values + kElements * i, out + 20 * i);
  for (; i < count; ++i) encode_from_least<15, 1>(values + kElements * i, out + 20 * i);
}
HOLDALL_WIDE_LANES void encode_q5_0(const float* values, std::size_t count, std::byte* out) noexcept {
  std::size_t i = 0;
  for (; i + kTogether <= count; i += kTogether) encode_around_zero<31, kTogether>(values + kElements * i, out + 22 * i);
  for (; i < count; ++i) encode_around_zero<31, 1>(values + kElements * i, out + 22 * i);
}
HOLDALL_WIDE_LANES void encode_q5_1(const float* values, std::size_t count, std::byte* out) noexcept {
  std::size_t i = 0;
  for (; i + kTogether <= count; i += kTogether) encode_from_least<31, kTogether>(values + kElements * i, out + 24 * i);
  for (; i < count; ++i) encode_from_least<31, 1>(values + kElements * i, out + 24 * i);
}
HOLDALL_WIDE_LANES void encode_q8_0(const float* values, std::size_t count, std::byte* out) noexcept {
  std::size_t i = 0;
  for (; i + kTogether <= count; i += kTogether) encode_bytes<kTogether>(values + kElements * i, out + 34 * i);
  for (; i < count; ++i) encode_bytes<1>(values + kElements * i, out + 34 * i);
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
