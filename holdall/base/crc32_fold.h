// Folding for CRC-32 by AVX-512's carry-less multiplication, some three times as fast as with 128 bits; after Gopal and others,
// "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction" (Intel, 2009).
//
// Thread-safety: pure. Ownership: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace holdall {

// Fewer bytes are not worth it.
constexpr std::size_t kLeastToFold = 1024;

// Puts 16 bytes into `out` that, with a state of 0, have the CRC-32 state that the first N bytes of `data` have with `state`
// (the register without its final inversion). Returns N, a multiple of 256; 0 where the processor cannot, or for fewer than
// kLeastToFold.
std::size_t crc32_fold(std::span<const std::byte> data, std::uint32_t state, std::span<std::byte, 16> out) noexcept;

}  // namespace holdall
