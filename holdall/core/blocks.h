// GGML's block types: whole blocks of quantised numbers to float32, and float32 to those that are made by rounding alone.
//
// Decoding gives what `gguf.quants.dequantize` of the package gguf 0.19 gives, bit for bit, and what ggml's dequantize_row_*()
// (ggml-quants.c) gives for the types that the package leaves out (q8_1, q8_k, q1_0, q2_0). Encoding gives what
// `gguf.quants.quantize` gives; which sign a least value of zero has among zeros of both signs (q4_1, q5_1), and which bits
// beyond those that make it one a NaN has, is as NumPy's reductions happen to go by the processor. Thread-safety and ownership:
// pure functions over the caller's memory.
#pragma once

#include <cstddef>

#include "holdall/core/dtype.h"

namespace holdall {

// Whether encode_blocks() knows how: q8_0, q4_0, q4_1, q5_0, q5_1.
bool can_encode_blocks(DType dtype) noexcept;

// Preconditions: the dtype's kind is kBlock; `blocks` holds `count` blocks, `out` room for their elements.
void decode_blocks(DType dtype, const std::byte* blocks, std::size_t count, float* out) noexcept;

// Preconditions: can_encode_blocks(dtype); `values` holds the elements of `count` blocks, `out` room for those. A block with a
// NaN, or with an infinity, has a scale that is one and codes of nothing.
void encode_blocks(DType dtype, const float* values, std::size_t count, std::byte* out) noexcept;

}  // namespace holdall
