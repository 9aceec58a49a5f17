// What a chat template reaches for. Templates are Jinja, which some loaders render in the process that holds the model
// (CVE-2024-34359); here they are parsed and never rendered.
//
// Thread-safety: may be called from several threads. Ownership: findings own their texts.
#pragma once

#include <string_view>

#include "holdall/objects/verdict.h"

namespace holdall {

// Adds to `findings`: malicious for a name of Python's internals (`__class__`, also as a text that names an attribute or an
// item, or within a field of str.format), for one that is put together of pieces or computed for `|attr`, and for Python's own
// functions and modules; code for other names that are computed (`x[a ~ b]`), private attributes, calls of what is computed,
// and other templates that are loaded (include, import, from, extends). Text outside of `{{ }}` and `{% %}`, comments, and
// texts that name nothing are passed over. Unreadable for one of more than 1 MiB.
void judge_chat_template(std::string_view jinja, std::string_view where, Findings& findings);

}  // namespace holdall
