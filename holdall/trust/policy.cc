#include "holdall/trust/policy.h"

#include <algorithm>

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include "holdall/base/printable.h"
#include "holdall/base/text.h"
#include "holdall/formats/format.h"
#include "holdall/io/bundle.h"

namespace holdall {
namespace {

constexpr std::uint64_t kMostBytes = 1u << 20;
using Names = std::set<std::string, std::less<>>;

std::string line_of(const toml::node& node) { return text("line {}: ", node.source().begin.line); }

// The table of this name; nullptr where there is none.
Result<const toml::table*> part(const toml::table& root, std::string_view key) {
  const toml::node* node = root.get(key);
  if (node == nullptr) return nullptr;
  if (node->is_table()) return node->as_table();
  return invalid_argument(text("{}'{}' is a table: [{}]", line_of(*node), key, key));
}

Status only_keys(const toml::table& table, std::span<const std::string_view> keys, std::string_view within) {
  for (const auto& [key, node] : table) {
    if (std::find(keys.begin(), keys.end(), key.str()) != keys.end()) continue;
    std::string known;
    for (const std::string_view each : keys) known += text("{}{}", known.empty() ? "" : ", ", each);
    return invalid_argument(text("{}there is no key '{}'{}, only {}", line_of(node), printable(key.str()), within, known));
  }
  return {};
}

// Strings of a key; empty where the key is absent.
Result<std::optional<std::vector<std::string>>> strings(const toml::table* table, std::string_view key) {
  const toml::node* node = table == nullptr ? nullptr : table->get(key);
  if (node == nullptr) return std::optional<std::vector<std::string>>();
  std::vector<std::string> all;
  if (!node->is_array()) return invalid_argument(text("{}'{}' is a list of strings", line_of(*node), key));
  for (const toml::node& item : *node->as_array()) {
    if (!item.is_string()) return invalid_argument(text("{}'{}' is a list of strings", line_of(item), key));
    all.emplace_back(item.as_string()->get());
  }
  return std::optional(std::move(all));
}

Result<Names> format_names(const std::vector<std::string>& given) {
  for (const std::string& id : given)
    if (format_by_id(id) == nullptr) return invalid_argument(text("there is no format '{}'", printable(id)));
  return Names(given.begin(), given.end());
}

}  // namespace

Result<Policy> Policy::parse(std::string_view source, std::string_view where) {
  const auto named = [&](const Error& error) { return Error(error).in(std::string(where)); };
  const toml::parse_result parsed = toml::parse(source, where);
  if (!parsed) {
    return named(
        invalid_argument(text("line {}: {}", parsed.error().source().begin.line, printable(parsed.error().description()))));
  }
  Policy policy;
  const auto fill = [&](const toml::table& root) -> Status {
    constexpr std::string_view kParts[] = {"allow", "forbid"}, kAllow[] = {"names", "rules", "formats"},
                               kForbid[] = {"formats"};
    HOLDALL_TRY(only_keys(root, kParts, ""));
    HOLDALL_ASSIGN(const toml::table* const allow, part(root, "allow"));
    HOLDALL_ASSIGN(const toml::table* const forbid, part(root, "forbid"));
    if (allow != nullptr) HOLDALL_TRY(only_keys(*allow, kAllow, " in [allow]"));
    if (forbid != nullptr) HOLDALL_TRY(only_keys(*forbid, kForbid, " in [forbid]"));
    HOLDALL_ASSIGN(const auto names, strings(allow, "names"));
    for (const std::string& name : names.value_or(std::vector<std::string>())) {
      const std::size_t star = name.find('*');
      if (star == std::string::npos) {
        policy.names_.insert(name);
      } else if (star + 1 == name.size() && name.ends_with(".*") && name.size() > 2) {
        policy.packages_.push_back(name.substr(0, name.size() - 1));
      } else {
        return invalid_argument(
            text("'{}' is neither a name nor a package: a '*' stands at the end, after a dot", printable(name)));
      }
    }
    HOLDALL_ASSIGN(const auto rules, strings(allow, "rules"));
    for (const std::string& id : rules.value_or(std::vector<std::string>())) {
      const std::optional<Rule> rule = rule_by_id(id);
      if (!rule) return invalid_argument(text("there is no rule '{}'", printable(id)));
      policy.rules_.insert(*rule);
    }
    HOLDALL_ASSIGN(const auto formats, strings(allow, "formats"));
    if (formats) {
      HOLDALL_ASSIGN(policy.formats_, format_names(*formats));
    }
    HOLDALL_ASSIGN(const auto forbidden, strings(forbid, "formats"));
    HOLDALL_ASSIGN(policy.forbidden_, format_names(forbidden.value_or(std::vector<std::string>())));
    return {};
  };
  if (Status status = fill(parsed.table()); !status) return named(status.error());
  policy.path_ = where;
  return policy;
}

Result<Policy> Policy::read(const std::string& path) {
  HOLDALL_ASSIGN(const Bundle file, Bundle::open(path, Limits{}));
  if (file.kind() == Bundle::Kind::kFolder) return invalid_argument("a policy is a file, not a folder").in(path);
  HOLDALL_ASSIGN(const Bytes bytes, read_all(*file.main(), kMostBytes));
  return parse(bytes.text(), path);
}

bool Policy::allows(const Finding& finding) const {
  if (finding.severity != Verdict::kCode && finding.severity != Verdict::kMalicious) return false;
  if (!finding.subject.empty() && names_.contains(finding.subject)) return true;
  if (finding.severity != Verdict::kCode) return false;
  if (rules_.contains(finding.rule)) return true;
  if (finding.subject.find(':') != std::string::npos) return false;
  return std::any_of(packages_.begin(), packages_.end(),
                     [&](const std::string& package) { return finding.subject.starts_with(package); });
}

bool Policy::allows_format(std::string_view id) const {
  return !forbidden_.contains(id) && (!formats_ || formats_->contains(id));
}

}  // namespace holdall
