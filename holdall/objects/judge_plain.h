// What Python's own types and functions may be called with: values as a pickler writes them. Others would have Python compute
// for as long as a short file says, ask an object for its text, or make names that nobody has looked at.
//
// Thread-safety: pure. Ownership: refers to the caller's arena.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "holdall/core/value.h"
#include "holdall/objects/globals.h"

namespace holdall {

// What is wrong with the arguments of a call of a row's class; nothing for good ones.
std::optional<std::string> plain_offence(const GlobalRow& row, const std::vector<Value>& args);

// What is wrong with what copyreg._reconstructor gives the built-in type below a class, where that is no container.
std::optional<std::string> base_offence(Value value);

// Whether a built-in type is a container, which is given entries of any kind.
bool is_container_type(const GlobalRow& row) noexcept;

}  // namespace holdall
