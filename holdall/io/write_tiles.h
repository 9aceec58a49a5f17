// write_tiles(): one file of a plan by several threads, in tiles of the output.
//
// Tiles are taken in order of their place. The thread that has one fills an aligned buffer from all parts that overlap it,
// takes their checksums and writes it in one call. A part within a tile is checked at once; one that crosses tiles has its
// CRC-32 joined from pieces and its XXH3 taken by turns. Late parts are made in the buffer when all they need is known by then,
// else written once all tiles are.
#pragma once

#include "holdall/io/layout.h"
#include "holdall/io/write_in_order.h"

namespace holdall {

struct TileOptions {
  std::uint64_t tile_bytes = 4u << 20;  // a multiple of 4096
  unsigned threads = 4;
  // A second descriptor of the same file for direct writes; -1: none.
  System::Handle direct = -1;
};

// Writes all parts to a new file. Precondition: no streams; `layout` is place_parts(file). Memory: a tile and 512 KiB a thread,
// and the largest late part. Errors: as write_in_order().
Status write_tiles(const PlannedFile& file, Layout layout, const WriteTarget& target, const TileOptions& options);

}  // namespace holdall
