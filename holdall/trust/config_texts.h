// Texts of a configuration that are more than text to who reads them: pickles in base64, and templates under keys that do not
// say so.
//
// Thread-safety: pure functions.
#pragma once

#include <string_view>

#include "holdall/base/limits.h"
#include "holdall/objects/told.h"

namespace holdall {

// Whether a text could be a template; cheap, since documents are made of millions.
bool may_be_template(std::string_view said) noexcept;

// Whether a key, or the name of a file, is one of texts that are rendered: prompts of agents, tasks of evaluations. Other texts
// are data, whatever they say.
bool is_rendered(std::string_view name) noexcept;

// Adds what a pickle in a text would do. `place` is where it stands.
void judge_encoded_text(std::string_view said, std::string_view place, const Limits& limits, Told& told);

// Adds what a template reaches for that nobody needs; what only looks like one adds nothing.
void judge_rendered_text(std::string_view said, std::string_view place, Told& told);

}  // namespace holdall
