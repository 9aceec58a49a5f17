// The dense bytes of a tensor of which a few elements are stored.
//
// Thread-safety: the source may be read from several threads. Ownership: shares the tensors.
#pragma once

#include "holdall/core/tensor.h"

namespace holdall::onnx {

// values: [n]; indices: int64 [n] or [n, rank], rising. Values and indices are read into memory with the first read and stay
// there. Errors of its reads: corrupt where indices lie outside of `shape` or do not rise. Precondition: elements are whole
// bytes, and shape × dtype has a size.
SourceRef sparse_source(Tensor values, Tensor indices, Shape shape);

}  // namespace holdall::onnx
