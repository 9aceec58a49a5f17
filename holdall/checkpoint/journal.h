// Journal: what a checkpoint folder's writers have done, in a file that is only ever appended to.
//
// The file ".holdall.journal" is lines of text, one a fact:
//   16 hex digits, the first of the XXH3-128 of the rest of the line behind the space, without its end
//   SPACE, a JSON object, "\n"
// The objects: {"kind":"run","version":1,"run":…}; {"kind":"saved","name":…,"bytes":…,"frame":…, members of the stamp};
// {"kind":"removed","name":…}; {"kind":"rules", as Retention writes them}. A line whose checksum does not hold was torn or
// damaged and says nothing; kinds that are not known are passed over. Nothing depends on the journal: what it does not say, the
// files say. Thread-safety: one thread. Ownership: none; files are opened for each call.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "holdall/checkpoint/record.h"
#include "holdall/io/system.h"

namespace holdall {

constexpr std::string_view kJournalFile = ".holdall.journal";

struct JournalContents {
  std::string run;                  // the last one named; empty: none
  std::vector<Checkpoint> saved;    // the last word on each name, in the order of saving; those removed are not in it
  std::string rules;                // the last JSON object of kind "rules", empty: none
  std::uint64_t lines = 0;          // whole ones
  std::uint64_t bad_lines = 0;      // torn or damaged
  std::uint64_t last_sequence = 0;  // the highest, of removed ones too
  bool ends_in_line = true;         // the last byte is an end of line
};

// Everything that the lines of a journal say. Never fails for what is in them.
JournalContents parse_journal(std::string_view journal);

// Reads the journal of a folder; a missing one is empty. Errors: io, out of memory, limit above 1 GiB.
Result<JournalContents> read_journal(System& system, const std::string& folder);

// The lines of the journal.
std::string saved_line(const Checkpoint& checkpoint);
std::string removed_line(std::string_view name);
std::string run_line(std::string_view run);
// `rules`: a JSON object whose first member is "kind":"rules".
std::string rules_line(std::string_view rules);

// Appends whole lines and syncs; the first of them is put behind an end of line if a torn line stands there. A missing journal
// is made. Errors: io.
Status append_journal(System& system, const std::string& folder, std::string_view lines, bool durable);
// Replaces the journal by these lines in one step. Errors: io.
Status replace_journal(System& system, const std::string& folder, std::string_view lines, bool durable);

}  // namespace holdall
