// Tensors spelled out as the objects by which pickles hold NumPy arrays: the way back from numpy_arrays.h.
//
// Thread-safety: pure functions. Ownership: nodes go to the caller's arena; blobs share their source.
#pragma once

#include "holdall/core/tensor.h"
#include "holdall/core/value.h"

namespace holdall {

// The elements as NumPy stores them, row-major and little-endian, under the type string `typestr`: strings padded to the width
// of the type, everything else as data() gives it. Memory: that of a string tensor. Errors: corrupt, limit (strings of more
// than `most` bytes).
Result<Blob> numpy_elements(const Tensor& tensor, std::string_view typestr, std::uint64_t most);

// The type string of a tensor; for strings without a width the one that the longest needs. Errors: unsupported where NumPy has
// no such type.
Result<std::string> numpy_typestr_of(const Tensor& tensor);

// numpy.core.multiarray._reconstruct(numpy.ndarray, (0,), b"b") with the state (1, shape, dtype, False, bytes): what NumPy 1
// and 2 both load. Errors: as above.
Result<NodeId> numpy_object(Arena& arena, const Tensor& tensor, std::uint64_t most);

}  // namespace holdall
