// A partitioned variable as one tensor: its slices put together when it is read.
//
// Thread-safety: the source may be read from several threads. Ownership: it shares the slices' sources.
#pragma once

#include <vector>

#include "holdall/formats/tf_checkpoint/slice_key.h"
#include "holdall/io/blob.h"

namespace holdall::tf_checkpoint {

inline constexpr std::size_t kMostPieces = 4096;

struct Piece {
  Box box;    // in the whole
  Blob data;  // its elements, row-major
};

// The elements of the whole, row-major, `width` bytes each. A piece's checksum is compared before its bytes are first used.
// Errors: corrupt where the pieces overlap, leave something out or have other bytes than their boxes; limit for more than
// kMostPieces.
Result<SourceRef> assembled(const Shape& shape, std::uint64_t width, std::vector<Piece> pieces, std::string name);

// The bytes of `data`, whose checksum is compared before they are first used: for what is not read as it is stored.
SourceRef checked_source(Blob data);

}  // namespace holdall::tf_checkpoint
