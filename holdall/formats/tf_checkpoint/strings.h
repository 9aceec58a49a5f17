// String tensors of a bundle:
//
//   varint(length) an element, u32 CRC-32C of the lengths (each as u32, or u64 where it needs one), masked, then the texts
// The entry's CRC-32C is over the lengths as numbers, those four bytes and the texts.
// Specification: WriteStringTensor in tensorflow/core/util/tensor_bundle/tensor_bundle.cc.
//
// Thread-safety: free functions. Ownership: results share or own their bytes.
#pragma once

#include <span>
#include <string>

#include "holdall/core/tensor.h"

namespace holdall::tf_checkpoint {

// The tensor of an entry's bytes, decoded and checked when it is first read; its size is found by reading the lengths.
// Memory: the entry's bytes and eight an element. Errors: corrupt, limit where the lengths take more than `most` bytes.
Result<Tensor> read_strings(const Shape& shape, const Blob& data, std::uint32_t crc, ByteOrder order, std::uint64_t most);

struct EncodedStrings {
  std::string bytes;
  std::uint32_t crc = 0;  // of the entry, not masked
};
// Of a string tensor's bytes, as Tensor has them. Errors: corrupt.
Result<EncodedStrings> write_strings(std::span<const std::byte> elements);

}  // namespace holdall::tf_checkpoint
