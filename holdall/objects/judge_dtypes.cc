#include "holdall/objects/judge_dtypes.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <vector>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/objects/interpretation.h"

namespace holdall {
namespace {

// NPY_ITEM_REFCOUNT and NPY_LIST_PICKLE: elements are objects, and are pickled as a list of them.
constexpr std::int64_t kHoldsObjects = 1, kPicklesList = 2;
constexpr unsigned kDeepest = 16;

using Offence = std::optional<std::string>;

// The parts of a state: (version, order, subdtype, names, fields, size, alignment, flags); version 0 has no version in front.
struct State {
  Value subdtype, names, fields, size, flags;
};

std::optional<State> state_of(Value state) {
  if (!state.is(ValueKind::kTuple) || state.size() == 0) return std::nullopt;
  const std::size_t first = state.item(0).is(ValueKind::kInt) ? 1 : 0;
  const auto at = [&](std::size_t i) { return first + i < state.size() ? state.item(first + i) : Value(); };
  return State{at(1), at(2), at(3), at(4), at(6)};
}

struct Element {
  std::uint64_t bytes = 0;
  bool holds_objects = false;
};

// By its size, as NumPy spells those of its own.
std::string code_of_ml_dtype(std::string_view name) {
  if (name.ends_with("complex32")) return "ml4";
  return name == "bfloat16" ? "ml2" : "ml1";
}

// As NumPy writes it, without a byte order in front: "O8", "V12", "f4".
std::string code_of(Value object) {
  const auto args = arguments(object);
  if (args.empty()) return {};
  if (args[0].is(ValueKind::kGlobal)) {
    if (args[0].global_module() == "ml_dtypes") return code_of_ml_dtype(args[0].global_name());
    // numpy.record, the class of the elements of a recarray: NumPy makes a 'V' of it, and an 'O' of Python's objects.
    const std::string_view name = args[0].global_name();
    return name == "record" ? "V" : name == "object_" || name == "object" ? "O" : "";
  }
  std::string code = short_text(args[0]).value_or(std::string());
  if (!code.empty() && std::string_view("<>=|").find(code.front()) != std::string_view::npos) code.erase(0, 1);
  return code;
}

// A letter or a name and a size, and the unit of a time: "M8[ns]". NumPy also takes "i4,O" for a type of two fields.
bool is_usual(std::string_view code) noexcept {
  const auto is_part = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '[' || c == ']';
  };
  return std::all_of(code.begin(), code.end(), is_part);
}

// What NumPy's own numbers say of "f4", "O8", "V12".
std::uint64_t bytes_of_code(std::string_view code) {
  std::uint64_t bytes = 0;
  const std::size_t digit = std::min(code.find_first_of("0123456789"), code.size());
  std::from_chars(code.data() + digit, code.data() + code.size(), bytes);
  return code.starts_with('U') ? bytes * 4 : bytes;
}

// An element by the object's code and the state it has in the end; empty where it is no numpy.dtype object.
std::optional<Element> element_of(Value object, Value state, unsigned depth);

std::optional<Element> element_of(Value object, unsigned depth) {
  if (!object.is(ValueKind::kObject) || builder_of(object) != Builder::kNumpyDType || depth > kDeepest) return std::nullopt;
  return element_of(object, object.of(object.as_object().state), depth);
}

std::optional<Element> element_of(Value object, Value given, unsigned depth) {
  const std::string code = code_of(object);
  Element element{bytes_of_code(code), code.starts_with('O') || code.starts_with("object")};
  const auto state = state_of(given);
  if (!state) return element;
  if (state->size.is(ValueKind::kInt) && state->size.as_int() >= 0)
    element.bytes = static_cast<std::uint64_t>(state->size.as_int());
  if (state->subdtype.is(ValueKind::kTuple) && state->subdtype.size() > 0) {
    const auto base = element_of(state->subdtype.item(0), depth + 1);
    element.holds_objects = base && base->holds_objects;
  } else if (state->fields.is(ValueKind::kDict)) {
    element.holds_objects = false;
    for (std::size_t i = 0; i < state->fields.size(); ++i) {
      const Value field = state->fields.mapped(i);
      if (!field.is(ValueKind::kTuple) || field.size() == 0) continue;
      const auto inner = element_of(field.item(0), depth + 1);
      element.holds_objects = element.holds_objects || (inner && inner->holds_objects);
    }
  }
  return element;
}

Offence fields_offence(const State& state, const Element& whole, unsigned depth) {
  if (!state.fields.is(ValueKind::kDict)) return {};
  for (std::size_t i = 0; i < state.fields.size(); ++i) {
    const Value field = state.fields.mapped(i);
    const bool is_field = field.is(ValueKind::kTuple) && field.size() >= 2 && field.item(1).is(ValueKind::kInt);
    const auto inner = is_field ? element_of(field.item(0), depth) : std::nullopt;
    if (!inner) return "a field that has no type";
    const std::int64_t offset = field.item(1).as_int();
    const auto end = offset < 0 ? std::nullopt : checked_add(static_cast<std::uint64_t>(offset), inner->bytes);
    if (!end || *end > whole.bytes) return text("a field at {} in elements of {} bytes", offset, whole.bytes);
  }
  return {};
}

Offence array_offence(const State& state, const Element& whole) {
  if (!state.subdtype.is(ValueKind::kTuple)) return {};
  if (state.subdtype.size() != 2) return "an array that has no shape";
  const auto base = element_of(state.subdtype.item(0), 1);
  std::vector<std::int64_t> shape;
  if (state.subdtype.item(1).is(ValueKind::kInt)) {
    shape = {state.subdtype.item(1).as_int()};
  } else if (const auto sizes = integers(state.subdtype.item(1))) {
    shape.assign(sizes->begin(), sizes->end());
  } else {
    return "an array that has no shape";
  }
  std::optional<std::uint64_t> bytes = base ? std::optional(base->bytes) : std::nullopt;
  for (const std::int64_t size : shape)
    bytes = bytes && size >= 0 ? checked_multiply(*bytes, static_cast<std::uint64_t>(size)) : std::nullopt;
  if (!bytes || *bytes > whole.bytes) return text("an array beyond its {} bytes", whole.bytes);
  return {};
}

}  // namespace

std::optional<std::string> dtype_offence(Value object, Value given) {
  const auto whole =
      object.is(ValueKind::kObject) && builder_of(object) == Builder::kNumpyDType ? element_of(object, given, 0) : std::nullopt;
  const auto state = whole ? state_of(given) : std::nullopt;
  if (!state) return {};
  const std::string code = code_of(object);
  const auto args = arguments(object);
  const bool is_spelled = !args.empty() && (args[0].is(ValueKind::kGlobal) || short_text(args[0]));
  if (!is_spelled || !is_usual(code)) return "a state, though its type is spelled as NumPy never writes one";
  const bool is_flexible = code.starts_with('S') || code.starts_with('U') || code.starts_with('V') || code.starts_with('a');
  if (state->size.is(ValueKind::kInt) && state->size.as_int() >= 0 && !is_flexible && whole->bytes != bytes_of_code(code)) {
    return text("elements of {} bytes for the type '{}'", whole->bytes, code.substr(0, 16));
  }
  if (Offence found = fields_offence(*state, *whole, 1)) return found;
  if (Offence found = array_offence(*state, *whole)) return found;
  if (!state->flags.is(ValueKind::kInt)) return {};  // before version 2, NumPy finds them out
  const std::int64_t flags = state->flags.as_int();
  const bool says_objects = (flags & kHoldsObjects) != 0;
  if (says_objects != whole->holds_objects) return "flags that hide whether its elements are objects";
  if (says_objects && (flags & kPicklesList) == 0) return "flags that have objects read from bytes";
  return {};
}

}  // namespace holdall
