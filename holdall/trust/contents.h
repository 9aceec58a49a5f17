// What the contents of one file are, and what they do: a model's, a container of other files, or a side file.
//
// Thread-safety: may be called from several threads. Ownership: none.
#pragma once

#include <string>

#include "holdall/formats/format.h"
#include "holdall/trust/policy.h"

namespace holdall {

// Appends what the file's own loader would do, that the file is not understood, or that the policy forbids its format; recurses
// into archives and compressed streams, at most Limits::containers deep. What the policy allows is for the caller to leave out.
// Returns the kind: a format's id, a side file's kind, "zip", "tar", "archives" (ZIP archives one behind another), or "" for
// what is not understood.
std::string judge_contents(const Bundle& file, const Context& context, const Policy& policy, Findings& findings);

// Appends that the policy forbids the format, where it does.
void judge_format(const Format& format, const std::string& where, const Policy& policy, Findings& findings);

}  // namespace holdall
