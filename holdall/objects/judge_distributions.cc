#include "holdall/objects/judge_distributions.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "holdall/base/text.h"
#include "holdall/core/children.h"
#include "holdall/objects/globals.h"
#include "holdall/objects/interpretation.h"
#include "holdall/objects/judge_arguments.h"

namespace holdall {
namespace {

constexpr std::string_view kTemplate = "_parse_arg_template";

// "a, b, ", as Python names parameters.
bool are_names(std::string_view names) noexcept {
  return std::all_of(names.begin(), names.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ',' || c == ' ';
  });
}

// The text that SciPy makes for shapes "a, b, ", their defaults and what they are called with.
std::string filled(std::string_view shapes, std::string_view taken, std::string_view given) {
  return text(
      "\ndef _parse_args(self, {0} {1}):\n"
      "    return ({0}), {2}\n"
      "\ndef _parse_args_rvs(self, {0} {1}, size=None):\n"
      "    return self._argcheck_rvs({0} {2}, size=size)\n"
      "\ndef _parse_args_stats(self, {0} {1}, moments='mv'):\n"
      "    return ({0}), {2}, moments\n",
      shapes, taken, given);
}

bool is_template(Value value) {
  constexpr std::string_view kBefore = "\ndef _parse_args(self, ";
  constexpr std::string_view kAfter = " loc=0";
  constexpr std::size_t kLongest = 4096;
  if (!value.is(ValueKind::kString) || value.as_string().size() > kLongest) return false;
  const std::string_view written = value.as_string();
  const std::size_t end = written.find(kAfter);
  if (!written.starts_with(kBefore) || end == std::string_view::npos || end < kBefore.size()) return false;
  const std::string_view shapes = written.substr(kBefore.size(), end - kBefore.size());
  return are_names(shapes) &&
         (written == filled(shapes, "loc=0, scale=1", "loc, scale") || written == filled(shapes, "loc=0", "loc, 1"));
}

// Numbers, words, arrays and generators, and what holds such.
bool is_data(Value value, int depth = 0) {
  constexpr int kDeepest = 3;
  if (value.kind() < ValueKind::kList || value.is(ValueKind::kTensor)) return true;
  if (value.is(ValueKind::kObject)) {
    const GlobalRow* row = made_row(value);
    return row != nullptr && row->verdict == Verdict::kInert && row->builder >= Builder::kNumpyReconstruct &&
           row->builder <= Builder::kNumpyRandom;
  }
  if (depth == kDeepest || (!is_sequence(value.kind()) && !value.is(ValueKind::kDict))) return false;
  const bool is_dict = value.is(ValueKind::kDict);
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (is_dict && !value.key(i).is(ValueKind::kString)) return false;
    if (!is_data(is_dict ? value.mapped(i) : value.item(i), depth + 1)) return false;
  }
  return true;
}

// The distribution's own method, or numpy.vectorize of it.
bool is_entropy(Value value) {
  if (names_entropy(value)) return true;
  const GlobalRow* row = made_row(value);
  if (row == nullptr || row->name != "vectorize") return false;
  const Value state = value.of(value.as_object().state);
  return state.is(ValueKind::kDict) && state.find("pyfunc") && names_entropy(state.find("pyfunc"));
}

}  // namespace

std::optional<std::string> distribution_offence(Value state) {
  // SciPy before 1.6: what the class was called with, and a generator. dict.update() would take two names for a pair.
  if (state.is(ValueKind::kTuple) && state.size() == 2) {
    const bool is_old = state.item(0).is(ValueKind::kDict) && state.item(0).size() != 2 && is_data(state.item(0)) &&
                        state.item(1).kind() != ValueKind::kDict && is_data(state.item(1), 2);
    return is_old ? std::optional<std::string>() : "a state that SciPy does not write";
  }
  if (!state.is(ValueKind::kDict)) return "a state that is no dict";
  for (std::size_t i = 0; i < state.size(); ++i) {
    const Value key = state.key(i);
    if (!key.is(ValueKind::kString)) return "an attribute by a name that is computed";
    const std::string_view name = key.as_string();
    if (name == kTemplate && !is_template(state.mapped(i))) return text("a '{}' that SciPy does not write", name);
    const bool is_kept_method = name == "vecentropy" && is_entropy(state.mapped(i));
    if (!is_kept_method && !is_data(state.mapped(i))) return text("what is no data as '{}'", name);
  }
  return {};
}

bool names_entropy(Value object) {
  if (builder_of(object) != Builder::kGetAttr) return false;
  const auto args = arguments(object);
  if (args.size() != 2 || !args[1].is(ValueKind::kString) || args[1].as_string() != "_entropy") return false;
  const GlobalRow* row = made_row(args[0]);
  return row != nullptr && row->builder == Builder::kDistribution;
}

}  // namespace holdall
