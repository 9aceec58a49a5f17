#include "holdall/checkpoint/retention.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "holdall/base/text.h"

namespace holdall {
namespace {

using Token = JsonReader::Token;

std::string_view name(BestRule::Mode mode) { return mode == BestRule::Mode::kMin ? "min" : "max"; }

std::string days(std::int64_t nanoseconds) {
  const double hours = static_cast<double>(nanoseconds) / 3.6e12;
  if (hours < 2) return text("{:g} minutes", hours * 60);
  return hours < 48 ? text("{:g} hours", hours) : text("{:g} days", hours / 24);
}

class Judge {
 public:
  Judge(const std::vector<Checkpoint>& checkpoints, const Rules& rules, std::int64_t now)
      : checkpoints_(checkpoints), rules_(rules), now_(now), newest_(newest_first(checkpoints)), rulings_(checkpoints.size()) {}

  std::vector<Fate> judge() {
    keep();
    drop_old();
    drop_large();
    std::vector<Fate> fates;
    for (const Checkpoint& checkpoint : checkpoints_) {
      Fate fate{&checkpoint, false, ""};
      if (!checkpoint.is_complete()) {
        fate.why = std::string(holdall::name(checkpoint.state));
      } else {
        Ruling& ruling = of(&checkpoint);
        fate.goes = !ruling.kept;
        fate.why = std::move(ruling.why);
      }
      fates.push_back(std::move(fate));
    }
    return fates;
  }

 private:
  struct Ruling {
    bool kept = false;
    bool always = false;
    std::string why = "no rule keeps it";
  };
  Ruling& of(const Checkpoint* checkpoint) { return rulings_[static_cast<std::size_t>(checkpoint - checkpoints_.data())]; }

  void want(const Checkpoint* checkpoint, std::string why, bool always) {
    Ruling& ruling = of(checkpoint);
    if (!ruling.kept) ruling.why = std::move(why);
    ruling.kept = true;
    ruling.always = ruling.always || always;
  }

  // The first reason that is named is the strongest.
  void keep() {
    // Files copied in from another run may be further on than this one: what was saved last stays all the same.
    std::set<std::string_view> runs;
    for (const Checkpoint* checkpoint : newest_)
      if (runs.insert(checkpoint->run).second) want(checkpoint, runs.size() == 1 ? "newest" : "newest of its run", true);
    for (const BestRule& rule : rules_.best) {
      const auto best = best_first(checkpoints_, rule.metric, rule.mode);
      for (std::size_t i = 0; i < std::min<std::size_t>(best.size(), rule.keep); ++i)
        want(best[i], i == 0 ? text("best {}", rule.metric) : text("best {} {}", rule.keep, rule.metric), i == 0);
    }
    for (const BestRule& rule : rules_.protect) {
      const auto best = best_first(checkpoints_, rule.metric, rule.mode);
      if (!best.empty()) want(best.front(), text("best {}", rule.metric), true);
    }
    for (const Checkpoint* checkpoint : newest_) {
      if (rules_.every && checkpoint->label.step % static_cast<std::int64_t>(*rules_.every) == 0)
        want(checkpoint, text("every {}", *rules_.every), true);
    }
    for (std::size_t i = 0; rules_.last && i < std::min<std::size_t>(newest_.size(), *rules_.last); ++i)
      want(newest_[i], text("last {}", *rules_.last), false);
    const bool all = !rules_.last && rules_.best.empty() && !rules_.every;
    for (const Checkpoint* checkpoint : newest_)
      if (all) want(checkpoint, "no rule", false);
  }

  // Nanoseconds from an earlier time on, whatever a file claims that to be.
  std::uint64_t since(std::int64_t earlier) const {
    return static_cast<std::uint64_t>(now_) - static_cast<std::uint64_t>(earlier);
  }

  void drop(const Checkpoint* checkpoint, std::string why) {
    of(checkpoint).kept = false;
    of(checkpoint).why = std::move(why);
  }

  // A clock that went back makes nothing old.
  void drop_old() {
    for (const Checkpoint* checkpoint : newest_) {
      if (!rules_.age || !of(checkpoint).kept || of(checkpoint).always) continue;
      if (checkpoint->time < now_ && since(checkpoint->time) > static_cast<std::uint64_t>(*rules_.age))
        drop(checkpoint, text("older than {}", days(*rules_.age)));
    }
  }

  void drop_large() {
    if (!rules_.bytes) return;
    std::uint64_t bytes = 0;
    for (const Checkpoint* checkpoint : newest_)
      if (of(checkpoint).kept) bytes += checkpoint->bytes;
    for (auto oldest = newest_.rbegin(); oldest != newest_.rend() && bytes > *rules_.bytes; ++oldest) {
      if (!of(*oldest).kept || of(*oldest).always) continue;
      bytes -= (*oldest)->bytes;
      drop(*oldest, text("more than {} bytes", *rules_.bytes));
    }
  }

  const std::vector<Checkpoint>& checkpoints_;
  const Rules& rules_;
  std::int64_t now_;
  std::vector<const Checkpoint*> newest_;
  std::vector<Ruling> rulings_;  // of each, in the order of the list
};

Result<std::uint64_t> count_of(std::string_view spelled) {
  std::uint64_t count = 0;
  const auto read = std::from_chars(spelled.data(), spelled.data() + spelled.size(), count);
  if (read.ec != std::errc() || read.ptr != spelled.data() + spelled.size() || count == 0)
    return invalid_argument(text("'{}' is no count of 1 or more", spelled));
  return count;
}

}  // namespace

Status Rules::check() const {
  if (last && *last == 0) return invalid_argument("keeping the last 0 would keep nothing to go on from");
  if (every && (*every == 0 || *every > INT64_MAX)) return invalid_argument("every 0th step is no step");
  if (age && *age <= 0) return invalid_argument("an age of 0 or less would keep nothing");
  if (bytes && *bytes == 0) return invalid_argument("0 bytes would keep nothing");
  std::set<std::string_view> metrics;
  for (const BestRule& rule : best) {
    if (rule.metric.empty()) return invalid_argument("the best by a metric without a name");
    if (rule.keep == 0) return invalid_argument(text("the best 0 by {} would keep none", rule.metric));
    if (!metrics.insert(rule.metric).second) return invalid_argument(text("two rules for the best by {}", rule.metric));
  }
  return {};
}

std::string to_string(const Rules& rules) {
  std::string out;
  const auto add = [&](const std::string& rule) { out.append(out.empty() ? "" : ", ").append(rule); };
  if (rules.last) add(text("last {}", *rules.last));
  for (const BestRule& rule : rules.best) add(text("best {} by {} ({})", rule.keep, rule.metric, name(rule.mode)));
  if (rules.every) add(text("every {}", *rules.every));
  if (rules.age) add(text("age {}", days(*rules.age)));
  if (rules.bytes) add(text("{} bytes", *rules.bytes));
  if (rules.keep_all()) return out;
  for (const BestRule& rule : rules.protect) add(text("never the best by {} ({})", rule.metric, name(rule.mode)));
  return out;
}

void write_checkpoint(JsonWriter& writer, const Fate& fate, std::string_view folder) {
  writer.begin_object();
  write_members(writer, *fate.checkpoint, folder);
  writer.key("kept").boolean(!fate.goes).key("fate").string(fate.why).end_object();
}

Result<BestRule> parse_best_rule(std::string_view spelled) {
  // From its end: a metric's name may hold colons itself.
  std::string_view left = spelled;
  const auto last_part = [&left] {
    const std::size_t colon = left.rfind(':');
    const std::string_view part = colon == std::string_view::npos ? std::string_view() : left.substr(colon + 1);
    left = left.substr(0, std::min(colon, left.size()));
    return part;
  };
  const auto is_mode = [](std::string_view part) { return part == "min" || part == "max"; };
  BestRule rule;
  if (spelled.find(':') != std::string_view::npos) {
    std::string_view mode = last_part();
    if (!is_mode(mode)) {
      const std::string_view count = std::exchange(mode, last_part());
      if (!is_mode(mode)) return invalid_argument(text("'{}' is neither min nor max", count));
      HOLDALL_ASSIGN(rule.keep, count_of(count));
    }
    rule.mode = mode == "max" ? BestRule::Mode::kMax : BestRule::Mode::kMin;
  }
  rule.metric = std::string(left);
  if (rule.metric.empty()) return invalid_argument(text("'{}' needs a metric's name: NAME, NAME:min or NAME:max", spelled));
  return rule;
}

std::vector<Fate> fates_of(const std::vector<Checkpoint>& checkpoints, const Rules& rules, std::int64_t now) {
  return Judge(checkpoints, rules, now).judge();
}

std::vector<const Checkpoint*> newest_first(const std::vector<Checkpoint>& checkpoints) {
  std::map<std::string_view, std::vector<const Checkpoint*>> runs;
  std::size_t count = 0;
  for (const Checkpoint& checkpoint : checkpoints) {
    if (!checkpoint.is_complete()) continue;
    runs[checkpoint.run].push_back(&checkpoint);
    ++count;
  }
  const auto older = [](const Checkpoint* a, const Checkpoint* b) {
    if (a->sequence != b->sequence) return a->sequence < b->sequence;
    return a->label.step < b->label.step;
  };
  for (auto& [run, list] : runs) std::stable_sort(list.begin(), list.end(), older);
  // The newest of each run in turn: the one with the highest step of them. Equal ones in the order of the runs' names.
  using Run = std::vector<const Checkpoint*>;
  const auto later = [](const std::pair<std::size_t, Run*>& a, const std::pair<std::size_t, Run*>& b) {
    const auto rank = [](const auto& run) { return std::tuple(run.second->back()->label.step, run.second->back()->time); };
    return rank(a) != rank(b) ? rank(a) < rank(b) : a.first > b.first;
  };
  std::vector<std::pair<std::size_t, Run*>> heap;
  for (auto& [run, list] : runs) heap.emplace_back(heap.size(), &list);
  std::make_heap(heap.begin(), heap.end(), later);
  std::vector<const Checkpoint*> order;
  order.reserve(count);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    order.push_back(heap.back().second->back());
    heap.back().second->pop_back();
    heap.back().second->empty() ? heap.pop_back() : std::push_heap(heap.begin(), heap.end(), later);
  }
  return order;
}

std::vector<const Checkpoint*> best_first(const std::vector<Checkpoint>& checkpoints, std::string_view metric,
                                          BestRule::Mode mode) {
  std::vector<const Checkpoint*> order;
  for (const Checkpoint& checkpoint : checkpoints)
    if (checkpoint.is_complete() && checkpoint.metric(metric)) order.push_back(&checkpoint);
  std::stable_sort(order.begin(), order.end(), [&](const Checkpoint* a, const Checkpoint* b) {
    const double first = *a->metric(metric);
    const double second = *b->metric(metric);
    if (first != second) return mode == BestRule::Mode::kMin ? first < second : first > second;
    return std::pair(a->sequence, a->label.step) < std::pair(b->sequence, b->label.step);
  });
  return order;
}

std::string rules_object(const Rules& rules) {
  JsonWriter writer;
  writer.begin_object().key("kind").string("rules");
  if (rules.last) writer.key("last").unsigned_integer(*rules.last);
  if (rules.every) writer.key("every").unsigned_integer(*rules.every);
  if (rules.age) writer.key("age").integer(*rules.age);
  if (rules.bytes) writer.key("bytes").unsigned_integer(*rules.bytes);
  writer.key("best").begin_array();
  for (const BestRule& rule : rules.best) writer.string(text("{}:{}:{}", rule.metric, name(rule.mode), rule.keep));
  writer.end_array().end_object();
  return std::move(writer).take();
}

Rules parse_rules(std::string_view object) {
  Rules rules;
  JsonReader reader(object);
  std::string key;
  for (auto item = reader.next(); item && item->token != Token::kEnd; item = reader.next()) {
    if (item->token == Token::kKey) {
      key = std::string(item->text);
    } else if (item->token == Token::kInteger) {
      const auto value = integer_of(*item);
      if (!value || *value <= 0) continue;
      if (key == "last") rules.last = static_cast<std::uint64_t>(*value);
      if (key == "every") rules.every = static_cast<std::uint64_t>(*value);
      if (key == "age") rules.age = *value;
      if (key == "bytes") rules.bytes = static_cast<std::uint64_t>(*value);
    } else if (item->token == Token::kString && key == "best") {
      if (item->text.find(':') == std::string_view::npos) continue;  // no writer's
      if (auto rule = parse_best_rule(item->text)) rules.best.push_back(*std::move(rule));
    }
  }
  return rules;
}

}  // namespace holdall
