// NumPy's dtype objects and arrays as pickles hold them, turned into tensors.
//
// Thread-safety: pure functions. Ownership: tensors share the source behind the blob.
#pragma once

#include "holdall/codec/npy_dtype.h"
#include "holdall/core/tensor.h"
#include "holdall/core/value.h"

namespace holdall {

// A numpy.dtype object: its type string, byte order, datetime unit, fields. Structured types become records whose logical is
// NumPy's descr as a Python literal, gaps included. Errors: corrupt, unsupported (what NumPy may grow), limit (nesting).
Result<NpyDType> numpy_dtype(Value object);

enum class NumpyOrder : std::uint8_t { kC, kFortran };

// An array of `shape` over `data`, which must be exactly its bytes. Strings (UTF-8, without their padding) are read once to
// learn their sizes, then converted as they are read. Precondition: the form is not kObject. Errors: corrupt, limit.
Result<Tensor> numpy_tensor(const NpyDType& dtype, Shape shape, NumpyOrder order, Blob data);

}  // namespace holdall
