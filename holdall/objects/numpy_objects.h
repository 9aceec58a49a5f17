// Tensors spelled out as the objects by which pickles hold NumPy arrays: the way back from numpy_arrays.h.
//
// Thread-safety: pure functions. Ownership: nodes go to the caller's arena; blobs share their source.
#pragma once

#include "holdall/core/tensor.h"
#include "holdall/core/value.h"

namespace holdall {

// Whether a tensor node says that it is an array of NumPy (InterpretOptions::arrays_say_so), and nothing else.
bool is_numpy_array(Value tensor);

// Whether NumPy has a type for its elements.
bool has_numpy_dtype(const Tensor& tensor);

// numpy.core.multiarray._reconstruct(numpy.ndarray, (0,), b"b") with the state (1, shape, dtype, False, bytes): what NumPy 1
// and 2 both load. The elements are row-major, numbers little-endian; strings without a width get that of the longest. Memory:
// that of a string tensor. Errors: unsupported where NumPy has no such type; corrupt; limit (strings that take more than `most`
// bytes).
Result<NodeId> numpy_object(Arena& arena, const Tensor& tensor, std::uint64_t most);

// The same in parts: the dtype object, and the elements in row-major order.
struct NumpyItems {
  NodeId dtype = kNoNode;
  Blob data;
};
Result<NumpyItems> numpy_items(Arena& arena, const Tensor& tensor, std::uint64_t most);

}  // namespace holdall
