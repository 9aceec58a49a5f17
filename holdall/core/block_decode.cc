#include "holdall/core/block_decode.h"

#include <array>

#include "holdall/core/blocks.h"

namespace holdall {
namespace blocks {
namespace {

HOLDALL_INLINE float number(int value) noexcept { return static_cast<float>(value); }
HOLDALL_INLINE int byte_at(const std::uint8_t* b) noexcept { return static_cast<std::int8_t>(*b); }

// --- 32 elements: one scale -------------------------------------------------------------------------------------------------

// f16 d; 16 bytes: elements 0 to 15 in the low halves, 16 to 31 in the high ones.
HOLDALL_INLINE void q4_0(const std::uint8_t* b, float* y) noexcept {
  const float d = half_at(b);
  for (int j = 0; j < 16; ++j) {
    y[j] = d * number((b[2 + j] & 15) - 8);
    y[j + 16] = d * number((b[2 + j] >> 4) - 8);
  }
}

// f16 d; f16 m; likewise.
HOLDALL_INLINE void q4_1(const std::uint8_t* b, float* y) noexcept {
  const float d = half_at(b);
  const float m = half_at(b + 2);
  for (int j = 0; j < 16; ++j) {
    y[j] = d * number(b[4 + j] & 15) + m;
    y[j + 16] = d * number(b[4 + j] >> 4) + m;
  }
}

// f16 d; u32 of fifth bits; 16 bytes as above.
HOLDALL_INLINE void q5_0(const std::uint8_t* b, float* y) noexcept {
  const float d = half_at(b);
  const auto high = load_le<std::uint32_t>(b + 2);
  for (int j = 0; j < 16; ++j) {
    y[j] = d * number(((b[6 + j] & 15) | static_cast<int>(high >> j & 1) << 4) - 16);
    y[j + 16] = d * number(((b[6 + j] >> 4) | static_cast<int>(high >> (j + 16) & 1) << 4) - 16);
  }
}

// f16 d; f16 m; likewise.
HOLDALL_INLINE void q5_1(const std::uint8_t* b, float* y) noexcept {
  const float d = half_at(b);
  const float m = half_at(b + 2);
  const auto high = load_le<std::uint32_t>(b + 4);
  for (int j = 0; j < 16; ++j) {
    y[j] = d * number((b[8 + j] & 15) | static_cast<int>(high >> j & 1) << 4) + m;
    y[j + 16] = d * number((b[8 + j] >> 4) | static_cast<int>(high >> (j + 16) & 1) << 4) + m;
  }
}

// f16 d; 32 bytes.
HOLDALL_INLINE void q8_0(const std::uint8_t* b, float* y) noexcept {
  const float d = half_at(b);
  for (int j = 0; j < 32; ++j) y[j] = number(byte_at(b + 2 + j)) * d;
}

// f16 d; f16 of d times the sum, which a product of two blocks needs; 32 bytes (ggml-quants.c, quantize_row_q8_1_ref).
HOLDALL_INLINE void q8_1(const std::uint8_t* b, float* y) noexcept {
  const float d = half_at(b);
  for (int j = 0; j < 32; ++j) y[j] = number(byte_at(b + 4 + j)) * d;
}

// --- 256 elements: scales of scales -----------------------------------------------------------------------------------------

// 16 bytes: scale and least of 16 elements each; 64 bytes of two bits; f16 d; f16 of the leasts.
HOLDALL_INLINE void q2_k(const std::uint8_t* b, float* y) noexcept {
  const float d = half_at(b + 80);
  const float least = half_at(b + 82);
  for (int g = 0; g < 16; ++g) {
    const float scale = d * number(b[g] & 15);
    const float from = least * number(b[g] >> 4);
    const std::uint8_t* q = b + 16 + 32 * (g / 8) + 16 * (g % 2);
    for (int l = 0; l < 16; ++l) y[16 * g + l] = scale * number((q[l] >> (2 * (g / 2 % 4))) & 3) - from;
  }
}

// 32 bytes of third bits; 64 bytes of two bits; twelve bytes of 16 scales of six bits; f16 d.
HOLDALL_INLINE void q3_k(const std::uint8_t* b, float* y) noexcept {
  const float d = half_at(b + 108);
  const std::uint8_t* s = b + 96;
  for (int g = 0; g < 16; ++g) {
    const int low = g < 8 ? s[g] & 15 : s[g - 8] >> 4;
    const int high = (s[8 + g % 4] >> (2 * (g / 4))) & 3;
    const float scale = d * number((low | high << 4) - 32);
    const std::uint8_t* q = b + 32 + 32 * (g / 8) + 16 * (g % 2);
    const std::uint8_t* third = b + 16 * (g % 2);
    for (int l = 0; l < 16; ++l) {
      const int taken = (third[l] >> (g / 2) & 1) != 0 ? 0 : 4;
      y[16 * g + l] = scale * number(((q[l] >> (2 * (g / 2 % 4))) & 3) - taken);
    }
  }
}

// Eight scales and eight leasts of six bits in twelve bytes: those of the last four have their high bits above the first
// four's.
struct ScaleAndLeast {
  int scale, least;
};
HOLDALL_INLINE ScaleAndLeast scale_and_least(const std::uint8_t* s, int g) noexcept {
  if (g < 4) return {s[g] & 63, s[4 + g] & 63};
  return {(s[4 + g] & 15) | (s[g - 4] >> 6) << 4, (s[4 + g] >> 4) | (s[g] >> 6) << 4};
}

// f16 d; f16 of the leasts; twelve bytes of scales; 128 bytes of four bits.
HOLDALL_INLINE void q4_k(const std::uint8_t* b, float* y) noexcept {
  const float d = half_at(b);
  const float least = half_at(b + 2);
  for (int g = 0; g < 8; ++g) {
    const auto [s, m] = scale_and_least(b + 4, g);
    const float scale = d * number(s);
    const float from = least * number(m);
    const std::uint8_t* q = b + 16 + 32 * (g / 2);
    for (int l = 0; l < 32; ++l) y[32 * g + l] = scale * number((q[l] >> (4 * (g % 2))) & 15) - from;
  }
}

// f16 d; f16 of the leasts; twelve bytes of scales; 32 bytes of fifth bits; 128 bytes of four bits.
HOLDALL_INLINE void q5_k(const std::uint8_t* b, float* y) noexcept {
  const float d = half_at(b);
  const float least = half_at(b + 2);
  for (int g = 0; g < 8; ++g) {
    const auto [s, m] = scale_and_least(b + 4, g);
    const float scale = d * number(s);
    const float from = least * number(m);
    const std::uint8_t* q = b + 48 + 32 * (g / 2);
    for (int l = 0; l < 32; ++l) {
      const int code = ((q[l] >> (4 * (g % 2))) & 15) | ((b[16 + l] >> g) & 1) << 4;
      y[32 * g + l] = scale * number(code) - from;
    }
  }
}

// 128 bytes of four low bits; 64 bytes of two high bits; 16 scales of 16 elements each; f16 d.
HOLDALL_INLINE void q6_k(const std::uint8_t* b, float* y) noexcept {
  const float d = half_at(b + 208);
  for (int g = 0; g < 16; ++g) {
    const int part = g / 2 % 4;  // of the 128 elements that 32 bytes of high bits serve
    const std::uint8_t* low = b + 64 * (g / 8) + 32 * (part % 2) + 16 * (g % 2);
    const std::uint8_t* high = b + 128 + 32 * (g / 8) + 16 * (g % 2);
    const float scale = d * number(byte_at(b + 192 + g));
    for (int l = 0; l < 16; ++l) {
      const int code = ((low[l] >> (4 * (part / 2))) & 15) | ((high[l] >> (2 * part)) & 3) << 4;
      y[16 * g + l] = scale * number(code - 32);
    }
  }
}

// f32 d; 256 bytes; 16 sums (ggml-quants.c, dequantize_row_q8_K).
HOLDALL_INLINE void q8_k(const std::uint8_t* b, float* y) noexcept {
  const auto d = load_le<float>(b);
  for (int j = 0; j < 256; ++j) y[j] = d * number(byte_at(b + 4 + j));
}

// --- Of few values ----------------------------------------------------------------------------------------------------------

// Digits of base three: five in a byte of 48, four in a byte of four; f16 d.
HOLDALL_INLINE void tq1_0(const std::uint8_t* b, float* y) noexcept {
  constexpr std::array<std::uint8_t, 5> kPowers = {1, 3, 9, 27, 81};
  const float d = half_at(b + 52);
  const auto digits = [&](int from, int bytes, int powers) {
    for (int n = 0; n < powers; ++n) {
      for (int m = 0; m < bytes; ++m) {
        const auto turned = static_cast<std::uint8_t>(b[from + m] * kPowers[static_cast<std::size_t>(n)]);
        *y++ = d * number((turned * 3 >> 8) - 1);
      }
    }
  };
  digits(0, 32, 5);
  digits(32, 16, 5);
  digits(48, 4, 4);
}

// 64 bytes of two bits; f16 d.
HOLDALL_INLINE void tq2_0(const std::uint8_t* b, float* y) noexcept {
  const float d = half_at(b + 64);
  for (int g = 0; g < 8; ++g)
    for (int m = 0; m < 32; ++m) y[32 * g + m] = d * number(((b[32 * (g / 4) + m] >> (2 * (g % 4))) & 3) - 1);
}

// f16 d; a bit an element, low bits first: -d or d (ggml-quants.c, dequantize_row_q1_0).
HOLDALL_INLINE void q1_0(const std::uint8_t* b, float* y) noexcept {
  const float d = half_at(b);
  for (int j = 0; j < 128; ++j) y[j] = (b[2 + j / 8] >> (j % 8) & 1) != 0 ? d : -d;
}

// f16 d; two bits an element, low bits first: -1, 0, 1, 2 (ggml-quants.c, dequantize_row_q2_0).
HOLDALL_INLINE void q2_0(const std::uint8_t* b, float* y) noexcept {
  const float d = half_at(b);
  for (int j = 0; j < 64; ++j) y[j] = number(((b[2 + j / 4] >> (2 * (j % 4))) & 3) - 1) * d;
}

// E2M1, doubled.
constexpr std::array<std::int8_t, 16> kFourBits = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// A power of two, halved because the values are doubled; 16 bytes, halves as in q4_0.
HOLDALL_INLINE void mxfp4(const std::uint8_t* b, float* y) noexcept {
  const auto d = std::bit_cast<float>(b[0] < 2 ? std::uint32_t{0x00200000} << b[0] : (std::uint32_t{b[0]} - 1) << 23);
  for (int j = 0; j < 16; ++j) {
    y[j] = d * kFourBits[b[1 + j] & 15];
    y[j + 16] = d * kFourBits[b[1 + j] >> 4];
  }
}

// E4M3 without a sign, halved; NaN's code is zero.
HOLDALL_INLINE float unsigned_e4m3(std::uint8_t code) noexcept {
  const int exponent = code >> 3 & 15;
  const int mantissa = code & 7;
  if (code == 0x7f) return 0;
  const int significand = exponent == 0 ? mantissa : 8 + mantissa;
  return number(significand) *
         std::bit_cast<float>(static_cast<std::uint32_t>((exponent == 0 ? 1 : exponent) + 127 - 11) << 23);
}

// Four scales of 16 elements each; 32 bytes: per eight, elements 0 to 7 low, 8 to 15 high.
HOLDALL_INLINE void nvfp4(const std::uint8_t* b, float* y) noexcept {
  for (int s = 0; s < 4; ++s) {
    const float d = unsigned_e4m3(b[s]);
    for (int j = 0; j < 8; ++j) {
      y[16 * s + j] = d * kFourBits[b[4 + 8 * s + j] & 15];
      y[16 * s + j + 8] = d * kFourBits[b[4 + 8 * s + j] >> 4];
    }
  }
}

// Sixteen values that are no steps of a line.
constexpr std::array<std::int8_t, 16> kBent = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

// f16 d; 16 bytes as in q4_0.
HOLDALL_INLINE void iq4_nl(const std::uint8_t* b, float* y) noexcept {
  const float d = half_at(b);
  for (int j = 0; j < 16; ++j) {
    y[j] = d * kBent[b[2 + j] & 15];
    y[j + 16] = d * kBent[b[2 + j] >> 4];
  }
}

// f16 d; u16 of eight times two high bits and four bytes of eight times four low bits of scales; 128 bytes as eight q4_0.
HOLDALL_INLINE void iq4_xs(const std::uint8_t* b, float* y) noexcept {
  const float d = half_at(b);
  const unsigned high = load_le<std::uint16_t>(b + 2);
  for (int g = 0; g < 8; ++g) {
    const int low = (b[4 + g / 2] >> (4 * (g % 2))) & 15;
    const float scale = d * number((low | static_cast<int>(high >> (2 * g) & 3) << 4) - 32);
    for (int j = 0; j < 16; ++j) {
      y[32 * g + j] = scale * kBent[b[8 + 16 * g + j] & 15];
      y[32 * g + j + 16] = scale * kBent[b[8 + 16 * g + j] >> 4];
    }
  }
}

using One = void (*)(const std::uint8_t*, float*) noexcept;

template <One kOne, DType kDType>
void run(const std::uint8_t* b, std::size_t count, float* y) noexcept {
  const DTypeInfo& row = info(kDType);
  const std::size_t bytes = row.block_bytes;
  const std::size_t elements = row.block_elements;
  for (std::size_t i = 0; i < count; ++i) kOne(b + bytes * i, y + elements * i);
}

using Run = void (*)(const std::uint8_t*, std::size_t, float*) noexcept;
struct Decoder {
  DType dtype;
  Run run;
};

#define HOLDALL_BLOCK(dtype, function) \
  Decoder { DType::dtype, run<function, DType::dtype> }
constexpr std::array kDecoders = {
    HOLDALL_BLOCK(kQ4_0, q4_0),       HOLDALL_BLOCK(kQ4_1, q4_1),     HOLDALL_BLOCK(kQ5_0, q5_0),
    HOLDALL_BLOCK(kQ5_1, q5_1),       HOLDALL_BLOCK(kQ8_0, q8_0),     HOLDALL_BLOCK(kQ8_1, q8_1),
    HOLDALL_BLOCK(kQ2_K, q2_k),       HOLDALL_BLOCK(kQ3_K, q3_k),     HOLDALL_BLOCK(kQ4_K, q4_k),
    HOLDALL_BLOCK(kQ5_K, q5_k),       HOLDALL_BLOCK(kQ6_K, q6_k),     HOLDALL_BLOCK(kQ8_K, q8_k),
    HOLDALL_BLOCK(kIQ2_XXS, iq2_xxs), HOLDALL_BLOCK(kIQ2_XS, iq2_xs), HOLDALL_BLOCK(kIQ3_XXS, iq3_xxs),
    HOLDALL_BLOCK(kIQ1_S, iq1_s),     HOLDALL_BLOCK(kIQ4_NL, iq4_nl), HOLDALL_BLOCK(kIQ3_S, iq3_s),
    HOLDALL_BLOCK(kIQ2_S, iq2_s),     HOLDALL_BLOCK(kIQ4_XS, iq4_xs), HOLDALL_BLOCK(kIQ1_M, iq1_m),
    HOLDALL_BLOCK(kTQ1_0, tq1_0),     HOLDALL_BLOCK(kTQ2_0, tq2_0),   HOLDALL_BLOCK(kMXFP4, mxfp4),
    HOLDALL_BLOCK(kNVFP4, nvfp4),     HOLDALL_BLOCK(kQ1_0, q1_0),     HOLDALL_BLOCK(kQ2_0, q2_0)};
#undef HOLDALL_BLOCK

}  // namespace
}  // namespace blocks

void decode_blocks(DType dtype, const std::byte* data, std::size_t count, float* out) noexcept {
  for (const blocks::Decoder& decoder : blocks::kDecoders)
    if (decoder.dtype == dtype) decoder.run(reinterpret_cast<const std::uint8_t*>(data), count, out);
}

}  // namespace holdall
