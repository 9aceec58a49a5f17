// load_into(), load_all(): many ranges into memory at once, by several threads, their stored checksums verified in passing.
// check_all(): their checksums alone, for those who must not touch memory before all of it is known to be whole.
//
// Requests are served in the order of their places on disk: large ones in tiles, what lies close together in common reads,
// what the page cache does not hold past it. Thread-safety: free functions. Ownership: results own their memory.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "holdall/io/blob.h"

namespace holdall {

struct LoadRequest {
  Blob blob;
  std::span<std::byte> out;  // blob.size() bytes
};

struct LoadOptions {
  unsigned threads = 0;  // 0: chosen by the machine
  enum class Checks : std::uint8_t { kVerified, kIgnored };
  Checks checks = Checks::kVerified;
  // Called with bytes just loaded, from several threads; false cancels.
  std::function<bool(std::uint64_t bytes)> loaded = {};
};

// Fills every `out`. What is in them after an error is undefined. Memory: 4 MiB a thread.
// Errors: those of the sources, corrupt for a stored checksum that does not hold, invalid argument for an `out` of another
// size, cancelled.
Status load_into(std::span<const LoadRequest> requests, const LoadOptions& options = {});

// All blobs into fresh memory, in huge pages where they are large; blobs in memory already are shared, not copied, and
// what a source gives up is taken. Each starts
// at a multiple of 64 bytes, or, from 1 MiB on, as far from a page's start as in its file if that is a multiple of 64.
// Errors: those of load_into(), out of memory.
Result<std::vector<Bytes>> load_all(std::span<const Blob> blobs, const LoadOptions& options = {});

// Whether all can be read without waiting for a disk, as far as both ends and the middle of each tell.
bool are_cached(std::span<const Blob> blobs);

// Reads all and compares the stored checksums. Memory: 256 KiB a thread. `options.checks` is not looked at.
// Errors: those of load_into().
Status check_all(std::span<const Blob> blobs, const LoadOptions& options = {});

}  // namespace holdall
