// ZIP archives within a file that is none as a whole: at its end, where readers of ZIP begin, and in a row, as some programs
// write them one behind another.
//
// Thread-safety: may be called from several threads. Ownership: none.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "holdall/base/limits.h"
#include "holdall/io/bundle.h"

namespace holdall {

// Where an archive's first byte would be if its places counted from there, and its end.
struct ZipExtent {
  std::uint64_t begin = 0, end = 0;
};

// The archive that a reader finds from the end of a file.
std::optional<ZipExtent> zip_at_end(const Source& source);

// The sources of two or more archives that are all there is of a file, in its order; empty where it is something else. Reads
// the whole file; memory: of a tile.
std::vector<SourceRef> zips_in_a_row(const Bundle& file, const Limits& limits);

}  // namespace holdall
