// One block of each kind to float32: what decode_blocks() runs over many.
//
// Thread-safety and ownership: pure functions. Preconditions: `b` holds a block, `y` room for its elements.
#pragma once

#include <bit>
#include <cstdint>

#include "holdall/base/endian.h"
#include "holdall/core/block_lanes.h"
#include "holdall/core/half.h"

namespace holdall::blocks {

HOLDALL_INLINE float half_at(const std::uint8_t* b) noexcept {
  return std::bit_cast<float>(float_bits(load_le<std::uint16_t>(b)));
}

// Codebooks (block_decode_grids.cc).
void iq2_xxs(const std::uint8_t* b, float* y) noexcept;
void iq2_xs(const std::uint8_t* b, float* y) noexcept;
void iq2_s(const std::uint8_t* b, float* y) noexcept;
void iq3_xxs(const std::uint8_t* b, float* y) noexcept;
void iq3_s(const std::uint8_t* b, float* y) noexcept;
void iq1_s(const std::uint8_t* b, float* y) noexcept;
void iq1_m(const std::uint8_t* b, float* y) noexcept;

}  // namespace holdall::blocks
