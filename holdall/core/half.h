// float16 from and to float32 by their bits: what casts and blocks of scales are made of.
//
// Thread-safety and ownership: pure functions.
#pragma once

#include <bit>
#include <cstdint>

namespace holdall {

// Nearest, ties to even. Adding 2^23-scaled constants lets the float unit round: normal halves by their bits, subnormal ones by
// an addition of 0.5.
inline std::uint16_t half_bits(std::uint32_t bits) noexcept {
  const std::uint32_t sign = (bits >> 16) & 0x8000;
  const std::uint32_t magnitude = bits & 0x7fffffff;
  const std::uint32_t normal = (magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13;
  const std::uint32_t small = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) - 0x3f000000;
  std::uint32_t code = magnitude < 0x38800000 ? small : normal;
  code = magnitude >= 0x47800000 ? (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00) : code;
  return static_cast<std::uint16_t>(sign | code);
}

inline std::uint32_t float_bits(std::uint16_t half) noexcept {
  const std::uint32_t sign = (std::uint32_t{half} & 0x8000) << 16;
  const std::uint32_t magnitude = half & 0x7fff;
  const std::uint32_t small = std::bit_cast<std::uint32_t>(static_cast<float>(magnitude) * 0x1p-24F);
  std::uint32_t code = magnitude < 0x400 ? small : (magnitude << 13) + 0x38000000;
  code = magnitude >= 0x7c00 ? (magnitude << 13) + 0x70000000 : code;
  return sign | code;
}

}  // namespace holdall
