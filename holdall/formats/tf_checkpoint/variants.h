// Variants of a bundle (the state of a dataset's iterator), which are no tensors here but have checksums:
//
//   an element: varint(length), the bytes, u32 CRC-32C masked of all lengths (each as u64), bytes and such sums so far
// The entry's CRC-32C is over the same, the last sum included.
// Specification: WriteVariantTensor in tensorflow/core/util/tensor_bundle/tensor_bundle.cc.
//
// Thread-safety: free function.
#pragma once

#include <functional>
#include <span>

#include "holdall/core/tensor.h"

namespace holdall::tf_checkpoint {

// `use` is given each piece that was read. Errors: corrupt where lengths or sums do not hold; those of `use`.
Status check_variants(const Shape& shape, const Blob& data, std::uint32_t crc, ByteOrder order,
                      const std::function<Status(std::span<const std::byte>)>& use);

}  // namespace holdall::tf_checkpoint
