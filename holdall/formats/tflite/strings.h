// A string tensor's buffer: i32 how many, i32 where each begins in the buffer and where the last ends, then their bytes.
// (LiteRT, tflite/string_util.h.)
//
// Thread-safety: free functions. Ownership: the tensor shares the buffer.
#pragma once

#include "holdall/core/tensor.h"

namespace holdall::tflite {

// Reads the table's ends; the texts when they are asked for. Errors: corrupt, io.
Result<Tensor> read_strings(const Shape& shape, const Blob& buffer);

}  // namespace holdall::tflite
