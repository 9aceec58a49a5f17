// What else a file may be taken for than what it is from its first byte on: readers of ZIP begin at the end and readers of HDF5
// look further inside, so one file may be two.
//
// Thread-safety: may be called from several threads. Ownership: none.
#pragma once

#include <string_view>

#include "holdall/formats/format.h"
#include "holdall/trust/policy.h"

namespace holdall {

// Appends what an archive at the file's end, behind bytes of another kind, does, and an HDF5 file behind a user block; and that
// one is there, where it cannot be judged by itself. `kind` is what the file was judged as.
void judge_other_readings(const Bundle& file, std::string_view kind, const Context& context, const Policy& policy,
                          Findings& findings);

}  // namespace holdall
