// Elements smaller than a byte whose number does not fill whole bytes (a scalar zero point): a byte each.
//
// Thread-safety: sources may be read from several threads. Ownership: shares what it unpacks.
#pragma once

#include "holdall/core/dtype.h"
#include "holdall/io/blob.h"

namespace holdall::onnx {

// int8 for signed integers; uint8 for unsigned ones and, as they are stored, for floats.
DType unpacked_dtype(DType dtype) noexcept;
// `count` elements, an element a byte, of packed ones. Precondition: `packed` holds them.
SourceRef unpacked_source(Blob packed, DType dtype, std::uint64_t count);
// The reverse, in memory.
std::string packed_text(std::span<const std::byte> unpacked, DType dtype);

}  // namespace holdall::onnx
