// Casts: a tensor of another dtype, made by tiles as it is read.
#pragma once

#include "holdall/core/tensor.h"

namespace holdall {

// Whether cast() knows how: between bool, integers, floats (float8, float6, float4 included) and complex numbers; from every
// block type, whose elements are float32 (core/blocks.h), and to those that encode_blocks() makes.
bool can_cast(DType from, DType to) noexcept;
// Whether every value of `from` has an exact place in `to`.
bool is_exact_cast(DType from, DType to) noexcept;

// Floats round to nearest, ties to even, once, whatever the source; overflow goes to infinity where the target has one, else to
// NaN (the fnuz types, float8_e8m0fnu), or to the largest value (float8_e4m3fn, as torch does, and where there is neither:
// float6, float4). Else as ml_dtypes does; torch differs in float8_e8m0fnu, which has no zero and no sign, and where it rounds
// twice (float64 to float16). Floats to integers truncate; what is out of range becomes the nearest end, NaN becomes 0.
// Integers wrap. To bool: whether it is not 0. Complex to real drops the imaginary part. Stored checksums of the source are not
// compared: a cast reads it in pieces. Errors: unsupported, also when the count does not fill whole bytes of the target.
Result<Tensor> cast(const Tensor& tensor, DType to);

// The elements as float64 (complex: magnitude), for statistics and differences: `count` elements of packed `data` starting at
// element `first` of it. Preconditions: data holds them; out.size() == count; both are whole blocks.
Status to_float64(DType dtype, std::span<const std::byte> data, std::uint64_t first, std::span<double> out);

}  // namespace holdall
