// Help: what -h, --help and --version print, by the flag table.
//
// Thread-safety: one thread. Ownership: none.
#pragma once

#include <optional>
#include <string>

#include "cli/console.h"
#include "cli/flags.h"

namespace holdall::cli {

// "0.1.0"
std::string_view version() noexcept;

// A flag's summary, and behind it, where only some of the verb's actions have the flag, which.
std::string summary_on(const FlagRow& flag, Verb verb);

// Of one verb, or of the command. `short_form` leaves out the explanation.
enum class HelpForm : unsigned char { kShort, kFull };
void print_help(Console& console, std::optional<Verb> verb, HelpForm form);

}  // namespace holdall::cli
