// Inspect's two faces: a designed page for a terminal, and lines of fields for programs.
//
// Thread-safety: one thread. Ownership: none.
#pragma once

#include "cli/console.h"
#include "holdall/ops/inspect.h"

namespace holdall::cli {

// Whether repeating blocks are folded into one line.
enum class Listing : unsigned char { kFolded, kEach };

// Label, tensors, optimizers and schedulers, values, configuration, metadata, warnings, verdict.
void print_page(Console& console, const Inspection& inspection, Listing listing);

// "# key<TAB>value" lines unless --quiet, then a line a tensor: name, dtype, shape, bytes, file, offset, sha256 (where read),
// min, max, mean, zeros, NaN, Inf (where read).
Status print_lines(Console& console, const Inspection& inspection);

}  // namespace holdall::cli
