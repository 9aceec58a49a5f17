#include "holdall/objects/rule.h"

#include <algorithm>
#include <iterator>

namespace holdall {

namespace {

constexpr RuleRow kRules[] = {
#define HOLDALL_RULE(id, name, title, means, remedy) {name, title, means, remedy},
#include "holdall/objects/rules.inc"
#undef HOLDALL_RULE
};

}  // namespace

std::span<const RuleRow> all_rules() noexcept { return kRules; }

const RuleRow& row(Rule rule) noexcept { return kRules[static_cast<std::size_t>(rule)]; }

std::string_view name(Rule rule) noexcept { return row(rule).id; }

std::optional<Rule> rule_by_id(std::string_view id) noexcept {
  const auto* found = std::find_if(std::begin(kRules), std::end(kRules), [&](const RuleRow& one) { return one.id == id; });
  if (found == std::end(kRules)) return std::nullopt;
  return static_cast<Rule>(found - std::begin(kRules));
}

}  // namespace holdall
