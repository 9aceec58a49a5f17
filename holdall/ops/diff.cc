#include "holdall/ops/diff.h"

#include <cmath>

#include "holdall/base/text.h"
#include "holdall/ops/compare.h"
#include "holdall/ops/flatten.h"
#include "holdall/ops/glob.h"
#include "holdall/ops/json_members.h"
#include "holdall/ops/meter.h"

namespace holdall {
namespace {

std::string shortened(const std::string& json) {
  constexpr std::size_t kMost = 200;
  if (json.size() <= kMost) return json;
  std::size_t end = kMost;
  while (end > 0 && (static_cast<unsigned char>(json[end]) & 0xc0) == 0x80) --end;  // not inside of a character
  return json.substr(0, end) + "…";
}

// What came of comparing two values; those that stand in many places one after another are compared and written out once,
// however long they are.
struct Compared {
  NodeId a = kNoNode, b = kNoNode;
  bool equal = false;
  std::string a_text, b_text;  // where they are not equal

  Compared() = default;
  Compared(const FlatTree& left, std::size_t i, const FlatTree& right, std::size_t j)
      : a(left.node(i)), b(right.node(j)), equal(left.has_value_of(i, right, j)) {
    if (equal) return;
    a_text = shortened(left.value(i));
    b_text = shortened(right.value(j));
  }
  bool is_of(NodeId x, NodeId y) const noexcept { return a == x && b == y && x != kNoNode && y != kNoNode; }
};

std::vector<TreeDifference> compare_trees(const Model& a, const Model& b) {
  // A container that keeps no tree says nothing about kinds of dicts: only plain values can be compared with it.
  const Detail detail = is_names_only(a) || is_names_only(b) ? Detail::kPlain : Detail::kAll;
  const FlatTree left(a.tree(), detail);
  const FlatTree right(b.tree(), detail);
  std::vector<bool> met(right.size());
  std::vector<TreeDifference> differences;
  Compared last;
  for (std::size_t i = 0; i < left.size(); ++i) {
    const auto other = left.counterpart(i, right);
    if (!other) {
      differences.push_back({TreeDifference::Kind::kOnlyA, left.path(i), shortened(left.value(i)), {}});
      continue;
    }
    met[*other] = true;
    if (!last.is_of(left.node(i), right.node(*other))) last = Compared(left, i, right, *other);
    if (!last.equal) differences.push_back({TreeDifference::Kind::kChanged, left.path(i), last.a_text, last.b_text});
  }
  for (std::size_t j = 0; j < right.size(); ++j) {
    if (!met[j]) differences.push_back({TreeDifference::Kind::kOnlyB, right.path(j), {}, shortened(right.value(j))});
  }
  return differences;
}

// The tensors of one shape that both have, in the order of A, and what needs no look at the bytes: those that only one of the
// two has and those whose shapes differ.
struct Matched {
  std::vector<TensorPair> pairs;
  std::vector<TensorPair> misshapen;
};

Matched match(const Model& a, const Model& b, const DiffOptions& options, DiffReport& report) {
  Matched matched;
  const bool keep = options.names == DiffOptions::Names::kKeep;
  const auto form = [](const NamedTensor& entry) { return TensorForm{entry.tensor.dtype(), entry.tensor.shape()}; };
  for (const NamedTensor& entry : a.tensors()) {
    if (!any_glob_matches(options.tensors, entry.name)) continue;
    if (keep) report.names.push_back(entry.name);
    const NamedTensor* other = b.find(entry.name);
    if (other == nullptr) {
      report.only_a.push_back(entry.name);
      if (keep) report.only_a_forms.push_back(form(entry));
      continue;
    }
    ++report.compared;
    const bool one_shape = entry.tensor.shape() == other->tensor.shape();
    (one_shape ? matched.pairs : matched.misshapen).push_back({&entry, other});
  }
  for (const NamedTensor& entry : b.tensors()) {
    if (!any_glob_matches(options.tensors, entry.name) || a.find(entry.name) != nullptr) continue;
    report.only_b.push_back(entry.name);
    if (keep) report.only_b_forms.push_back(form(entry));
  }
  return matched;
}

TensorDifference difference_of(const TensorPair& pair) {
  TensorDifference difference;
  difference.name = pair.name();
  difference.a_dtype = pair.a().dtype();
  difference.b_dtype = pair.b().dtype();
  difference.a_shape = pair.a().shape();
  difference.b_shape = pair.b().shape();
  return difference;
}

// What differs, in the order of A. `found` names pairs by their place.
std::vector<TensorDifference> changes(const Matched& matched, const std::vector<std::pair<std::size_t, Comparison>>& found) {
  std::vector<TensorDifference> changed;
  auto misshapen = matched.misshapen.begin();
  const auto add_misshapen_before = [&](const NamedTensor* entry) {
    for (; misshapen != matched.misshapen.end() && (entry == nullptr || misshapen->a_entry < entry); ++misshapen)
      changed.push_back(difference_of(*misshapen));
  };
  for (const auto& [place, comparison] : found) {
    const TensorPair& pair = matched.pairs[place];
    if (comparison.agree && pair.a().dtype() == pair.b().dtype()) continue;
    add_misshapen_before(pair.a_entry);
    TensorDifference& difference = changed.emplace_back(difference_of(pair));
    difference.max_abs = comparison.max_abs;
    difference.max_rel = comparison.max_rel;
    difference.cosine = comparison.cosine;
    difference.differing = comparison.differing;
  }
  add_misshapen_before(nullptr);
  return changed;
}

void write_shape(JsonWriter& writer, DType dtype, const Shape& shape) {
  writer.begin_object().key("dtype").string(name(dtype));
  write_sizes(writer, "shape", shape);
  writer.end_object();
}

}  // namespace

Result<DiffReport> diff_models(const Model& a, const Model& b, const DiffOptions& options) {
  if (!(options.atol >= 0) || !(options.rtol >= 0)) return invalid_argument("a tolerance is not negative and is a number");
  DiffReport report;
  report.a = a.origin().path;
  report.b = b.origin().path;
  {
    const Matched matched = match(a, b, options, report);
    for (const TensorPair& pair : matched.pairs) report.bytes += pair.a().bytes() + pair.b().bytes();
    Meter meter(options.progress, report.bytes);
    HOLDALL_ASSIGN(const auto found, compare_tensors(matched.pairs, {options.atol, options.rtol}, meter));
    report.changed = changes(matched, found);
  }
  if (options.tensors.empty()) report.tree = compare_trees(a, b);
  report.same = report.only_a.empty() && report.only_b.empty() && report.changed.empty() && report.tree.empty();
  return report;
}

Result<DiffReport> diff_models(const std::string& a, const std::string& b, const DiffOptions& options) {
  HOLDALL_ASSIGN(const Model left, open_model(a, options.open));
  HOLDALL_ASSIGN(const Model right, open_model(b, options.open));
  HOLDALL_ASSIGN(DiffReport report, diff_models(left, right, options));
  report.a = a;
  report.b = b;
  return report;
}

void write_difference(JsonWriter& writer, const DiffReport& report) {
  writer.begin_object();
  writer.key("a").string(report.a).key("b").string(report.b);
  writer.key("same").boolean(report.same);
  writer.key("compared").unsigned_integer(report.compared);
  write_strings(writer, "only_a", report.only_a);
  write_strings(writer, "only_b", report.only_b);
  writer.key("changed").begin_array();
  for (const TensorDifference& difference : report.changed) {
    writer.begin_object().key("name").string(difference.name);
    writer.key("a");
    write_shape(writer, difference.a_dtype, difference.a_shape);
    writer.key("b");
    write_shape(writer, difference.b_dtype, difference.b_shape);
    write_optional(writer, "max_abs", difference.max_abs);
    write_optional(writer, "max_rel", difference.max_rel);
    write_optional(writer, "cosine", difference.cosine);
    writer.key("differing").unsigned_integer(difference.differing);
    writer.end_object();
  }
  writer.end_array();
  constexpr std::string_view kKinds[] = {"only_a", "only_b", "changed"};
  writer.key("tree").begin_array();
  for (const TreeDifference& difference : report.tree) {
    writer.begin_object().key("path").string(difference.path);
    writer.key("kind").string(kKinds[static_cast<std::size_t>(difference.kind)]);
    write_text(writer, "a", difference.a);
    write_text(writer, "b", difference.b);
    writer.end_object();
  }
  writer.end_array().end_object();
}

}  // namespace holdall
