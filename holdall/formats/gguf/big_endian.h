// Tensors of big-endian files: their bytes as little-endian ones.
//
// Thread-safety: results may be read from several threads. Ownership: they share the source.
#pragma once

#include "holdall/core/dtype.h"
#include "holdall/io/source.h"

namespace holdall::gguf {

// Dense elements or blocks, each number of more than one byte reversed when it is read. Errors: unsupported for iq2_xxs,
// iq3_xxs and iq1_m, which ggml reads as words that begin within other fields: what they are on a big-endian machine is said
// nowhere.
Result<SourceRef> little_endian(SourceRef big, DType dtype);

}  // namespace holdall::gguf
