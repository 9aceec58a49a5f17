// Rule: what scan tells, by kind. rules.inc is the one table: ids, titles, what they mean and what to do.
//
// Thread-safety: pure functions over constant tables.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace holdall {

enum class Rule : std::uint8_t {
#define HOLDALL_RULE(id, name, title, means, remedy) id,
#include "holdall/objects/rules.inc"
#undef HOLDALL_RULE
};

struct RuleRow {
  std::string_view id;      // stable: "pickle-global"
  std::string_view title;   // one line, without a full stop
  std::string_view means;   // what a finding of this kind says about the file
  std::string_view remedy;  // what to do about it
};

// Every rule, in the order of Rule.
std::span<const RuleRow> all_rules() noexcept;
const RuleRow& row(Rule rule) noexcept;
std::string_view name(Rule rule) noexcept;  // its id
std::optional<Rule> rule_by_id(std::string_view id) noexcept;

}  // namespace holdall
