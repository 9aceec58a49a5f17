// What certain attributes of certain classes must be: those that loading, or the first use, calls by a name that stands in the
// file, goes through, or calls itself, whatever lies there. Chains of objects that are harmless one by one lead through them.
// Thread-safety: pure. Ownership: refers to the caller's arena.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "holdall/core/value.h"
#include "holdall/objects/globals.h"

namespace holdall {

// What is wrong with the value of an attribute of an object of the row's class; nothing for a good one.
std::optional<std::string> member_offence(const GlobalRow& row, std::string_view name, Value value);

}  // namespace holdall
