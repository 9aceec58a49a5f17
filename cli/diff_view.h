// Diff's two faces: a page for a terminal, and lines of fields for programs.
//
// Thread-safety: one thread. Ownership: none.
#pragma once

#include "cli/console.h"
#include "holdall/ops/diff.h"

namespace holdall::cli {

// What is only in A, what is only in B, what changed, with repeating blocks folded where that loses nothing.
void print_page(Console& console, const DiffReport& report);

// A line a difference; see `holdall diff --help`. Nothing where the models are the same.
void print_lines(Console& console, const DiffReport& report);

}  // namespace holdall::cli
