// Verbs: one function each, from parsed arguments to an exit status. What an Error means is the caller's business.
//
// Thread-safety: one thread, once. Ownership: none.
#pragma once

#include "cli/console.h"
#include "cli/flags.h"

namespace holdall::cli {

// The exit status: 0 done or yes, 1 the answer is no. Errors: whatever stopped it; its code tells the exit status.
using VerbFunction = Result<int> (*)(const Arguments& arguments, Console& console);

Result<int> inspect_verb(const Arguments& arguments, Console& console);
Result<int> convert_verb(const Arguments& arguments, Console& console);
Result<int> diff_verb(const Arguments& arguments, Console& console);
Result<int> verify_verb(const Arguments& arguments, Console& console);
Result<int> scan_verb(const Arguments& arguments, Console& console);
Result<int> formats_verb(const Arguments& arguments, Console& console);
Result<int> update_verb(const Arguments& arguments, Console& console);
Result<int> match_verb(const Arguments& arguments, Console& console);
Result<int> checkpoint_verb(const Arguments& arguments, Console& console);

// What diff_verb() does, with the flags that it has, for two paths.
Result<int> diff_paths(const Arguments& arguments, Console& console, const std::string& a, const std::string& b);

}  // namespace holdall::cli
