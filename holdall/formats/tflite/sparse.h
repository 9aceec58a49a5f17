// Sparse tensors made dense: dimensions, in the order of traversal, each either all there (dense) or by a list of what is there
// (CSR: segments, indices), blocks of a dimension being dimensions of their own behind the others.
// (schema.fbs, SparsityParameters; after the TACO paper that it names.)
//
// Thread-safety: free functions. Ownership: the tensor shares the buffers.
#pragma once

#include "holdall/base/limits.h"
#include "holdall/core/tensor.h"
#include "holdall/formats/tflite/graph.h"

namespace holdall::tflite {

// A dense tensor of `shape` whose values are those of `values` where the record says; 0 elsewhere. What the lists hold is read
// with the tensor. Errors: corrupt, unsupported (elements smaller than a byte), limit (a dense size far beyond the stored one).
Result<Tensor> read_sparse(DType dtype, const Shape& shape, const Blob& values, const SparsityRecord& record,
                           const Limits& limits);

}  // namespace holdall::tflite
