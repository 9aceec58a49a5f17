#include "holdall/objects/judge_sizes.h"

#include <algorithm>

#include "holdall/objects/interpretation.h"

namespace holdall {
namespace {

// The shape of an array as its pickle spells it; empty where it does not.
std::optional<std::vector<std::int64_t>> spelled_shape(Value array) {
  const Value state = array.is(ValueKind::kObject) ? array.of(array.as_object().state) : Value();
  if (state.is(ValueKind::kDict) && state.find("shape")) return integers(state.find("shape"));
  return state.is(ValueKind::kTuple) && state.size() > 1 ? integers(state.item(1)) : std::nullopt;
}

}  // namespace

std::optional<std::string> sizes_offence(const GlobalRow& row, const std::vector<Value>& args) {
  if (row.builder == Builder::kNumpyReconstruct && args.size() > 1) {
    const auto shape = integers(args[1]);
    const bool is_empty = shape && std::find(shape->begin(), shape->end(), 0) != shape->end();
    return is_empty ? std::optional<std::string>() : "a shape that is not empty";
  }
  if (row.builder == Builder::kNumpyScalar && args.size() > 1 && builder_of(args[1]) == Builder::kNumpyReconstruct) {
    return "an array for its bytes";
  }
  const bool is_criterion = row.module.ends_with("tree._criterion") &&
                            (row.name == "Gini" || row.name == "Entropy" || row.name == "ClassificationCriterion");
  if (!is_criterion || args.size() < 2) return {};
  const auto shape = spelled_shape(args[1]);
  const bool fits = args[0].is(ValueKind::kInt) && shape && shape->size() == 1 && args[0].as_int() == shape->front();
  return fits ? std::optional<std::string>() : "another number of outputs than of their classes";
}

std::optional<std::string> generator_offence(Value state) {
  constexpr std::int64_t kNumbers = 624;
  const bool is_tuple = state.is(ValueKind::kTuple) && state.size() > 0;
  const bool is_old = is_tuple && state.item(0).is(ValueKind::kString);
  const Value dict = is_tuple && !is_old ? state.item(0) : state;
  const Value inner = dict.is(ValueKind::kDict) ? dict.find("state") : Value();
  Value position = inner.is(ValueKind::kDict) ? inner.find("pos") : Value();
  if (is_old && state.size() > 2) position = state.item(2);
  const bool is_among = !position || (position.is(ValueKind::kInt) && position.as_int() >= 0 && position.as_int() <= kNumbers);
  return is_among ? std::optional<std::string>() : "a position beyond its numbers";
}

}  // namespace holdall
