#include "holdall/objects/judge_pandas.h"

#include <string_view>
#include <vector>

#include "holdall/base/text.h"
#include "holdall/core/children.h"
#include "holdall/objects/globals.h"
#include "holdall/objects/interpretation.h"
#include "holdall/objects/judge_arguments.h"

namespace holdall {
namespace {

// dateutil opens the file that follows this in the name of a time zone, and pandas looks for it in types, too.
constexpr std::string_view kZoneOfFile = "dateutil/";

bool is_pandas(Builder builder) noexcept { return builder == Builder::kPandas || builder == Builder::kPandasClass; }

// Arrays and their types: whatever lies in them, pandas asks for its class alone. Their own calls have been judged.
bool is_array(Builder builder) noexcept {
  return builder == Builder::kNumpyReconstruct || builder == Builder::kNumpyFromBuffer || builder == Builder::kNumpyScalar ||
         builder == Builder::kNumpyDType || builder == Builder::kNumpyMasked;
}

// A scalar of a type of bytes or texts ("S10", "U10"), which is a text to pandas.
bool is_text_scalar(Value object, const GlobalRow& row) {
  if (row.builder != Builder::kNumpyScalar) return false;
  const auto args = arguments(object);
  const auto type = args.empty() || builder_of(args[0]) != Builder::kNumpyDType ? std::vector<Value>() : arguments(args[0]);
  if (type.empty() || !type[0].is(ValueKind::kString)) return true;
  const std::string_view code = type[0].as_string();
  return code.find_first_of("USaV") != std::string_view::npos;
}

// Plain values. A defaultdict would call its factory for a key that pandas misses.
bool is_plain(Builder builder) noexcept {
  switch (builder) {
    case Builder::kType:
    case Builder::kLatin1:
    case Builder::kByteArray:
    case Builder::kComplex:
    case Builder::kSet:
    case Builder::kFrozenSet:
    case Builder::kRange:
    case Builder::kSlice:
    case Builder::kOrderedDict:
    case Builder::kPlainClass:
    case Builder::kTimeZone:
    case Builder::kNumpyScalarClass:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool PandasJudge::is_made(Value object) {
  const GlobalRow* row = made_row(object);
  return row != nullptr && is_pandas(row->builder);
}

bool PandasJudge::is_zone_of_file(std::string_view text) noexcept { return text.find(kZoneOfFile) != std::string_view::npos; }

std::optional<std::string> PandasJudge::argument(Value value) {
  if (!value) return {};
  return clean_.walk(value, [&](Value part, std::vector<NodeId>& stack) { return offence_of(part, stack); });
}

std::optional<std::string> PandasJudge::state(Value value) {
  if (!value.is(ValueKind::kDict)) return argument(value);
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (Offence found = argument(value.key(i))) return found;
    const bool is_named = value.key(i).is(ValueKind::kString);
    if (is_named && (value.key(i).as_string() == "attrs" || value.key(i).as_string() == "_attrs")) continue;
    if (Offence found = argument(value.mapped(i))) return found;
  }
  return {};
}

PandasJudge::Offence PandasJudge::offence_of(Value value, std::vector<NodeId>& stack) const {
  if (value.is(ValueKind::kString)) {
    return is_zone_of_file(value.as_string()) ? Offence("a time zone of a file") : Offence();
  }
  if (const Value global = imported(value)) {
    const GlobalRow* row = find_global(global.global_module(), global.global_name());
    const bool is_missing = row != nullptr && row->builder == Builder::kPandas && row->name == "NA";
    const bool is_known = row != nullptr && row->verdict == Verdict::kInert && !is_missing;
    return is_known ? Offence(text("{}.{}", row->module, row->name)) : Offence();
  }
  if (value.is(ValueKind::kObject)) return object_offence(value, stack);
  const bool is_dict = value.is(ValueKind::kDict);
  if (!is_dict && !is_sequence(value.kind())) return {};
  for (std::size_t i = 0; i < value.size(); ++i) {
    stack.push_back((is_dict ? value.key(i) : value.item(i)).id());
    if (is_dict) stack.push_back(value.mapped(i).id());
  }
  return {};
}

PandasJudge::Offence PandasJudge::object_offence(Value object, std::vector<NodeId>& stack) const {
  if (ArgumentJudge::is_zone(object)) return {};
  if (const GlobalRow* row = ArgumentJudge::named_function(object)) return text("{}.{}", row->module, row->name);
  const GlobalRow* row = made_row(object);
  if (row == nullptr || row->verdict != Verdict::kInert || is_pandas(row->builder)) return {};
  if (is_text_scalar(object, *row)) return "a text of NumPy's";
  if (is_array(row->builder)) return {};
  const ObjectParts& parts = object.as_object();
  // A text that is made of bytes is read by nobody here, and a state would give a plain object attributes for pandas to find.
  const bool is_text = row->name == "str" || row->name == "unicode" || row->name == "str_" || row->name == "bytes_";
  if (is_text || !is_plain(row->builder) || object.of(parts.state)) return text("an object of {}.{}", row->module, row->name);
  if (object.of(parts.args)) stack.push_back(object.of(parts.args).id());
  for (const NodeId part : parts.items) stack.push_back(part);
  for (const NodeId part : parts.pairs) stack.push_back(part);
  return {};
}

}  // namespace holdall
