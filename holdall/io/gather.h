// GatheredReads: many small reads of neighbouring bytes of files, done as few large ones.
//
// Thread-safety: one thread. Ownership: owns its window; refers to the blobs and outputs until flush() returns.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "holdall/io/blob.h"

namespace holdall {

class GatheredReads {
 public:
  // Memory: 512 KiB once small reads occur.
  GatheredReads() = default;

  // Asks for the bytes of `blob` from `offset` on in `out`; they are there after flush() at the latest. Errors: those of
  // Blob::read_at(), also for reads asked for earlier.
  Status add(const Blob& blob, std::uint64_t offset, std::span<std::byte> out);
  Status flush();

 private:
  struct Piece {
    int descriptor = -1;
    std::uint64_t at = 0;  // in the file of the descriptor
    std::span<std::byte> out;
    const Blob* blob = nullptr;
    std::uint64_t offset = 0;  // in the blob
  };
  Status read(std::span<const Piece> run);

  std::vector<Piece> pieces_;
  Buffer window_;
};

}  // namespace holdall
