// Gathering: the elements of a strided view, row-major and without gaps, as a Source.
#pragma once

#include <cstdint>
#include <vector>

#include "holdall/core/shape.h"
#include "holdall/io/blob.h"

namespace holdall {

// How elements lie in a blob of storage.
struct StridedLayout {
  std::uint64_t item_bytes = 1;
  Shape shape;                        // at most kMaxRank sizes
  std::vector<std::int64_t> strides;  // in elements, as many
  std::uint64_t offset = 0;           // in elements
  std::uint32_t flip_sign_every = 0;  // bytes from one sign to the next that is flipped; 0: none
  std::uint32_t flip_sign_at = 0;     // offset of the first such sign's byte
};

inline constexpr std::size_t kMaxRank = 64;

// Precondition: every element lies within the storage. Memory while reading: 1 MiB beside the caller's buffer and, for ranges
// that cut an element, a copy of the range.
SourceRef strided_source(Blob storage, StridedLayout layout);

}  // namespace holdall
