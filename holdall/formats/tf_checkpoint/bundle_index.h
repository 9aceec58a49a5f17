// The index of a V2 checkpoint ("tensor bundle"): a table of one message a tensor.
//
//   ""    BundleHeaderProto { num_shards = 1, endianness = 2 (0 little, 1 big), version = 3 { producer = 1 } }
//   name  BundleEntryProto { dtype = 1, shape = 2, shard_id = 3, offset = 4, size = 5, crc32c = 6 (fixed32, masked), slices = 7
//   }
// A tensor with slices has no bytes of its own: each slice has an entry under its slice_key().
// Specification: tensorflow/core/protobuf/tensor_bundle.proto.
//
// Thread-safety: value types. Ownership: values own their texts.
#pragma once

#include <string>
#include <vector>

#include "holdall/codec/sstable.h"
#include "holdall/formats/tensorflow_types.h"
#include "holdall/formats/tf_checkpoint/slice_key.h"

namespace holdall::tf_checkpoint {

struct Entry {
  std::string key;
  std::uint64_t dtype = 0;  // number of a DataType
  TensorFlowShape shape;
  std::uint64_t shard = 0, offset = 0, size = 0;
  std::uint32_t crc = 0;  // masked, as it is stored
  std::vector<Slice> slices;
  std::uint64_t at = 0;   // of its block, for messages
  bool is_slice = false;  // of another entry
};

struct Index {
  std::uint64_t shards = 1;
  ByteOrder order = ByteOrder::kLittle;
  std::uint64_t producer = 0;
  std::vector<Entry> entries;  // by key

  // nullptr where there is none.
  const Entry* find(std::string_view key) const noexcept;
};

// Whether the first value of a table is a header of a bundle (kBundle) or the meta of a V1 checkpoint (kV1).
enum class Kind : std::uint8_t { kNeither, kBundle, kV1 };
Kind kind_of(const SortedTable& table);

// Errors: corrupt, unsupported, limit (Limits::tensors); all name the offset in the index.
Result<Index> read_index(const SortedTable& table, const Limits& limits);

std::string write_header(std::uint64_t shards);
// The CRC is not masked.
std::string write_entry(std::uint32_t dtype, std::span<const std::uint64_t> shape, std::uint64_t shard, std::uint64_t offset,
                        std::uint64_t size, std::uint32_t crc);

}  // namespace holdall::tf_checkpoint
