#include "holdall/ops/match.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/core/quantize.h"
#include "holdall/io/execute.h"
#include "holdall/ops/compare.h"
#include "holdall/ops/digest.h"
#include "holdall/ops/json_members.h"
#include "holdall/ops/match_names.h"
#include "holdall/ops/match_values.h"
#include "holdall/ops/meter.h"

namespace holdall {
namespace {

using By = MatchedPair::By;

constexpr std::array<std::string_view, 4> kNames = {"digest", "values", "close", "name"};
static_assert(kNames.size() == static_cast<std::size_t>(By::kName) + 1);

// Above as many names on both sides together only those that say the same are compared.
constexpr std::size_t kMostNames = 4u << 20;
constexpr double kAlike = 0.35;     // where the values are the same
constexpr double kVeryAlike = 0.6;  // where they are not
constexpr std::uint64_t kFewestOfACopy = 16;

// A model's tensors, each once, under their first names.
std::vector<const NamedTensor*> distinct(const Model& model) {
  std::vector<const NamedTensor*> result;
  std::set<std::uint32_t> seen;
  for (const NamedTensor& entry : model.tensors())
    if (seen.insert(entry.index).second) result.push_back(&entry);
  return result;
}

// The same entries with the real numbers of what is quantised.
Result<std::vector<NamedTensor>> numbers_of(std::span<const NamedTensor* const> entries) {
  std::vector<NamedTensor> result;
  for (const NamedTensor* entry : entries) {
    result.push_back(*entry);
    HOLDALL_ASSIGN(result.back().tensor, real_numbers(entry->tensor));
  }
  return result;
}

std::vector<std::string> names_of(std::span<const NamedTensor* const> entries) {
  std::vector<std::string> names;
  for (const NamedTensor* entry : entries) names.push_back(entry->name);
  return names;
}

Result<std::vector<Digest>> digests_of(std::span<const NamedTensor* const> entries, const Progress& progress) {
  std::vector<NamedTensor> copies;
  for (const NamedTensor* entry : entries) copies.push_back(*entry);
  return digest_tensors(copies, progress);
}

class Matcher {
 public:
  Matcher(const Model& a, const Model& b, const MatchOptions& options)
      : options_(options),
        a_(distinct(a)),
        b_(distinct(b)),
        names_(names_of(a_), names_of(b_)),
        a_taken_(a_.size()),
        b_taken_(b_.size()) {}

  Result<MatchReport> run() {
    HOLDALL_TRY(by_digest());
    HOLDALL_ASSIGN(a_numbers_, numbers_of(a_));
    HOLDALL_ASSIGN(b_numbers_, numbers_of(b_));
    HOLDALL_TRY(by_values());
    among_equals();
    HOLDALL_TRY(by_names());
    HOLDALL_TRY(copies());
    HOLDALL_TRY(measure());
    return report();
  }

 private:
  struct Found {
    std::size_t a, b;
    By by;
    Arrangement arrangement;
    bool among_equals = false;
    bool copy = false;  // A's tensor has another partner as well
    std::optional<double> max_abs = {}, cosine = {};
  };
  using Indices = std::vector<std::size_t>;

  const Shape& a_shape(std::size_t i) const { return a_[i]->tensor.shape(); }
  const Shape& b_shape(std::size_t j) const { return b_[j]->tensor.shape(); }

  void take(Found found) {
    a_taken_[found.a] = b_taken_[found.b] = true;
    names_.know(found.a, found.b);
    found_.push_back(std::move(found));
  }

  static Indices left(const std::vector<bool>& taken) {
    Indices result;
    for (std::size_t i = 0; i < taken.size(); ++i)
      if (!taken[i]) result.push_back(i);
    return result;
  }

  // Equal bytes of one dtype, as they are or under another shape. What several of a side share is left to the names.
  Status by_digest() {
    HOLDALL_ASSIGN(const std::vector<Digest> a, digests_of(a_, options_.progress));
    HOLDALL_ASSIGN(b_digests_, digests_of(b_, options_.progress));
    const std::vector<Digest>& b = b_digests_;
    struct Both {
      Indices a, b;
    };
    std::map<std::pair<DType, Digest>, Both> places;
    for (std::size_t i = 0; i < a.size(); ++i) places[{a_[i]->tensor.dtype(), a[i]}].a.push_back(i);
    for (std::size_t j = 0; j < b.size(); ++j) places[{b_[j]->tensor.dtype(), b[j]}].b.push_back(j);
    for (auto& [digest, both] : places) {
      if (both.a.empty() || both.b.empty()) continue;
      if (both.a.size() == 1 && both.b.size() == 1) {
        take_equal(both.a.front(), both.b.front(), false);
      } else {
        equals_.emplace_back(std::move(both.a), std::move(both.b));
      }
    }
    return {};
  }

  void take_equal(std::size_t i, std::size_t j, bool among_equals) {
    Found found{i, j, By::kDigest, {}, among_equals};
    if (a_shape(i) != b_shape(j)) found.arrangement.steps.push_back({Arrangement::Step::Kind::kShape, b_shape(j)});
    take(std::move(found));
  }

  Status by_values() {
    std::vector<bool> a_out = a_taken_, b_out = b_taken_;
    for (const auto& [a, b] : equals_) {
      for (const std::size_t i : a) a_out[i] = true;
      for (const std::size_t j : b) b_out[j] = true;
    }
    const Indices a_left = left(a_out), b_left = left(b_out);
    std::vector<const NamedTensor*> a, b;
    std::uint64_t bytes = 0;
    for (const std::size_t i : a_left) a.push_back(&a_numbers_[i]);
    for (const std::size_t j : b_left) b.push_back(&b_numbers_[j]);
    for (const NamedTensor* entry : a) bytes += entry->tensor.bytes();
    for (const NamedTensor* entry : b) bytes += entry->tensor.bytes();
    Meter meter(options_.progress, bytes);
    HOLDALL_ASSIGN(std::vector<ValueMatch> matches, match_by_values(a, b, options_.least_cosine, meter));
    for (ValueMatch& match : matches) {
      take({a_left[match.a], b_left[match.b], match.same ? By::kValues : By::kClose, std::move(match.arrangement)});
    }
    return {};
  }

  // Of tensors with the same bytes (all zeros, all ones) the names tell which is which.
  void among_equals() {
    for (const auto& [a, b] : equals_) {
      if (a.size() * b.size() > kMostNames) continue;
      for (const auto& [i, j] : names_.match(a, b, kAlike)) take_equal(i, j, true);
    }
  }

  // The rest, by shapes that fit and names that say the same.
  Status by_names() {
    std::map<std::uint64_t, std::pair<Indices, Indices>> groups;
    for (const std::size_t i : left(a_taken_)) groups[a_[i]->tensor.elements()].first.push_back(i);
    for (const std::size_t j : left(b_taken_)) groups[b_[j]->tensor.elements()].second.push_back(j);
    const Votes known = votes();
    for (const auto& [count, both] : groups) {
      if (both.first.size() * both.second.size() > kMostNames) continue;
      for (const auto& [i, j] : names_.match(both.first, both.second, kVeryAlike)) {
        std::vector<Arrangement> ways = arrangements_between(a_shape(i), b_shape(j));
        if (!ways.empty()) take({i, j, By::kName, usual(known, i, j, std::move(ways))});
      }
    }
    return {};
  }

  // What B has several times over: the table of a tied head, which an exporter writes once more, transposed. Few numbers and
  // constants would be found by chance.
  Status copies() {
    Indices a_known, b_left;
    std::vector<const NamedTensor*> a, b;
    std::map<Digest, std::size_t> firsts;
    std::vector<std::pair<std::size_t, std::size_t>> doubles;  // of B: one that stands for both, the other
    for (const std::size_t j : left(b_taken_)) {
      if (b_[j]->tensor.elements() < kFewestOfACopy) continue;
      const auto [first, is_new] = firsts.emplace(b_digests_[j], j);
      if (is_new) b_left.push_back(j);
      if (!is_new && b_shape(first->second) == b_shape(j)) doubles.emplace_back(first->second, j);
    }
    for (std::size_t i = 0; i < a_.size(); ++i)
      if (a_taken_[i]) a_known.push_back(i);
    for (const std::size_t i : a_known) a.push_back(&a_numbers_[i]);
    for (const std::size_t j : b_left) b.push_back(&b_numbers_[j]);
    if (b.empty()) return {};
    std::uint64_t bytes = 0;
    for (const NamedTensor* entry : a) bytes += entry->tensor.bytes();
    for (const NamedTensor* entry : b) bytes += entry->tensor.bytes();
    Meter meter(options_.progress, bytes);
    constexpr double kNone = 2;  // no cosine is as high: those that are the same alone
    HOLDALL_ASSIGN(std::vector<ValueMatch> matches, match_by_values(a, b, kNone, meter));
    for (ValueMatch& match : matches) {
      if (match.constant) continue;
      const std::size_t i = a_known[match.a], j = b_left[match.b];
      for (const auto& [first, other] : doubles)
        if (first == j) take_copy(i, other, match.arrangement);
      take_copy(i, j, std::move(match.arrangement));
    }
    return {};
  }

  void take_copy(std::size_t i, std::size_t j, Arrangement arrangement) {
    Found found{i, j, By::kValues, std::move(arrangement)};
    found.copy = true;
    take(std::move(found));
  }

  // What a pair has in common with others of its kind: the last parts of the names and the numbers of axes.
  using Kind = std::tuple<std::string, std::string, std::size_t, std::size_t>;
  Kind kind_of(std::size_t i, std::size_t j) const {
    const auto last_part = [](const std::string& name) { return name.substr(name.find_last_of("./") + 1); };
    return {last_part(a_[i]->name), last_part(b_[j]->name), a_shape(i).size(), b_shape(j).size()};
  }

  // How often pairs of each kind whose values told it took each order of axes.
  using Votes = std::map<Kind, std::map<Shape, std::size_t>>;
  Votes votes() const {
    Votes result;
    for (const Found& found : found_)
      if (!found.among_equals) ++result[kind_of(found.a, found.b)][axes(found.arrangement)];
    return result;
  }

  // Of several ways the one that most pairs of its kind took.
  Arrangement usual(const Votes& votes, std::size_t i, std::size_t j, std::vector<Arrangement> ways) const {
    const auto known = votes.find(kind_of(i, j));
    if (known == votes.end()) return std::move(ways.front());
    const auto count = [&](const Arrangement& way) {
      const auto found = known->second.find(axes(way));
      return found == known->second.end() ? std::size_t{0} : found->second;
    };
    const auto fewer = [&](const Arrangement& x, const Arrangement& y) { return count(x) < count(y); };
    return std::move(*std::max_element(ways.begin(), ways.end(), fewer));
  }

  static Shape axes(const Arrangement& arrangement) {
    for (const Arrangement::Step& step : arrangement.steps)
      if (step.kind == Arrangement::Step::Kind::kAxes) return step.values;
    return {};
  }

  // Compares all elements of what a sample or a name paired. What is not as near as it seemed is no pair.
  Status measure() {
    std::vector<NamedTensor> mine;
    std::vector<std::size_t> which;
    std::uint64_t bytes = 0;
    for (std::size_t k = 0; k < found_.size(); ++k) {
      const Found& found = found_[k];
      const DType dtype = a_[found.a]->tensor.dtype();
      if (found.by == By::kDigest || !can_compare(dtype) || !can_compare(b_[found.b]->tensor.dtype())) continue;
      NamedTensor entry = a_numbers_[found.a];
      Result<Tensor> tensor = arranged(entry.tensor, found.arrangement);
      if (!tensor) return std::move(tensor).error().with(text("tensor '{}'", entry.name));
      entry.tensor = std::move(*tensor);
      bytes += entry.tensor.bytes() + b_numbers_[found.b].tensor.bytes();
      mine.push_back(std::move(entry));
      which.push_back(k);
    }
    std::vector<TensorPair> pairs;
    for (std::size_t k = 0; k < which.size(); ++k) pairs.push_back({&mine[k], &b_numbers_[found_[which[k]].b]});
    Meter meter(options_.progress, bytes);
    HOLDALL_ASSIGN(const auto differing, compare_tensors(pairs, {}, meter));
    std::vector<bool> differs(which.size());
    for (const auto& [k, comparison] : differing) {
      differs[k] = comparison.differing != 0;
      found_[which[k]].max_abs = comparison.max_abs;
      found_[which[k]].cosine = comparison.cosine;
    }
    grade(which, differs);
    return {};
  }

  static bool can_compare(DType dtype) { return dtype != DType::kString && dtype != DType::kRecord; }

  void grade(const std::vector<std::size_t>& which, const std::vector<bool>& differs) {
    std::set<std::size_t> gone;
    for (std::size_t k = 0; k < which.size(); ++k) {
      Found& found = found_[which[k]];
      if (found.copy) {
        if (differs[k]) gone.insert(which[k]);
      } else if (!differs[k]) {
        found.among_equals = found.by == By::kName;
        found.by = By::kValues;
      } else if (found.by != By::kName) {
        found.by = By::kClose;
        if (found.cosine.value_or(0) < options_.least_cosine) gone.insert(which[k]);
      } else if (found.cosine.value_or(0) >= options_.least_cosine) {
        found.by = By::kClose;
      }
    }
    std::vector<Found> kept;
    for (std::size_t k = 0; k < found_.size(); ++k) {
      if (gone.contains(k)) {
        b_taken_[found_[k].b] = false;
        if (!found_[k].copy) a_taken_[found_[k].a] = false;
      } else {
        kept.push_back(std::move(found_[k]));
      }
    }
    found_ = std::move(kept);
  }

  MatchReport report() {
    MatchReport result;
    std::sort(found_.begin(), found_.end(),
              [](const Found& x, const Found& y) { return std::tie(x.a, x.copy, x.b) < std::tie(y.a, y.copy, y.b); });
    for (Found& found : found_) {
      const NamedTensor& a = *a_[found.a];
      const NamedTensor& b = *b_[found.b];
      result.pairs.push_back({a.name, b.name, found.by, a.tensor.dtype(), b.tensor.dtype(), a.tensor.shape(), b.tensor.shape(),
                              std::move(found.arrangement), found.max_abs, found.cosine, found.among_equals});
    }
    for (const std::size_t i : left(a_taken_)) result.only_a.push_back(a_[i]->name);
    for (const std::size_t j : left(b_taken_)) result.only_b.push_back(b_[j]->name);
    return result;
  }

  const MatchOptions& options_;
  const std::vector<const NamedTensor*> a_, b_;
  std::vector<NamedTensor> a_numbers_, b_numbers_;
  std::vector<Digest> b_digests_;
  NameMatcher names_;
  std::vector<bool> a_taken_, b_taken_;
  std::vector<std::pair<Indices, Indices>> equals_;
  std::vector<Found> found_;
};

}  // namespace

std::string_view name(MatchedPair::By by) noexcept { return kNames[static_cast<std::size_t>(by)]; }

Result<MatchReport> match_models(const Model& a, const Model& b, const MatchOptions& options) {
  HOLDALL_ASSIGN(MatchReport report, Matcher(a, b, options).run());
  report.a = a.origin().path;
  report.b = b.origin().path;
  return report;
}

Result<MatchReport> match_models(const std::string& a, const std::string& b, const MatchOptions& options) {
  HOLDALL_ASSIGN(const Model model_a, open_model(a, options.open));
  HOLDALL_ASSIGN(const Model model_b, open_model(b, options.open));
  return match_models(model_a, model_b, options);
}

Result<std::string> names_of(const MatchReport& report) {
  std::string lines = text("# Of {} in {}\n", report.a, report.b);
  std::replace(lines.begin(), lines.end() - 1, '\n', ' ');
  for (const MatchedPair& pair : report.pairs) {
    HOLDALL_ASSIGN(const std::string line, to_line({pair.a, pair.b, pair.arrangement}));
    lines += line + "\n";
  }
  for (const std::string& each : report.only_a) {
    HOLDALL_ASSIGN(const std::string line, to_line({each, "", {}}));
    lines += line + "\n";
  }
  for (const std::string& each : report.only_b) {
    HOLDALL_ASSIGN(const std::string line, to_line({each, "", {}}));
    lines += "# only there: " + line.substr(0, line.size() - 1) + "\n";
  }
  return lines;
}

Status save_names(const MatchReport& report, const std::string& path) {
  HOLDALL_ASSIGN(const std::string lines, names_of(report));
  Plan plan;
  plan.files.emplace_back();
  plan.files.back().add(Part::Stream{
      [&](const std::function<Status(std::span<const std::byte>)>& write) { return write(std::as_bytes(std::span(lines))); }});
  return execute(plan, path);
}

void write_match(JsonWriter& writer, const MatchReport& report) {
  writer.begin_object().key("a").string(report.a).key("b").string(report.b).key("complete").boolean(report.complete());
  writer.key("pairs").begin_array();
  for (const MatchedPair& pair : report.pairs) {
    writer.begin_object().key("a").string(pair.a).key("b").string(pair.b).key("by").string(name(pair.by));
    writer.key("dtype_a").string(name(pair.a_dtype)).key("dtype_b").string(name(pair.b_dtype));
    write_sizes(writer, "shape_a", pair.a_shape);
    write_sizes(writer, "shape_b", pair.b_shape);
    writer.key("steps").string(to_string(pair.arrangement));
    write_optional(writer, "max_abs", pair.max_abs);
    write_optional(writer, "cosine", pair.cosine);
    writer.key("ambiguous").boolean(pair.by_name_among_equals).end_object();
  }
  writer.end_array();
  write_strings(writer, "only_a", report.only_a);
  write_strings(writer, "only_b", report.only_b);
  writer.end_object();
}

}  // namespace holdall
