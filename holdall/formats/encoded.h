// Pickles and archives that stand in texts as base64 or hexadecimal digits: Stable-Baselines3 keeps what is no JSON so
// ({":serialized:": "gAWV…"} in the `data` of its archives; stable_baselines3/common/save_util.py, json_to_data) and unpickles
// it while it loads.
//
// Thread-safety: pure. Ownership: findings own their texts.
#pragma once

#include <string_view>

#include "holdall/base/limits.h"
#include "holdall/formats/format.h"
#include "holdall/objects/verdict.h"

namespace holdall {

// What a text does that a loader decodes and unpickles. Limits::value_bytes and opcodes are of each text.
void judge_encoded(std::string_view text, std::string_view where, const Limits& limits, Findings& findings);

// Whether any text of a document could be one: base64 or its variant for addresses (RFC 4648, section 5), behind blanks or as
// "data:…;base64,". Cheap: by the first few characters.
bool may_be_encoded(std::string_view text) noexcept;

// The same as judge_encoded() for such a text, also for an archive and in hexadecimal digits: nothing where it is no pickle, of
// any protocol, that imports something, or holds one that does. What it does before it breaks off counts.
void judge_maybe_encoded(std::string_view text, std::string_view where, const Context& context, Findings& findings);

}  // namespace holdall
