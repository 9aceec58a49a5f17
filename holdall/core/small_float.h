// Floating-point types of 16 bits and fewer: their layouts, and exact conversion from and to float64.
//
// Layouts: IEEE 754-2019 (float16); the OCP 8-bit floating-point (E4M3, E5M2) and microscaling (E8M0, E3M2, E2M3, E2M1)
// specifications; "FNUZ" as in arXiv:2206.02915: one NaN at the place of negative zero. What is too large for E4M3 becomes its
// largest value, as OCP's saturating mode and torch 2.13 have it.
// Thread-safety and ownership: pure functions.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace holdall {

struct SmallFloat {
  int exponent_bits;
  int mantissa_bits;
  int bias;
  enum class Overflow : std::uint8_t { kInfinity, kNan, kSaturate } overflow;
  std::uint32_t largest;  // code of the largest finite value
  std::uint32_t nan;      // code that NaN becomes; where there is none, the code of negative zero
  enum class Sign : std::uint8_t { kBit, kNoNegativeZero, kNone } sign;

  constexpr int bits() const noexcept { return exponent_bits + mantissa_bits + (sign == Sign::kNone ? 0 : 1); }
  constexpr std::uint32_t sign_bit() const noexcept { return sign == Sign::kNone ? 0 : 1U << (exponent_bits + mantissa_bits); }
  constexpr bool has_nan() const noexcept { return sign == Sign::kNoNegativeZero || nan != sign_bit(); }
};

inline constexpr SmallFloat kHalf{5, 10, 15, SmallFloat::Overflow::kInfinity, 0x7bff, 0x7e00, SmallFloat::Sign::kBit};
inline constexpr SmallFloat kBrain{8, 7, 127, SmallFloat::Overflow::kInfinity, 0x7f7f, 0x7fc0, SmallFloat::Sign::kBit};
inline constexpr SmallFloat kE5M2{5, 2, 15, SmallFloat::Overflow::kInfinity, 0x7b, 0x7e, SmallFloat::Sign::kBit};
inline constexpr SmallFloat kE4M3FN{4, 3, 7, SmallFloat::Overflow::kSaturate, 0x7e, 0x7f, SmallFloat::Sign::kBit};
inline constexpr SmallFloat kE4M3FNUZ{4, 3, 8, SmallFloat::Overflow::kNan, 0x7f, 0x80, SmallFloat::Sign::kNoNegativeZero};
inline constexpr SmallFloat kE5M2FNUZ{5, 2, 16, SmallFloat::Overflow::kNan, 0x7f, 0x80, SmallFloat::Sign::kNoNegativeZero};
inline constexpr SmallFloat kE8M0FNU{8, 0, 127, SmallFloat::Overflow::kNan, 0xfe, 0xff, SmallFloat::Sign::kNone};
inline constexpr SmallFloat kE2M3{2, 3, 1, SmallFloat::Overflow::kSaturate, 0x1f, 0x20, SmallFloat::Sign::kBit};
inline constexpr SmallFloat kE3M2{3, 2, 3, SmallFloat::Overflow::kSaturate, 0x1f, 0x20, SmallFloat::Sign::kBit};
inline constexpr SmallFloat kE2M1{2, 1, 1, SmallFloat::Overflow::kSaturate, 0x07, 0x08, SmallFloat::Sign::kBit};

// 2^exponent for exponents of normal float64 values.
constexpr double power_of_two(int exponent) noexcept {
  return std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52);
}

// The value of a code. Codes have no bits beyond bits().
constexpr double decode(std::uint32_t code, const SmallFloat& layout) noexcept {
  const std::uint32_t magnitude = code & ~layout.sign_bit();
  const bool negative = (code & layout.sign_bit()) != 0;
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  if (layout.sign == SmallFloat::Sign::kNone)
    return code == layout.nan ? kNan : power_of_two(static_cast<int>(code) - layout.bias);
  if (layout.sign == SmallFloat::Sign::kNoNegativeZero && code == layout.nan) return -kNan;
  double value = 0;
  if (magnitude > layout.largest) {
    const bool infinite = layout.overflow == SmallFloat::Overflow::kInfinity && magnitude == layout.largest + 1;
    value = infinite ? std::numeric_limits<double>::infinity() : kNan;
  } else {
    const auto mantissa = static_cast<int>(magnitude & ((1U << layout.mantissa_bits) - 1));
    const auto exponent = static_cast<int>(magnitude >> layout.mantissa_bits);
    const int significand = exponent == 0 ? mantissa : mantissa | (1 << layout.mantissa_bits);
    value = significand * power_of_two((exponent == 0 ? 1 : exponent) - layout.bias - layout.mantissa_bits);
  }
  return negative ? -value : value;
}

// float8_e8m0fnu holds powers of two alone: the nearer one, halves upward; NaN for what is not positive.
constexpr std::uint32_t encode_power(std::uint64_t bits, const SmallFloat& layout) noexcept {
  constexpr std::uint64_t kSign = std::uint64_t{1} << 63;
  if ((bits & kSign) != 0 || bits == 0) return layout.nan;
  const int exponent = static_cast<int>(bits >> 52) - 1023 + static_cast<int>((bits >> 51) & 1);
  if (exponent > static_cast<int>(layout.largest) - layout.bias) return layout.nan;
  return exponent < -layout.bias ? 0 : static_cast<std::uint32_t>(exponent + layout.bias);
}

// The nearest code, ties to even.
constexpr std::uint32_t encode(double value, const SmallFloat& layout) noexcept {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const auto raw_exponent = static_cast<int>((bits >> 52) & 0x7ff);
  const std::uint64_t fraction = bits & ((std::uint64_t{1} << 52) - 1);
  const std::uint32_t sign = (bits >> 63) != 0 ? layout.sign_bit() : 0;
  if (raw_exponent == 0x7ff && fraction != 0) return layout.sign == SmallFloat::Sign::kBit ? sign ^ layout.nan : layout.nan;
  if (layout.sign == SmallFloat::Sign::kNone) return encode_power(bits, layout);
  std::uint64_t code = 0;
  if (raw_exponent == 0x7ff) {
    code = std::uint64_t{layout.largest} + 1;
  } else if (raw_exponent != 0) {  // a subnormal float64 is far below half of the smallest code
    const std::uint64_t significand = fraction | (std::uint64_t{1} << 52);
    const int exponent = raw_exponent - 1023;
    const int least = 1 - layout.bias;
    const int shift = (exponent < least ? least : exponent) - layout.mantissa_bits - exponent + 52;
    if (shift < 54) {
      const std::uint64_t kept = significand >> shift;
      const std::uint64_t rest = significand & ((std::uint64_t{1} << shift) - 1);
      const std::uint64_t half = std::uint64_t{1} << (shift - 1);
      code = kept + ((rest > half || (rest == half && (kept & 1) != 0)) ? 1 : 0);
      // A mantissa that rounds up to the next power of two carries into the exponent by itself.
      if (exponent >= least) code += static_cast<std::uint64_t>(exponent + layout.bias - 1) << layout.mantissa_bits;
    }
  }
  if (code > layout.largest) {
    switch (layout.overflow) {
      case SmallFloat::Overflow::kInfinity:
        return sign | (layout.largest + 1);
      case SmallFloat::Overflow::kNan:
        return layout.sign == SmallFloat::Sign::kBit ? sign | layout.nan : layout.nan;
      case SmallFloat::Overflow::kSaturate:
        return sign | layout.largest;
    }
  }
  if (code == 0 && layout.sign == SmallFloat::Sign::kNoNegativeZero) return 0;
  return sign | static_cast<std::uint32_t>(code);
}

}  // namespace holdall
