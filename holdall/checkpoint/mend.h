// The journal of a folder, brought in line with what is there.
//
// Thread-safety: functions; one writer a folder (Lease). Ownership: none.
#pragma once

#include <string>

#include "holdall/checkpoint/folder.h"

namespace holdall {

// Whether the journal has torn or damaged lines, or many that say nothing any more.
bool is_worn(const CheckpointFolder& contents);

// Makes the journal name this run, these rules and every checkpoint that is there, and nothing that is not: by a few lines
// more, or in a new journal where there is none or it is worn. Errors: io.
Status mend_journal(System& system, const CheckpointFolder& contents, const std::string& run, const Rules& rules, bool durable);

}  // namespace holdall
