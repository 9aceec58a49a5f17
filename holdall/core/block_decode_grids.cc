// The IQ types: each code names an entry of a codebook of four or eight values, whose signs stand apart.
#include <array>
#include <bit>
#include <cmath>

#include "holdall/core/block_decode.h"

namespace holdall::blocks {
namespace {

template <std::size_t kEntry, std::size_t kCount>
using Grid = std::array<std::array<std::int8_t, kEntry>, kCount>;

template <std::size_t kEntry, std::size_t kCount, std::size_t kValues>
constexpr Grid<kEntry, kCount> unpacked(const std::uint16_t (&codes)[kCount], unsigned bits,
                                        const std::int8_t (&values)[kValues]) noexcept {
  Grid<kEntry, kCount> grid = {};
  for (std::size_t i = 0; i < kCount; ++i)
    for (std::size_t j = 0; j < kEntry; ++j) grid[i][j] = values[(codes[i] >> (bits * j)) & ((1U << bits) - 1)];
  return grid;
}

#define HOLDALL_GRID(name, bits, ...)      \
  constexpr unsigned k_bits_##name = bits; \
  constexpr std::uint16_t k_codes_##name[] = {__VA_ARGS__};
#include "holdall/core/block_grids.inc"
#undef HOLDALL_GRID

constexpr std::int8_t kTwoBits[] = {8, 25, 43, 0};
constexpr std::int8_t kThreeBits[] = {4, 12, 20, 28, 36, 44, 52, 62};
constexpr std::int8_t kOdd[] = {1, 3, 5, 7, 9, 11, 13, 15};
constexpr std::int8_t kTernary[] = {-1, 0, 1, 0};

constexpr auto kIq2Xxs = unpacked<8>(k_codes_iq2_xxs, k_bits_iq2_xxs, kTwoBits);
constexpr auto kIq2Xs = unpacked<8>(k_codes_iq2_xs, k_bits_iq2_xs, kTwoBits);
constexpr auto kIq2S = unpacked<8>(k_codes_iq2_s, k_bits_iq2_s, kTwoBits);
constexpr auto kIq3Xxs = unpacked<4>(k_codes_iq3_xxs, k_bits_iq3_xxs, kThreeBits);
constexpr auto kIq3S = unpacked<4>(k_codes_iq3_s, k_bits_iq3_s, kOdd);
constexpr auto kIq1 = unpacked<8>(k_codes_iq1, k_bits_iq1, kTernary);

// Seven stored signs; the eighth makes their number even.
HOLDALL_INLINE unsigned eight_signs(unsigned seven) noexcept {
  return seven | (static_cast<unsigned>(std::popcount(seven)) & 1) << 7;
}

template <std::size_t kEntry>
HOLDALL_INLINE void put_signed(const std::array<std::int8_t, kEntry>& entry, float scale, unsigned signs, float* y) noexcept {
  if (std::isnan(scale)) signs = 0;  // a product with -1 leaves the sign of NaN
  for (std::size_t j = 0; j < kEntry; ++j) y[j] = scale * entry[j] * ((signs >> j & 1) != 0 ? -1.0F : 1.0F);
}

constexpr float kDelta = 0.125F;

HOLDALL_INLINE void put_shifted(const std::array<std::int8_t, 8>& entry, float scale, float delta, float* y) noexcept {
  for (std::size_t j = 0; j < 8; ++j) y[j] = scale * (static_cast<float>(entry[j]) + delta);
}

// Scales of four bits, two in a byte.
HOLDALL_INLINE unsigned nibble(const std::uint8_t* bytes, unsigned i) noexcept { return (bytes[i / 2] >> (4 * (i % 2))) & 15U; }

HOLDALL_INLINE float two_bit_scale(float d, unsigned scale) noexcept { return d * (0.5F + static_cast<float>(scale)) * 0.25F; }

}  // namespace

// f16 d; per 32 elements: four bytes of codes, then a u32 of four times seven signs and a scale of four bits.
void iq2_xxs(const std::uint8_t* b, float* y) noexcept {
  const float d = half_at(b);
  for (unsigned g = 0; g < 8; ++g) {
    const std::uint8_t* codes = b + 2 + 8 * g;
    const auto word = load_le<std::uint32_t>(codes + 4);
    const float scale = two_bit_scale(d, word >> 28);
    for (unsigned k = 0; k < 4; ++k)
      put_signed(kIq2Xxs[codes[k]], scale, eight_signs(word >> (7 * k) & 127), y + 32 * g + 8 * k);
  }
}

// f16 d; 32 u16: nine bits of code, seven signs; eight bytes of scales of four bits, one for 16 elements.
void iq2_xs(const std::uint8_t* b, float* y) noexcept {
  const float d = half_at(b);
  for (unsigned k = 0; k < 32; ++k) {
    const unsigned word = load_le<std::uint16_t>(b + 2 + 2 * k);
    put_signed(kIq2Xs[word & 511], two_bit_scale(d, nibble(b + 66, k / 2)), eight_signs(word >> 9), y + 8 * k);
  }
}

// f16 d; 32 low bytes of codes; 32 bytes of signs; eight bytes of high bits, two for a code; eight bytes of scales.
void iq2_s(const std::uint8_t* b, float* y) noexcept {
  const float d = half_at(b);
  for (unsigned k = 0; k < 32; ++k) {
    const unsigned code = b[2 + k] | (b[66 + k / 4] >> (2 * (k % 4)) & 3U) << 8;
    put_signed(kIq2S[code], two_bit_scale(d, nibble(b + 74, k / 2)), b[34 + k], y + 8 * k);
  }
}

// f16 d; 64 codes of four elements; per 32 elements a u32 of four times seven signs and a scale of four bits.
void iq3_xxs(const std::uint8_t* b, float* y) noexcept {
  const float d = half_at(b);
  for (unsigned k = 0; k < 64; ++k) {
    const auto word = load_le<std::uint32_t>(b + 66 + 4 * (k / 8));
    const float scale = d * (0.5F + static_cast<float>(word >> 28)) * 0.5F;
    const unsigned signs = eight_signs(word >> (7 * (k / 2 % 4)) & 127);
    put_signed(kIq3Xxs[b[2 + k]], scale, signs >> (4 * (k % 2)), y + 4 * k);
  }
}

// f16 d; 64 low bytes of codes; eight bytes of their ninth bits; 32 bytes of signs; four bytes of scales, one for 32 elements.
void iq3_s(const std::uint8_t* b, float* y) noexcept {
  const float d = half_at(b);
  for (unsigned k = 0; k < 64; ++k) {
    const unsigned code = b[2 + k] | (b[66 + k / 8] >> (k % 8) & 1U) << 8;
    const float scale = d * static_cast<float>(1 + 2 * nibble(b + 106, k / 8));
    put_signed(kIq3S[code], scale, b[74 + k / 2] >> (4U * (k % 2)), y + 4 * k);
  }
}

// f16 d; 32 low bytes of codes; per 32 elements a u16: four times three high bits, a scale of three bits, the sign of the
// delta.
void iq1_s(const std::uint8_t* b, float* y) noexcept {
  const float d = half_at(b);
  for (unsigned k = 0; k < 32; ++k) {
    const unsigned high = load_le<std::uint16_t>(b + 34 + 2 * (k / 4));
    const float scale = d * static_cast<float>(2 * (high >> 12 & 7) + 1);
    const unsigned code = b[2 + k] | (high >> (3 * (k % 4)) & 7) << 8;
    put_shifted(kIq1[code], scale, (high & 0x8000) != 0 ? -kDelta : kDelta, y + 8 * k);
  }
}

// 32 low bytes of codes; 16 bytes of two times three high bits and the sign of the delta; four u16 of four scales of three
// bits, whose highest four bits together are the f16 d.
void iq1_m(const std::uint8_t* b, float* y) noexcept {
  std::array<unsigned, 4> words = {};
  unsigned bits = 0;
  for (unsigned i = 0; i < 4; ++i) {
    words[i] = load_le<std::uint16_t>(b + 48 + 2 * i);
    bits |= words[i] >> 12 << (4 * i);
  }
  const float d = std::bit_cast<float>(float_bits(static_cast<std::uint16_t>(bits)));
  for (unsigned k = 0; k < 32; ++k) {
    const float scale = d * static_cast<float>(2 * (words[k / 8] >> (3 * (k / 2 % 4)) & 7) + 1);
    const unsigned high = nibble(b + 32, k);
    put_shifted(kIq1[b[k] | (high & 7) << 8], scale, (high & 8) != 0 ? -kDelta : kDelta, y + 8 * k);
  }
}

}  // namespace holdall::blocks
