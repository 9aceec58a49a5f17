// What the contents of one file are, and what they do: a model's, a container of other files, or a side file.
//
// Thread-safety: may be called from several threads. Ownership: none.
#pragma once

#include <string>

#include "holdall/formats/format.h"

namespace holdall {

// Appends what the file's own loader would do, or that the file is not understood; recurses into archives and compressed
// streams, at most Limits::containers deep. Returns the kind: a format's id, a side file's kind, "zip", "tar", or "" for what
// is not understood.
std::string judge_contents(const Bundle& file, const Context& context, Findings& findings);

}  // namespace holdall
