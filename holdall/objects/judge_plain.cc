#include "holdall/objects/judge_plain.h"

#include <algorithm>
#include <string_view>

#include "holdall/base/among.h"
#include "holdall/core/children.h"
#include "holdall/objects/interpretation.h"
#include "holdall/objects/judge_arguments.h"

namespace holdall {
namespace {

using Offence = std::optional<std::string>;

// Of an exponent, with its sign: numbers beyond these take seconds to become integers.
constexpr std::size_t kMostOfExponent = 6;

bool is_scalar(Value value) { return value.kind() < ValueKind::kList; }

bool is_range(Value value) {
  const GlobalRow* row = made_row(value);
  return row != nullptr && row->builder == Builder::kRange;
}

// A range is as long as it says. Of a list that becomes a dict, each item is read to its end.
bool holds_range(const GlobalRow& row, Value value) {
  if (is_range(value)) return true;
  const bool could_be_dict = row.builder == Builder::kOrderedDict || row.builder == Builder::kDefaultDict ||
                             row.builder == Builder::kType || row.builder == Builder::kPlainClass ||
                             row.builder == Builder::kReconstructor;
  if (!could_be_dict || !is_sequence(value.kind())) return false;
  for (std::size_t i = 0; i < value.size(); ++i)
    if (is_range(value.item(i))) return true;
  return false;
}

Offence ranges(const GlobalRow& row, const std::vector<Value>& args) {
  if (row.builder == Builder::kNamedTuple || row.builder == Builder::kStateTuple) return {};
  for (const Value value : args)
    if (holds_range(row, value)) return "a range";
  return {};
}

// Other encodings give other texts ("rot13": names that nobody has read), or take a time that grows with the square.
Offence encoding(const std::vector<Value>& args) {
  const bool is_known = args.size() == 2 && args[0].is(ValueKind::kString) && is_latin1(args[1]);
  return is_known ? Offence() : "what is no text in Latin-1";
}

Offence decimal(const std::vector<Value>& args) {
  if (args.empty()) return {};
  if (args.size() != 1 || !is_scalar(args[0])) return "what is no number in decimals";
  if (!args[0].is(ValueKind::kString)) return {};
  const std::string_view text = args[0].as_string();
  const std::size_t exponent = text.find_last_of("eE");
  const bool is_short = exponent == std::string_view::npos || text.size() - exponent - 1 <= kMostOfExponent;
  return is_short ? Offence() : "an exponent of that size";
}

Offence fraction(const std::vector<Value>& args) {
  for (const Value value : args) {
    const bool has_exponent = value.is(ValueKind::kString) && value.as_string().find_first_of("eE") != std::string_view::npos;
    if (!is_scalar(value) || has_exponent) return "what is no numerator and denominator";
  }
  return {};
}

// A number of bytes instead of what they are.
bool is_length(Value value) { return value.is(ValueKind::kInt) || value.is(ValueKind::kBigInt); }

Offence built_in(std::string_view name, const std::vector<Value>& args) {
  constexpr std::string_view kScalars[] = {"float", "int", "long", "str", "unicode"};
  if (name == "bytes" && !args.empty() && is_length(args[0])) return "a length";
  if (!is_among(kScalars, name)) return {};
  for (const Value value : args)
    if (Offence found = base_offence(value)) return found;
  return {};
}

}  // namespace

std::optional<std::string> plain_offence(const GlobalRow& row, const std::vector<Value>& args) {
  if (row.builder == Builder::kLatin1) return encoding(args);
  if (Offence found = ranges(row, args)) return found;
  if (row.builder == Builder::kType) return built_in(row.name, args);
  if (row.builder == Builder::kByteArray && !args.empty() && is_length(args[0])) return "a length";
  if (row.module == "decimal") return decimal(args);
  return row.module == "fractions" ? fraction(args) : Offence();
}

std::optional<std::string> base_offence(Value value) {
  const Builder builder = builder_of(value);
  const bool is_plain = is_scalar(value) || builder == Builder::kLatin1 || builder == Builder::kComplex;
  return is_plain ? Offence() : "what is no plain value";
}

bool is_container_type(const GlobalRow& row) noexcept {
  constexpr std::string_view kContainers[] = {"dict", "frozenset", "list", "set", "tuple"};
  return is_among(kContainers, row.name);
}

}  // namespace holdall
