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

// Whether the elements lie in NumPy's Fortran order: the first index runs fastest, and there are several. False for strings and
// records. Libraries of linear algebra round otherwise for the other order.
bool is_fortran(const Tensor& tensor);

// numpy.core.multiarray._reconstruct(numpy.ndarray, (0,), b"b") with the state (1, shape, dtype, False, bytes): what NumPy 1
// and 2 both load. The elements are in the order in which they lie in memory (is_fortran()), numbers little-endian; strings
// without a width get that of the longest. Memory: that of a string tensor. Errors: unsupported where NumPy has no such type;
// corrupt; limit (strings that take more than `most` bytes).
Result<NodeId> numpy_object(Arena& arena, const Tensor& tensor, std::uint64_t most);

// The same in parts: the dtype object, and the elements.
struct NumpyItems {
  NodeId dtype = kNoNode;
  Blob data;
  bool fortran = false;  // the first index runs fastest
};
Result<NumpyItems> numpy_items(Arena& arena, const Tensor& tensor, std::uint64_t most);

}  // namespace holdall
