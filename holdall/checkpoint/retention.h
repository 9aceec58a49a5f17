// Retention: which checkpoints of a folder are kept, by rules that compose.
//
// 1. What a keep rule wants stays: the newest `last`, the best of each metric, every `every`-th step. Without any of these
//    rules all stay.
// 2. Of those, what is older than `age`, and then, from the oldest save on, what makes the folder larger than `bytes`, goes.
// 3. Whatever the rules say, these stay: the newest complete checkpoint of each run in the folder, the best of each metric
//    named by a rule, what `every` keeps for good, and everything that is not a complete checkpoint written by Holdall.
// Thread-safety: pure. Ownership: results refer to the list they were made of.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/checkpoint/record.h"

namespace holdall {

struct BestRule {
  enum class Mode : std::uint8_t { kMin, kMax };
  std::string metric;
  Mode mode = Mode::kMin;
  std::uint64_t keep = 1;
};

struct Rules {
  std::optional<std::uint64_t> last = std::nullopt;
  std::vector<BestRule> best = {};
  std::optional<std::uint64_t> every = std::nullopt;  // steps
  std::optional<std::int64_t> age = std::nullopt;     // nanoseconds
  std::optional<std::uint64_t> bytes = std::nullopt;
  // Rules of others: the best of each metric stays as rule 3 says; none of them makes anything go. Not in the journal.
  std::vector<BestRule> protect = {};

  bool keep_all() const noexcept { return !last && best.empty() && !every && !age && !bytes; }
  // Errors: invalid argument for a count, age or size of 0, a metric without a name, two rules for one metric.
  Status check() const;
};
// "last 3, best 2 by loss (min), every 1000, age 7 days, 50000000000 bytes"; empty where nothing goes.
std::string to_string(const Rules& rules);

// "loss:min", "loss:min:3" or "loss" (min); a name with colons in it says its mode. Errors: invalid argument.
Result<BestRule> parse_best_rule(std::string_view spelled);

struct Fate {
  const Checkpoint* checkpoint = nullptr;
  bool goes = false;
  std::string why;  // "newest", "newest of its run", "best loss", "last 3", "every 1000", "older than 7 days", "not Holdall's"
};

// What is to become of each, in the order of the list. `now`: nanoseconds since 1970 UTC.
std::vector<Fate> fates_of(const std::vector<Checkpoint>& checkpoints, const Rules& rules, std::int64_t now);
std::vector<Fate> fates_of(std::vector<Checkpoint>&&, const Rules&, std::int64_t) = delete;

// write_checkpoint() with two more members: "kept", and "fate", which is `why`.
void write_checkpoint(JsonWriter& writer, const Fate& fate, std::string_view folder);

// Complete ones, the newest first: of one run by sequence, of several by step. It is the order in which they are to be tried.
std::vector<const Checkpoint*> newest_first(const std::vector<Checkpoint>& checkpoints);
// Complete ones that have the metric, the best first; of equal ones the earlier save.
std::vector<const Checkpoint*> best_first(const std::vector<Checkpoint>& checkpoints, std::string_view metric,
                                          BestRule::Mode mode);

// {"kind":"rules",…} for the journal, and back; what is not understood is left out.
std::string rules_object(const Rules& rules);
Rules parse_rules(std::string_view object);

}  // namespace holdall
