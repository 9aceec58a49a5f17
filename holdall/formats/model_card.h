// The front matter of a model card (README.md): the YAML between its two lines of "---".
#pragma once

#include <string_view>

#include "holdall/core/value.h"

namespace holdall {

// A dict of what the front matter says: a text under each key, a list of texts where a plain list stands. Anything deeper is
// kept as the text that stands there. kNoNode where there is no front matter.
NodeId read_model_card(Arena& arena, std::string_view readme);

}  // namespace holdall
