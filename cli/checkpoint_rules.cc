#include "cli/checkpoint_rules.h"

#include <algorithm>

#include "cli/style.h"
#include "holdall/base/text.h"

namespace holdall::cli {
namespace {

// A folder without a complete checkpoint has nothing to hold a name against.
Status require_metric(const CheckpointFolder& folder, const BestRule& rule) {
  std::vector<std::string> known;
  bool any = false;
  for (const Checkpoint& checkpoint : folder.all()) {
    any = any || checkpoint.is_complete();
    for (const auto& [metric, value] : checkpoint.label.metrics) {
      if (metric == rule.metric) return {};
      if (std::ranges::find(known, metric) == known.end()) known.push_back(metric);
    }
  }
  if (!any) return {};
  std::string hint = did_you_mean(rule.metric, known);
  if (hint.empty() && !known.empty()) hint = "; known:";
  if (hint == "; known:")
    for (const std::string& metric : known) hint.append(" ").append(metric);
  return invalid_argument(text("no checkpoint has a metric '{}'{}", rule.metric, hint)).in(folder.path());
}

Result<std::vector<BestRule>> metrics_of(const Arguments& arguments, const CheckpointFolder& folder) {
  std::vector<BestRule> rules;
  for (const std::string& spelled : arguments.values(Flag::kMetric)) {
    auto parsed = parse_best_rule(spelled);
    if (!parsed) return invalid_argument(text("--metric: {}", parsed.error().message()));
    BestRule rule = *std::move(parsed);
    HOLDALL_TRY(require_metric(folder, rule));
    rules.push_back(std::move(rule));
  }
  return rules;
}

// What a flag's parser makes of its value, if it is given.
template <class T, class Parser>
Status take(const Arguments& arguments, Flag flag, Parser parser, std::optional<T>& into) {
  if (!arguments.has(flag)) return {};
  auto value = parser(arguments.value(flag));
  if (!value) return invalid_argument(text("--{}: {}", row(flag).name, value.error().message()));
  into = *value;
  return {};
}

}  // namespace

Result<std::optional<Rules>> rules_given(const Arguments& arguments, const CheckpointFolder& folder) {
  const std::vector<BestRule> own = folder.rules().best;
  Rules rules;
  std::optional<std::uint64_t> best;
  HOLDALL_TRY(take(arguments, Flag::kKeepLast, parse_count, rules.last));
  HOLDALL_TRY(take(arguments, Flag::kKeepEvery, parse_count, rules.every));
  HOLDALL_TRY(take(arguments, Flag::kMaxAge, parse_age, rules.age));
  HOLDALL_TRY(take(arguments, Flag::kMaxBytes, parse_size, rules.bytes));
  HOLDALL_TRY(take(arguments, Flag::kKeepBest, parse_count, best));
  HOLDALL_ASSIGN(rules.best, metrics_of(arguments, folder));
  if (best && rules.best.empty()) rules.best = own;
  if (best && rules.best.empty())
    return invalid_argument("--keep-best needs to know by which metric: --metric NAME:min or NAME:max");
  if (best)
    for (BestRule& rule : rules.best) rule.keep = *best;
  HOLDALL_TRY(rules.check());
  if (rules.keep_all()) return std::optional<Rules>();
  for (const BestRule& rule : own) {
    if (std::ranges::find(rules.best, rule.metric, &BestRule::metric) == rules.best.end()) rules.protect.push_back(rule);
  }
  return std::optional<Rules>(std::move(rules));
}

Result<BestRule> best_rule(const Arguments& arguments, const CheckpointFolder& folder) {
  HOLDALL_ASSIGN(const std::vector<BestRule> given, metrics_of(arguments, folder));
  if (given.size() > 1) return invalid_argument("--metric can be given once here: one checkpoint is the best");
  if (!given.empty()) return given.front();
  const std::vector<BestRule> own = folder.rules().best;
  if (!own.empty()) return own.front();
  return invalid_argument("the best by which metric? --metric NAME:min or NAME:max").in(folder.path());
}

}  // namespace holdall::cli
