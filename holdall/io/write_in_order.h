// write_in_order(): one file of a plan by one thread, part after part; the way for streams and for small files.
#pragma once

#include "holdall/io/plan.h"
#include "holdall/io/system.h"
#include "holdall/io/write_progress.h"

namespace holdall {

// What a writer of one file works on. `place` is named in errors.
struct WriteTarget {
  System& system;
  System::Handle handle = -1;
  std::string place;
  WriteProgress& progress;
};

// Writes all parts of `file` to a new, empty file. Memory: 1 MiB and the largest late part. Errors: those of the sources,
// makers and the system, corrupt for a stored checksum that does not hold, invalid argument for a late part that needs itself.
Status write_in_order(const PlannedFile& file, const WriteTarget& target);

}  // namespace holdall
