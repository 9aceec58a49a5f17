// Elements smaller than a byte: ml_dtypes keeps each in the low bits of a byte of its own, a tensor here keeps them packed.
//
// Thread-safety: sources are immutable. Ownership: they share what they read.
#pragma once

#include "holdall/core/dtype.h"
#include "holdall/io/blob.h"

namespace holdall::flax {

// Precondition of both: the dtype's elements are smaller than a byte, their number a multiple of its block.
SourceRef packed_source(Blob bytes, DType dtype);
SourceRef unpacked_source(Blob packed, DType dtype);

}  // namespace holdall::flax
