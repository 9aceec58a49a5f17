#include "holdall/objects/judge_states.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "holdall/base/among.h"
#include "holdall/base/text.h"
#include "holdall/core/children.h"
#include "holdall/objects/interpretation.h"
#include "holdall/objects/judge_arguments.h"
#include "holdall/objects/judge_distributions.h"
#include "holdall/objects/judge_members.h"
#include "holdall/objects/judge_methods.h"
#include "holdall/objects/judge_pandas.h"
#include "holdall/objects/judge_sizes.h"

namespace holdall {
namespace {

using Offence = StateJudge::Offence;

bool is_between(Builder builder, Builder first, Builder last) noexcept { return builder >= first && builder <= last; }

bool is_tensor_or_array(Builder builder) noexcept {
  return is_between(builder, Builder::kTensor, Builder::kMemoryFormat) ||
         is_between(builder, Builder::kNumpyReconstruct, Builder::kNumpyRandom);
}

// What a class with a __setstate__ of its own is given: tensors, arrays and values that have no items by name and hold no
// pairs.
bool is_plain_state(const GlobalRow& row) noexcept {
  constexpr std::string_view kPlain[] = {"bool", "bytes", "float", "int", "long", "str", "unicode"};
  const bool is_type = row.builder == Builder::kType;
  return is_tensor_or_array(row.builder) || is_between(row.builder, Builder::kLatin1, Builder::kComplex) ||
         is_between(row.builder, Builder::kRange, Builder::kSlice) || (is_type && is_among(kPlain, row.name));
}

// Functions that picklers call and never keep: what kept one could call it with anything. So are the classes of arrays, which
// take bytes for pointers, of mapped files, which open them, and those whose constructors do more than keep what they are
// given.
bool is_for_picklers(Builder builder) noexcept {
  switch (builder) {
    case Builder::kLatin1:
    case Builder::kReconstructor:
    case Builder::kNewObject:
    case Builder::kLoadFromBytes:
    case Builder::kJagged:
    case Builder::kNumpyReconstruct:
    case Builder::kNumpyFromBuffer:
    case Builder::kNumpyScalar:
    case Builder::kNumpyArrayClass:
    case Builder::kNumpyMasked:
    case Builder::kNumpyMap:
    case Builder::kJaxArray:
    case Builder::kMadeEmpty:
    case Builder::kStorageClass:
      return true;
    default:
      return is_between(builder, Builder::kTensor, Builder::kDeviceTensor) && builder != Builder::kParameterClass;
  }
}

bool is_dunder(std::string_view name) noexcept { return name.size() > 4 && name.starts_with("__") && name.ends_with("__"); }

// Something that can be called: a function, a class, or an object. Tensors cannot be.
Offence callable(Value value) {
  if (const Value global = imported(value)) {
    const GlobalRow* row = imported_row(value);
    return row == nullptr ? Offence() : Offence(text("{}.{}", row->module, row->name));
  }
  if (!value.is(ValueKind::kObject)) return {};
  if (const GlobalRow* row = ArgumentJudge::named_function(value)) return text("{}.{}", row->module, row->name);
  const GlobalRow* row = inert_row(value);
  if (row == nullptr || is_tensor_or_array(row->builder)) return {};
  return text("an object of {}.{}", row->module, row->name);
}

// A function that is known, alone or with arguments.
bool is_function(Value value) {
  const GlobalRow* row = imported_row(value);
  if (row == nullptr) row = ArgumentJudge::named_function(value);
  if (row != nullptr) return row->builder == Builder::kReference || row->builder == Builder::kFunction;
  row = inert_row(value);
  if (row == nullptr || row->builder != Builder::kPartial) return false;
  const Value state = value.of(value.as_object().state);
  const Value function = state.is(ValueKind::kTuple) && state.size() > 0 ? state.item(0) : Value();
  row = function ? imported_row(function) : nullptr;
  return row != nullptr && ArgumentJudge::is_library_function(*row);
}

// What stands for an array, whose class it keeps.
bool is_joblib_array(Value object) {
  const Value made = made_class(object);
  return made && made.global_module().starts_with("joblib.numpy_pickle");
}

// An array whose elements are Python's objects: NumPy's state of one ends in a list, joblib's names their type.
bool is_array_of_objects(Value object) {
  const Value state = object.is(ValueKind::kObject) ? object.of(object.as_object().state) : Value();
  if (!is_joblib_array(object))
    return state.is(ValueKind::kTuple) && state.size() > 0 && state.item(state.size() - 1).is(ValueKind::kList);
  const Value dtype = state.is(ValueKind::kDict) ? state.find("dtype") : Value();
  const auto args = dtype.is(ValueKind::kObject) ? arguments(dtype) : std::vector<Value>();
  return args.empty() || !args[0].is(ValueKind::kString) || args[0].as_string().find('O') != std::string_view::npos;
}

// Containers that a call makes, and arrays of objects: two of anything.
bool could_be_pair(Value object) {
  const GlobalRow* row = inert_row(object);
  if (is_joblib_array(object)) return is_array_of_objects(object);
  if (row == nullptr) return false;
  const Builder builder = row->builder;
  if (is_tensor_or_array(builder)) return is_array_of_objects(object);
  const ObjectParts& parts = object.as_object();
  const bool is_dict = is_between(builder, Builder::kOrderedDict, Builder::kCounter);
  const auto args = arguments(object);
  const bool is_empty = args.empty() || (args.size() == 1 && is_sequence(args[0].kind()) && args[0].size() == 0);
  // Of a dict, two keys: hooks are kept by their numbers.
  if (is_dict && is_empty) return parts.pairs.size() == 4 && object.of(parts.pairs[2]).kind() >= ValueKind::kList;
  return !parts.items.empty() || !parts.pairs.empty() || is_between(builder, Builder::kOrderedDict, Builder::kDeque) ||
         builder == Builder::kSet || builder == Builder::kFrozenSet || builder == Builder::kPlainClass ||
         builder == Builder::kNamedTuple || builder == Builder::kStateTuple ||
         (builder == Builder::kType && !arguments(object).empty());
}

}  // namespace

Offence StateJudge::build(Value object, NodeId state) {
  const GlobalRow* row = inert_row(object);
  if (row == nullptr) return {};
  // It gives back what it is given, which has a state of its own.
  if (row->name == "restore_type_tag") return "a state";
  if (!built_.insert(object.id()).second) return "a second state";
  if (row->builder == Builder::kDistribution) return distribution_offence(arena_.at(state));
  if (row->builder == Builder::kAttributeDict || row->module == "multiprocessing.context") return "a state";
  if (Offence found = convolution_offence(*row, arena_.at(state))) return found;
  if (row->builder == Builder::kNumpyRandom)
    if (Offence found = generator_offence(arena_.at(state))) return found;
  if (row->builder == Builder::kPartial)
    if (Offence found = partial(arena_.at(state))) return found;
  return given_by_call(object, state);
}

// functools.partial: the function, the arguments, those by keyword and attributes of its own.
Offence StateJudge::partial(Value state) {
  constexpr std::size_t kParts = 4;
  if (!state.is(ValueKind::kTuple) || state.size() != kParts) return "a state that is not four values";
  const Value function = state.item(0);
  // What is not known has been judged by its import.
  const bool is_known = imported_row(function) != nullptr || inert_row(function) != nullptr;
  if (is_known && !ArgumentJudge::is_kept(function)) return callable(function).value_or("what is no function") + " to call";
  const GlobalRow* row = imported_row(function);
  if (row == nullptr) row = ArgumentJudge::named_function(function);
  if (row == nullptr || !ArgumentJudge::is_library_function(*row)) return {};
  for (const std::size_t arguments : {1u, 2u})
    if (Offence found = for_function(state.item(arguments))) return text("{} for {}.{}", *found, row->module, row->name);
  return {};
}

// Data, and what names a type or a function that computes.
StateJudge::Offence StateJudge::for_function(Value value) {
  if (!value || value.kind() < ValueKind::kList) return {};
  return data_.walk(value, [](Value part, std::vector<NodeId>& stack) -> Offence {
    const GlobalRow* row = imported_row(part);
    const bool is_type = row != nullptr && (row->builder == Builder::kType || row->builder == Builder::kNumpyScalarClass);
    if (is_type || is_function(part)) return {};
    Offence found = ArgumentJudge::offence_of(part);
    if (!found) ArgumentJudge::push_parts(part, stack);
    return found;
  });
}

StateJudge::Offence StateJudge::entries_of_call(Value object, Value value) {
  const GlobalRow* row = inert_row(object);
  const bool is_attributes = row != nullptr && (row->builder == Builder::kSklearn || row->builder == Builder::kAttributeDict);
  if (!is_attributes || value.is_null()) return {};
  return value.is(ValueKind::kDict) ? attributes(*row, value) : "entries that are computed";
}

Offence StateJudge::given_by_call(Value object, NodeId state) {
  const GlobalRow* row = inert_row(object);
  const Value value = arena_.at(state);
  if (row == nullptr) return {};
  if (Offence found = attributes(*row, value)) return found;
  if (Offence found = sequence(*row, value)) return found;
  // What joblib's wrapper of an array was given, in whose place the array stands by now; arrays take no dict.
  const bool is_array = row->builder == Builder::kNumpyReconstruct || row->builder == Builder::kNumpyArrayClass;
  return is_array && value.is(ValueKind::kDict) ? Offence() : held(value);
}

Offence StateJudge::items(Value object, PickleCallKind kind) {
  const GlobalRow* row = inert_row(object);
  if (row == nullptr) return {};
  if (row->name == "restore_type_tag") return "items";
  if (built_.contains(object.id())) return "items behind its state";
  switch (row->builder) {
    case Builder::kObject:
    case Builder::kType:
    case Builder::kPandas:  // which says so itself
    case Builder::kPandasClass:
      return {};
    case Builder::kOrderedDict:
    case Builder::kDefaultDict:
    case Builder::kCounter:
      if (kind == PickleCallKind::kSetItems) return {};
      break;
    case Builder::kSklearn:
    case Builder::kAttributeDict:
      if (kind == PickleCallKind::kSetItems) return entries(*row, object);
      break;
    case Builder::kDeque:
    case Builder::kByteArray:
    case Builder::kSet:
      if (kind == PickleCallKind::kAppend) return {};
      break;
    default:
      break;
  }
  return "items";
}

// Entries that are attributes, as those of sklearn.utils.Bunch; each is looked at once.
Offence StateJudge::entries(const GlobalRow& row, Value object) {
  const ObjectParts& parts = object.as_object();
  std::size_t& next = looked_[object.id()];
  for (; next + 1 < parts.pairs.size(); next += 2)
    if (Offence found = attribute(row, object.of(parts.pairs[next]), object.of(parts.pairs[next + 1]))) return found;
  return {};
}

Offence StateJudge::attributes(const GlobalRow& row, Value state) {
  const GlobalRow* made = inert_row(state);
  const bool is_table = row.builder == Builder::kPandas || row.builder == Builder::kPandasClass;
  if (made != nullptr && !is_table &&
      (!is_plain_state(*made) || (is_tensor_or_array(made->builder) && is_array_of_objects(state)))) {
    return text("a state that is an object of {}.{}", made->module, made->name);
  }
  for (std::size_t i = 0; state.is(ValueKind::kDict) && i < state.size(); ++i)
    if (Offence found = attribute(row, state.key(i), state.mapped(i))) return found;
  return {};
}

// A dict and slots, for a class without a __setstate__; and what is no dict is pairs of names and values for one that has it
// given to dict.update(). What pandas makes is given more, which PandasJudge sees, and arrays of objects are a list of them.
Offence StateJudge::sequence(const GlobalRow& row, Value state) {
  if (!is_sequence(state.kind())) return {};
  const bool is_slots = state.is(ValueKind::kTuple) && state.size() == 2;
  const bool is_known =
      row.builder == Builder::kPandas || row.builder == Builder::kPandasClass || is_tensor_or_array(row.builder);
  for (std::size_t i = 0; i < state.size() && (is_slots || !is_known); ++i) {
    const Value item = state.item(i);
    if (is_slots || item.is(ValueKind::kDict))
      if (Offence found = attributes(row, item)) return found;
    if (is_known) continue;
    if (is_sequence(item.kind()) && item.size() == 2)
      if (Offence found = attribute(row, item.item(0), item.item(1))) return found;
    const bool is_keyed = item.is(ValueKind::kDict) && item.size() == 2 && item.key(1).kind() >= ValueKind::kList;
    if (is_keyed || (!is_slots && could_be_pair(item))) return "an attribute by a name that is computed";
  }
  return {};
}

Offence StateJudge::attribute(const GlobalRow& row, Value key, Value value) {
  if (const GlobalRow* made = inert_row(key); made != nullptr && made->builder != Builder::kLatin1)
    return "an attribute by a name that is computed";
  if (!key.is(ValueKind::kString)) return {};
  const std::string_view name = key.as_string();
  if (is_tensor_or_array(row.builder) && is_function(value)) return text("a function as '{}'", name);
  if (is_dunder(name) && value.kind() >= ValueKind::kList) return text("'{}'", name);
  if (is_method(row, name))
    if (Offence found = callable(value)) return text("{} as '{}'", *found, name);
  if (Offence found = member_offence(row, name, value)) return found;
  const bool is_arguments = row.builder == Builder::kSklearn && (name.ends_with("args") || name.ends_with("params"));
  if (is_arguments)
    if (Offence found = zones(value)) return text("{} in '{}'", *found, name);
  // What a booster's __setstate__ has its library parse: bytes or a text, by which nothing is asked of an object.
  const bool is_handle = row.builder == Builder::kMadeEmpty && (name == "handle" || name == "_handle");
  const Builder parsed = builder_of(value);
  if (is_handle && value.kind() >= ValueKind::kList && parsed != Builder::kByteArray && parsed != Builder::kLatin1)
    return text("what is no bytes as '{}'", name);
  if (row.builder == Builder::kModule && name.ends_with("hooks"))
    if (Offence found = hooks(value)) return text("{} as one of '{}'", *found, name);
  return {};
}

// What estimators call functions of pandas with, which open files as time zones.
Offence StateJudge::zones(Value value) {
  return zones_.walk(value, [](Value part, std::vector<NodeId>& stack) -> Offence {
    if (part.is(ValueKind::kString) && PandasJudge::is_zone_of_file(part.as_string())) return "a time zone of a file";
    for_each_child(part, [&](Value child) { stack.push_back(child.id()); });
    return {};
  });
}

// What a module calls when it is called: objects of torch's own that are made for it, as WeightNorm is, and strangers', which
// their imports tell.
Offence StateJudge::hooks(Value hooks) const {
  const auto one = [](Value hook) -> Offence {
    const GlobalRow* row = inert_row(hook);
    if (row != nullptr && row->name == "_WrappedHook" && hook.of(hook.as_object().state).is(ValueKind::kDict)) {
      hook = hook.of(hook.as_object().state).find("hook");
      row = inert_row(hook);
    }
    const bool is_made_for_it = row != nullptr && row->module.starts_with("torch.nn.utils.");
    if (is_made_for_it && ArgumentJudge::named_function(hook) == nullptr) return {};
    return callable(hook);
  };
  if (hooks.is(ValueKind::kObject)) {
    const GlobalRow* row = inert_row(hooks);
    if (row == nullptr) return {};
    const auto args = arguments(hooks);
    const bool is_empty = args.empty() || (args.size() == 1 && is_sequence(args[0].kind()) && args[0].size() == 0);
    if (row->builder != Builder::kOrderedDict || !is_empty) return text("an object of {}.{}", row->module, row->name);
  }
  for (const auto& [key, hook] : entries_of(hooks))
    if (Offence found = one(hook)) return found;
  return {};
}

// Whatever a value keeps.
Offence StateJudge::held(Value value) {
  if (!value || value.kind() < ValueKind::kList) return {};
  return clean_.walk(value, [](Value part, std::vector<NodeId>& stack) -> Offence {
    if (imported(part)) {
      const GlobalRow* row = imported_row(part);
      const bool is_kept = row == nullptr || (!is_for_picklers(row->builder) && !ArgumentJudge::is_scorer(*row));
      return is_kept ? Offence() : Offence(text("{}.{} to keep", row->module, row->name));
    }
    const auto push = [&](Value inner) {
      if (inner && inner.kind() >= ValueKind::kList) stack.push_back(inner.id());
    };
    if (part.is(ValueKind::kObject)) {
      if (is_joblib_array(part)) return {};
      const ObjectParts& parts = part.as_object();
      push(part.of(parts.state));
      for (const NodeId item : parts.items) push(part.of(item));
      for (const NodeId pair : parts.pairs) push(part.of(pair));
      // What a container is made of; what others are given has been judged with their calls. A function's class is not kept.
      if (ArgumentJudge::named_function(part) != nullptr) return {};
      const GlobalRow* row = inert_row(part);
      const bool keeps = row == nullptr || is_between(row->builder, Builder::kOrderedDict, Builder::kDeque) ||
                         row->builder == Builder::kSet || row->builder == Builder::kFrozenSet ||
                         row->builder == Builder::kNamedTuple || row->builder == Builder::kStateTuple ||
                         row->builder == Builder::kPartial;
      if (keeps)
        for (const Value argument : arguments(part)) push(argument);
      return {};
    }
    for_each_child(part, push);
    return {};
  });
}

}  // namespace holdall
