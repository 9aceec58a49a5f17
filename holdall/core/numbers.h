// Elements of every numeric dtype as numbers, in runs: what casts, statistics and differences are made of.
//
// Thread-safety and ownership: pure functions over the caller's memory.
#pragma once

#include <cstdint>
#include <span>

#include "holdall/core/dtype.h"

namespace holdall {

// How the numbers of a dtype are best held: integers in 64 bits (two's complement), reals as float64, complex as pairs of it.
enum class NumberKind : std::uint8_t { kNone, kInteger, kReal, kComplex };
NumberKind number_kind(DType dtype) noexcept;

// The dtype of the two parts of a complex number.
DType complex_part(DType complex) noexcept;

// Precondition of all below: `packed` holds elements [first, first + n) of a packed run that starts at its first byte. Sub-byte
// elements are stored whole bytes at a time: there, `first` is 0 and n a multiple of the dtype's block. Of block types both are
// multiples of the block.

// Sign-extended; uint64 keeps its bits. dtype's kind: kInteger.
void load_integers(DType dtype, const std::byte* packed, std::uint64_t first, std::span<std::int64_t> out) noexcept;
// Wraps like two's complement; to bool: whether it is not 0.
void store_integers(DType dtype, std::span<const std::int64_t> values, std::byte* packed) noexcept;
// dtype's kind: kInteger (64-bit integers round to nearest) or kReal.
void load_reals(DType dtype, const std::byte* packed, std::uint64_t first, std::span<double> out) noexcept;
// Nearest, ties to even. dtype's kind: kReal.
void store_reals(DType dtype, std::span<const double> values, std::byte* packed) noexcept;

}  // namespace holdall
