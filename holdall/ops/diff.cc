#include "holdall/ops/diff.h"

#include <cmath>

#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"
#include "holdall/ops/compare.h"
#include "holdall/ops/flatten.h"
#include "holdall/ops/glob.h"
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

std::vector<TreeDifference> compare_trees(const Model& a, const Model& b) {
  // A container that keeps no tree says nothing about kinds of dicts: only plain values can be compared with it.
  const Detail detail = is_names_only(a) || is_names_only(b) ? Detail::kPlain : Detail::kAll;
  const std::vector<Leaf> left = flatten(a.tree(), detail);
  const std::vector<Leaf> right = flatten(b.tree(), detail);
  TextViewMap<std::size_t> places;
  for (std::size_t i = 0; i < right.size(); ++i) places.emplace(right[i].path, i);
  std::vector<std::uint8_t> met(right.size());
  std::vector<TreeDifference> differences;
  for (const Leaf& leaf : left) {
    const auto found = places.find(leaf.path);
    if (found == places.end()) {
      differences.push_back({TreeDifference::Kind::kOnlyA, leaf.path, shortened(leaf.value), {}});
      continue;
    }
    met[found->second] = 1;
    const Leaf& other = right[found->second];
    if (leaf.value == other.value) continue;
    differences.push_back({TreeDifference::Kind::kChanged, leaf.path, shortened(leaf.value), shortened(other.value)});
  }
  for (std::size_t i = 0; i < right.size(); ++i) {
    if (met[i] == 0) differences.push_back({TreeDifference::Kind::kOnlyB, right[i].path, {}, shortened(right[i].value)});
  }
  return differences;
}

// The tensors that only one of the two has, and those in both with different dtypes or shapes or still to be compared.
struct Matched {
  std::vector<TensorPair> pairs;          // of one shape, in the order of A
  std::vector<TensorDifference> changed;  // one for every pair, and one for every name whose shapes differ
  std::vector<std::size_t> pair_of;       // by `changed`: its pair, or SIZE_MAX
};

Matched match(const Model& a, const Model& b, const DiffOptions& options, DiffReport& report) {
  Matched matched;
  for (const NamedTensor& entry : a.tensors()) {
    if (!any_glob_matches(options.tensors, entry.name)) continue;
    const NamedTensor* other = b.find(entry.name);
    if (other == nullptr) {
      report.only_a.push_back(entry.name);
      continue;
    }
    ++report.compared;
    TensorDifference difference;
    difference.name = entry.name;
    difference.a_dtype = entry.tensor.dtype();
    difference.b_dtype = other->tensor.dtype();
    difference.a_shape = entry.tensor.shape();
    difference.b_shape = other->tensor.shape();
    const bool one_shape = difference.a_shape == difference.b_shape;
    matched.pair_of.push_back(one_shape ? matched.pairs.size() : SIZE_MAX);
    if (one_shape) matched.pairs.push_back({entry.name, entry.tensor, other->tensor});
    matched.changed.push_back(std::move(difference));
  }
  for (const NamedTensor& entry : b.tensors()) {
    if (any_glob_matches(options.tensors, entry.name) && a.find(entry.name) == nullptr) report.only_b.push_back(entry.name);
  }
  return matched;
}

void write_shape(JsonWriter& writer, DType dtype, const Shape& shape) {
  writer.begin_object().key("dtype").string(name(dtype)).key("shape").begin_array();
  for (const std::uint64_t size : shape) writer.unsigned_integer(size);
  writer.end_array().end_object();
}

void write_optional(JsonWriter& writer, std::string_view key, const std::optional<double>& value) {
  writer.key(key);
  if (value) {
    writer.number(*value);
  } else {
    writer.null();
  }
}

void write_names(JsonWriter& writer, std::string_view key, const std::vector<std::string>& names) {
  writer.key(key).begin_array();
  for (const std::string& name : names) writer.string(name);
  writer.end_array();
}

void write_leaf(JsonWriter& writer, std::string_view key, const std::string& value) {
  writer.key(key);
  if (value.empty()) {
    writer.null();
  } else {
    writer.string(value);
  }
}

}  // namespace

Result<DiffReport> diff_models(const Model& a, const Model& b, const DiffOptions& options) {
  if (!(options.atol >= 0) || !(options.rtol >= 0)) return invalid_argument("a tolerance is not negative and is a number");
  DiffReport report;
  report.a = a.origin().path;
  report.b = b.origin().path;
  Matched matched = match(a, b, options, report);
  for (const TensorPair& pair : matched.pairs) report.bytes += pair.a.bytes() + pair.b.bytes();
  Meter meter(options.progress, report.bytes);
  HOLDALL_ASSIGN(const std::vector<Comparison> comparisons,
                 compare_tensors(matched.pairs, {options.atol, options.rtol}, meter));
  for (std::size_t i = 0; i < matched.changed.size(); ++i) {
    TensorDifference& difference = matched.changed[i];
    if (matched.pair_of[i] != SIZE_MAX) {
      const Comparison& comparison = comparisons[matched.pair_of[i]];
      if (comparison.agree && difference.a_dtype == difference.b_dtype) continue;
      difference.max_abs = comparison.max_abs;
      difference.max_rel = comparison.max_rel;
      difference.cosine = comparison.cosine;
      difference.differing = comparison.differing;
    }
    report.changed.push_back(std::move(difference));
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
  write_names(writer, "only_a", report.only_a);
  write_names(writer, "only_b", report.only_b);
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
    write_leaf(writer, "a", difference.a);
    write_leaf(writer, "b", difference.b);
    writer.end_object();
  }
  writer.end_array().end_object();
}

}  // namespace holdall
