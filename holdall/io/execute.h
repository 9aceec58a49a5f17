// execute(): the one writer of every plan.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "holdall/io/plan.h"
#include "holdall/io/system.h"

namespace holdall {

struct ExecuteOptions {
  // fsync the file and its folder before success is reported.
  bool durable = true;
  // Replace what is at the path; without it an existing path is refused (already exists).
  bool replace = true;
  unsigned threads = 0;  // 0: chosen by the machine and the size
  // Durable files of at least this size are written past the page cache, which they would flush through anyway.
  std::uint64_t direct_from = 64u << 20;
  // Bytes of the output that a thread prepares at a time, a multiple of 4096; 0: chosen by the size.
  std::uint64_t tile_bytes = 0;
  // Called with bytes done and bytes in all, from one thread at a time, at most a few times a second; false cancels.
  std::function<bool(std::uint64_t done, std::uint64_t total)> progress = {};
  // The seam to the operating system; tests put faults there.
  System* system = nullptr;
};

// Writes the plan at `path` whole, or leaves `path` as it was. Of files that lie beside the one at `path` all are written
// before the first takes its place; that one comes last, and where it would stand among files of two writings in the meantime
// it is taken away before: a crash leaves the old, the new, or no file at `path`. Memory: at most 48 MiB beside the plan's own.
// Errors: those of the sources and makers, corrupt (a stored checksum does not hold; named with its source), io, cancelled.
Status execute(const Plan& plan, const std::string& path, const ExecuteOptions& options = {});

}  // namespace holdall
