// map_all(): ranges as they lie in their files, mapped instead of read.
//
// A file that is cut short under a mapping ends the process with SIGBUS, and what is written into it shows: map only files that
// nobody else changes. Checksums are not verified. Thread-safety: free functions. Ownership: results keep their mapping alive.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "holdall/io/load.h"

namespace holdall {

struct MapRequest {
  Blob blob;
  std::uint64_t alignment = 1;  // of the first byte in memory: a power of two, at most 4096
};

// One mapping for each file, private: what is written into it reaches no file. What lies in no local file verbatim, or not at
// the alignment asked for, is loaded instead (load.h), with its checksums. Errors: those of load_all().
Result<std::vector<Bytes>> map_all(std::span<const MapRequest> requests, const LoadOptions& options = {});

}  // namespace holdall
