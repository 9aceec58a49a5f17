// A file as a Source that reads through the seam to the operating system, where a test may stand.
//
// Thread-safety: that of the System. Ownership: the source closes its handle; the System must outlive it.
#pragma once

#include <string>

#include "holdall/io/source.h"
#include "holdall/io/system.h"

namespace holdall {

// For the local system this is open_file(). Errors: those of System::open.
Result<SourceRef> system_source(System& system, const std::string& path);

}  // namespace holdall
