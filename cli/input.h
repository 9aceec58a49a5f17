// Input: the paths given on the command line, "-" being standard input.
//
// Thread-safety: one thread. Ownership: the bundle owns what was read; a spool file has no name and goes with it.
#pragma once

#include <string>

#include "holdall/ops/open.h"

namespace holdall::cli {

// Opens a path. Standard input that is a file is read in place; anything else is taken in whole first, in memory up to 32 MiB
// and beyond that in a nameless file in $TMPDIR (/tmp), because formats are read by position. Errors: those of Bundle::open,
// io.
Result<Bundle> open_input(const std::string& path, const Limits& limits = {});

struct TwoModels {
  Model a, b;
};
// Two models to be held against each other. Errors: invalid argument where both are standard input; those of opening.
Result<TwoModels> open_two(const std::string& a, const std::string& b);

}  // namespace holdall::cli
