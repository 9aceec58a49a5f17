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

bool is_within(Value value, std::int64_t least, std::int64_t most) {
  return value.is(ValueKind::kInt) && value.as_int() >= least && value.as_int() <= most;
}

bool is_positive(std::int64_t number) noexcept { return number > 0 && number <= INT32_MAX; }

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
  constexpr std::int64_t kNumbers = 624, kBuffered = 4;
  const bool is_tuple = state.is(ValueKind::kTuple) && state.size() > 0;
  const bool is_old = is_tuple && state.item(0).is(ValueKind::kString);
  const Value dict = is_tuple && !is_old ? state.item(0) : state;
  const Value inner = dict.is(ValueKind::kDict) ? dict.find("state") : Value();
  if (inner && !inner.is(ValueKind::kDict)) return "a state that is no dict";
  const Value buffered = dict.is(ValueKind::kDict) ? dict.find("buffer_pos") : Value();
  if (buffered && !is_within(buffered, 0, kBuffered)) return "a position beyond its buffer";
  Value position = inner.is(ValueKind::kDict) ? inner.find("pos") : Value();
  if (is_old && state.size() > 2) position = state.item(2);
  const bool is_among = !position || is_within(position, 0, kNumbers);
  return is_among ? std::optional<std::string>() : "a position beyond its numbers";
}

std::optional<std::string> convolution_offence(const GlobalRow& row, Value state) {
  constexpr std::size_t kKernel = 2, kStride = 3, kDilation = 5, kGroups = 8;
  const bool is_packed = row.builder == Builder::kModule && row.name.find("Conv") != std::string_view::npos &&
                         row.module.find(".quantized.") != std::string_view::npos &&
                         row.module.find(".reference.") == std::string_view::npos;
  if (!is_packed) return {};
  if (!state.is(ValueKind::kTuple) || state.size() <= kGroups) return "a state that is no tuple of its numbers";
  bool are_positive = is_within(state.item(kGroups), 1, INT32_MAX);
  for (const std::size_t part : {kKernel, kStride, kDilation}) {
    const auto numbers = integers(state.item(part));
    are_positive = are_positive && numbers && std::all_of(numbers->begin(), numbers->end(), is_positive);
  }
  return are_positive ? std::optional<std::string>() : "numbers of a convolution that are not positive";
}

}  // namespace holdall
