// Fixed arrays ("FAHD") and extensible arrays ("EAHD"): chunks by one number.
//
// Thread-safety: that of Metadata. Ownership: none.
#pragma once

#include <functional>

#include "holdall/codec/hdf5_chunk_index.h"

namespace holdall::hdf5 {

struct ArrayFacts {
  std::uint64_t address = kUndefined;
  bool filtered = false;
  std::uint64_t chunk_bytes = 0;  // stored bytes of a chunk that is not filtered
};
using UseChunk = std::function<Status(std::uint64_t number, Chunk chunk)>;

// Calls use() for each element that leads to a chunk, by its number. Errors: corrupt, those of use().
Status for_each_fixed(Metadata& metadata, const ArrayFacts& facts, const UseChunk& use);
Status for_each_extensible(Metadata& metadata, const ArrayFacts& facts, const UseChunk& use);

}  // namespace holdall::hdf5
