// Where the chunks of an HDF5 data set lie: B-trees of version 1, and the five indices of layouts of version 4.
//
// Thread-safety: that of Metadata. Ownership: an index owns its table.
#pragma once

#include "holdall/codec/hdf5_messages.h"

namespace holdall::hdf5 {

struct Chunk {
  std::uint64_t address = kUndefined;
  std::uint64_t stored = 0;  // bytes
  std::uint32_t mask = 0;    // filters that were not used
};

struct ChunkTable {
  NumberMap<Chunk> chunks;   // by number in the grid, row-major
  std::uint64_t stored = 0;  // bytes of all
};

// What the indices count by.
struct Grid {
  Shape counts;               // chunks in each dimension
  std::uint64_t chunk_bytes;  // of a whole one, decoded
  bool filtered = false;
};
// Errors: corrupt (a chunk without size or of 4 GiB, overflow).
Result<Grid> grid_of(const Layout& layout, const Space& space, std::uint64_t element_bytes);

// Reads the whole index. Chunks outside of the space are passed over. Errors: corrupt, unsupported, limit.
Result<ChunkTable> read_chunks(Metadata& metadata, const Layout& layout, const Space& space, const Grid& grid);

}  // namespace holdall::hdf5
