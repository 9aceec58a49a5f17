// StagedLoad: many blobs one behind another through a small buffer of the caller's, for memory that the processor cannot read
// into: a device's, fed from pinned buffers.
//
// Thread-safety: one thread. Ownership: shares the sources of its blobs.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "holdall/io/load.h"

namespace holdall {

// A piece of a blob in the caller's buffer.
struct StagedPiece {
  std::size_t blob = 0;      // its number
  std::uint64_t offset = 0;  // in the blob
  std::size_t at = 0;        // in the buffer, a multiple of 64
  std::size_t size = 0;
};

class StagedLoad {
 public:
  StagedLoad(std::vector<Blob> blobs, LoadOptions options);

  // Fills `buffer` (of at least 64 bytes) with what comes next: whole blobs where they fit, else as much as there is place for.
  // Blobs of no bytes have no piece. Empty at the end. A blob's checksums are verified with its last piece. Several threads
  // read. Errors: those of load_into(); no call may follow one.
  Result<std::vector<StagedPiece>> next(std::span<std::byte> buffer);

 private:
  Status check(const StagedPiece& piece, std::span<const std::byte> bytes);

  std::vector<Blob> blobs_;
  LoadOptions options_;
  std::size_t blob_ = 0;
  std::uint64_t offset_ = 0;
  // Of the blob that did not fit whole.
  std::uint32_t crc_ = 0;
  Xxh3 hash_;
};

}  // namespace holdall
