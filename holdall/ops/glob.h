// Globs over tensor names, and renaming by them.
//
// Thread-safety and ownership: pure functions.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdall/base/result.h"

namespace holdall {

// Whether `name` fits a glob: '*' any run of characters, '?' one, "[ab]" and "[!a-z]" one of a set, '\' takes the next as it
// is.
bool glob_matches(std::string_view glob, std::string_view name) noexcept;
// Whether it fits one of them; true where there is none.
bool any_glob_matches(std::span<const std::string> globs, std::string_view name) noexcept;
// A glob that fits no name is a name mistyped. Errors: not found, for the first such glob, with the nearest of `names`.
Status require_matches(std::span<const std::string> globs, const std::vector<std::string>& names);

// The new name by the first rule (old, new) that fits: exactly, or with one '*' in both whose run is carried over. Empty where
// none fits.
std::optional<std::string> renamed(std::span<const std::pair<std::string, std::string>> rules, std::string_view name);
// Errors: invalid argument, for a rule with more than one '*', with a '*' on one side alone, or with an empty side.
Status check_rules(std::span<const std::pair<std::string, std::string>> rules);

}  // namespace holdall
