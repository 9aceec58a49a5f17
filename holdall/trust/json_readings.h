// JSON as every reader that takes it may read it.
//
// Thread-safety: may be called from several threads. Ownership: none.
#pragma once

#include <functional>
#include <string_view>

#include "holdall/base/limits.h"
#include "holdall/base/result.h"
#include "holdall/core/value.h"

namespace holdall {

// Hands over what a document says, in an arena that lives as long as the call; where a key stands twice in one object, by its
// first value and by its last. A byte order mark and halves of surrogates are taken, as Python takes them. Errors: corrupt
// (nobody's JSON), limit.
Status each_reading(std::string_view json, const Limits& limits, const std::function<void(Value)>& use);

}  // namespace holdall
