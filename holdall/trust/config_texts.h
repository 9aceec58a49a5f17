// Texts of a configuration that are more than text to who reads them: pickles in base64, and templates under keys that do not
// say so.
//
// Thread-safety: pure functions.
#pragma once

#include <string_view>

#include "holdall/base/limits.h"
#include "holdall/objects/told.h"

namespace holdall {

// Whether a text could be one of these; cheap, since documents are made of millions.
bool may_be_more(std::string_view said) noexcept;

// Adds what a pickle in it would do, and what a template in it reaches for that no chat needs: prompts of agents, tasks of
// evaluations. What is prose, or only looks like a template, adds nothing. `place` is where it stands.
void judge_config_text(std::string_view said, std::string_view place, const Limits& limits, Told& told);

}  // namespace holdall
