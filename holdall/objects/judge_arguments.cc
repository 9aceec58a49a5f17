#include "holdall/objects/judge_arguments.h"

#include <algorithm>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/core/children.h"
#include "holdall/objects/judge_plain.h"
#include "holdall/objects/judge_sizes.h"

namespace holdall {

namespace {

constexpr int kEvery = -1;

struct TakesRow {
  Builder builder;
  int position;
  Takes takes;
};

constexpr TakesRow kTakes[] = {
#define HOLDALL_BUILDER(id, name)
#define HOLDALL_GLOBAL(module, global, verdict, builder)
#define HOLDALL_ROOT(module)
#define HOLDALL_TAKES(builder, position, what) {Builder::builder, position, Takes::what},
#include "holdall/objects/globals.inc"
#undef HOLDALL_BUILDER
#undef HOLDALL_GLOBAL
#undef HOLDALL_ROOT
};

Takes takes_of(Builder builder, std::size_t position) noexcept {
  for (const TakesRow& row : kTakes) {
    const bool is_here = row.position == kEvery || static_cast<std::size_t>(row.position) == position;
    if (row.builder == builder && is_here) return row.takes;
  }
  return Takes::kData;
}

bool has_entries(Value value) { return value && (is_sequence(value.kind()) || value.is(ValueKind::kDict)); }

const GlobalRow* row_of(Value global) {
  return global.is(ValueKind::kGlobal) ? find_global(global.global_module(), global.global_name()) : nullptr;
}

// Values that have no attributes and are not called.
bool is_constant(const GlobalRow& row) noexcept {
  switch (row.builder) {
    case Builder::kTorchDType:
    case Builder::kQScheme:
    case Builder::kMemoryFormat:
      return true;
    case Builder::kLayout:
      return row.module == "torch";
    default:
      return false;
  }
}

bool is_rebuild(Builder builder) noexcept {
  if (builder == Builder::kFromType || builder == Builder::kFromTypeV2) return false;
  return (builder >= Builder::kTensor && builder <= Builder::kDeviceTensor && builder != Builder::kParameterClass) ||
         builder == Builder::kJagged;
}

bool is_wanted(Takes takes, const GlobalRow& row) noexcept {
  const Builder builder = row.builder;
  const auto is_between = [&](Builder first, Builder last) { return builder >= first && builder <= last; };
  switch (takes) {
    case Takes::kClass:
      return true;
    case Takes::kBase:
      return builder == Builder::kType || is_between(Builder::kByteArray, Builder::kFrozenSet);
    case Takes::kFactory:
      return builder == Builder::kType || is_between(Builder::kByteArray, Builder::kFrozenSet) ||
             is_between(Builder::kOrderedDict, Builder::kDeque) || builder == Builder::kTensorClass ||
             builder == Builder::kNumpyScalarClass || builder == Builder::kFunction;
    case Takes::kTensorType:
      return builder == Builder::kTensorClass || builder == Builder::kParameterClass || builder == Builder::kObject;
    case Takes::kArrayClass:
      return builder == Builder::kNumpyArrayClass || builder == Builder::kNumpyMap || builder == Builder::kNumpyScalarClass ||
             builder == Builder::kArray;
    case Takes::kRandom:
      return builder == Builder::kNumpyRandom;
    default:
      return false;
  }
}

// Objects that carry out what their attributes say, that others share, or that could be anything.
bool could_act(Builder builder) noexcept {
  return builder == Builder::kModule || builder == Builder::kNamespace || builder == Builder::kFunction ||
         builder == Builder::kReconstructor || builder == Builder::kNewObject || builder == Builder::kSklearn ||
         builder == Builder::kPandas || builder == Builder::kPandasClass || builder == Builder::kNamedTuple ||
         builder == Builder::kPartial || builder == Builder::kDistribution || builder == Builder::kStateTuple ||
         builder == Builder::kEnum || builder == Builder::kFrameworkEnum || builder == Builder::kAttributeDict;
}

bool is_enumeration(Value global) {
  const GlobalRow* row = row_of(global);
  return row != nullptr && (row->builder == Builder::kEnum || row->builder == Builder::kFrameworkEnum);
}

// As members are named: no method and no attribute of an enumeration is.
bool is_member_name(std::string_view name) noexcept {
  return !name.empty() && name.front() >= 'A' && name.front() <= 'Z' && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// Tensors, storages and arrays, and what makes them.
bool takes_no_keyword(const GlobalRow* row) noexcept {
  return row != nullptr && row->builder >= Builder::kTensor && row->builder <= Builder::kNumpyRandom;
}

std::string spelled(Value global) { return text("{}.{}", global.global_module(), global.global_name()); }

std::string global_or(Value value, std::string_view otherwise) {
  return value.is(ValueKind::kGlobal) ? spelled(value) : std::string(otherwise);
}

// What type() is asked about where pickle writes the classes of these. Of anything else it gives a class that the file chooses.
bool is_singleton(Value value) {
  const GlobalRow* row = row_of(value);
  const bool is_named = row != nullptr && row->builder == Builder::kType;
  return value.is_null() || (is_named && (row->name == "Ellipsis" || row->name == "NotImplemented"));
}

// A key leads into the database of time zones alone: zoneinfo refuses what leads out of it.
bool is_zone_key(Value value) {
  if (!value.is(ValueKind::kString)) return false;
  const std::string_view key = value.as_string();
  return !key.empty() && key.front() != '/' && key.find("..") == std::string_view::npos &&
         std::all_of(key.begin(), key.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == '_' ||
                  c == '-' || c == '+';
         });
}

// Estimators keep functions and name classes, which are called to be made; of scikit-learn's, NumPy's and SciPy's functions no
// pickler calls one, and their kernels believe that arrays fit together.
bool is_sklearn_function(const GlobalRow& row) noexcept {
  if (row.builder != Builder::kSklearn || row.name == "make_column_selector" || row.module.starts_with("scipy.sparse"))
    return false;
  const std::size_t first = row.name.find_first_not_of('_');
  return first != std::string_view::npos && row.name[first] >= 'a' && row.name[first] <= 'z';
}

// What is wrong with the arguments of a call beyond what HOLDALL_TAKES says.
std::optional<std::string> values_offence(const GlobalRow& row, const std::vector<Value>& args) {
  if (ArgumentJudge::is_scorer(row) && !args.empty()) return "an argument";
  if (auto found = plain_offence(row, args)) return found;
  return sizes_offence(row, args);
}

}  // namespace

Value imported(Value value) {
  if (value.is(ValueKind::kGlobal)) return value;
  const Value id = persistent_id(value);
  if (!id.is(ValueKind::kTuple) || id.size() < 2 || !id.item(0).is(ValueKind::kString)) return {};
  return id.item(0).as_string() == "module" && id.item(1).is(ValueKind::kGlobal) ? id.item(1) : Value();
}

Value made_class(Value object) {
  const Value callee = object.is(ValueKind::kObject) ? imported(object.of(object.as_object().callee)) : Value();
  const GlobalRow* row = callee ? row_of(callee) : nullptr;
  if (row == nullptr || (row->builder != Builder::kReconstructor && row->builder != Builder::kNewObject)) return callee;
  const auto args = arguments(object);
  const Value given = args.empty() ? Value() : imported(args[0]);
  return given ? given : callee;
}

const GlobalRow* made_row(Value object) {
  const Value made = made_class(object);
  return made ? row_of(made) : nullptr;
}

const GlobalRow* inert_row(Value object) {
  const GlobalRow* row = made_row(object);
  return row != nullptr && row->verdict == Verdict::kInert ? row : nullptr;
}

const GlobalRow* imported_row(Value value) {
  const GlobalRow* row = row_of(imported(value));
  return row != nullptr && row->verdict == Verdict::kInert ? row : nullptr;
}

std::vector<std::pair<Value, Value>> entries_of(Value value) {
  std::vector<std::pair<Value, Value>> found;
  for (std::size_t i = 0; value.is(ValueKind::kDict) && i < value.size(); ++i)
    found.emplace_back(value.key(i), value.mapped(i));
  if (!value.is(ValueKind::kObject)) return found;
  const ObjectParts& parts = value.as_object();
  for (std::size_t i = 0; i + 1 < parts.pairs.size(); i += 2)
    found.emplace_back(value.of(parts.pairs[i]), value.of(parts.pairs[i + 1]));
  return found;
}

Value ArgumentJudge::enumeration_of(Value object) {
  const Value made = made_class(object);
  if (!made || is_enumeration(made)) return made;
  return names_member(object) ? arguments(object)[0] : Value();
}

bool ArgumentJudge::names_member(Value object) {
  const GlobalRow* row = row_of(object.of(object.as_object().callee));
  if (row == nullptr || row->builder != Builder::kGetAttr) return false;
  const auto args = arguments(object);
  return args.size() == 2 && is_enumeration(args[0]) && args[1].is(ValueKind::kString) && is_member_name(args[1].as_string());
}

bool ArgumentJudge::names_zones(Value object) {
  const GlobalRow* row = object.is(ValueKind::kObject) ? row_of(object.of(object.as_object().callee)) : nullptr;
  if (row == nullptr || row->builder != Builder::kGetAttr) return false;
  const auto args = arguments(object);
  const GlobalRow* of = args.size() == 2 ? row_of(args[0]) : nullptr;
  return of != nullptr && of->builder == Builder::kTimeZone && args[1].is(ValueKind::kString) &&
         args[1].as_string() == "_unpickle";
}

const GlobalRow* ArgumentJudge::named_function(Value object) {
  const GlobalRow* row = object.is(ValueKind::kObject) ? row_of(object.of(object.as_object().callee)) : nullptr;
  if (row == nullptr || row->builder != Builder::kGetAttr) return nullptr;
  const auto args = arguments(object);
  if (args.size() != 2 || !args[0].is(ValueKind::kGlobal) || !args[1].is(ValueKind::kString)) return nullptr;
  const GlobalRow* found = find_global(args[0].global_module(), text("{}.{}", args[0].global_name(), args[1].as_string()));
  return found != nullptr && found->builder == Builder::kReference ? found : nullptr;
}

bool ArgumentJudge::is_scorer(const GlobalRow& row) noexcept {
  const bool is_module = row.module == "sklearn.metrics._scorer" || row.module == "sklearn.metrics.scorer";
  return is_module && row.name.size() > 1 && row.name[1] >= 'A' && row.name[1] <= 'Z';
}

bool ArgumentJudge::is_library_function(const GlobalRow& row) noexcept {
  return row.builder == Builder::kReference || row.builder == Builder::kFunction || is_sklearn_function(row);
}

bool ArgumentJudge::is_kept(Value value) {
  if (named_function(value) != nullptr) return true;
  const GlobalRow* row = imported_row(value);
  if (row == nullptr || is_scorer(*row)) return false;
  switch (row->builder) {
    case Builder::kReference:
    case Builder::kFunction:
    case Builder::kModule:
    case Builder::kSklearn:
    case Builder::kType:
    case Builder::kOrderedDict:
    case Builder::kDefaultDict:
    case Builder::kCounter:
    case Builder::kDeque:
      return true;
    default:
      return false;
  }
}

bool ArgumentJudge::is_zone(Value object) {
  if (!object.is(ValueKind::kObject) || !names_zones(object.of(object.as_object().callee))) return false;
  const auto args = arguments(object);
  return args.size() == 2 && is_zone_key(args[0]) && args[1].kind() < ValueKind::kList;
}

std::optional<std::string> ArgumentJudge::call(Value object) {
  const Value callee = imported(object.of(object.as_object().callee));
  const GlobalRow* row = callee ? row_of(callee) : nullptr;
  if (row == nullptr || row->verdict != Verdict::kInert) return {};
  auto args = arguments(object);
  const Value keywords = object.of(object.as_object().kwargs);
  const GlobalRow* made = made_row(object);
  if (Offence found = PandasJudge::is_made(object) ? pandas_.argument(keywords) : data(keywords)) return found;
  // torch's constructors take addresses by keyword ("cdata", "allocator"), and no pickle has others.
  if (keywords && keywords.size() > 0 && takes_no_keyword(made)) return "arguments by keyword";
  if (is_sklearn_function(*row) && !args.empty()) return argument(Takes::kNothing, args[0], args);
  if (Offence found = values_offence(*row, args)) return found;
  if (row->builder != Builder::kNewObject || args.empty()) return arguments_of(row->builder, args);
  // copyreg.__newobj__(cls, …) calls cls.__new__(cls, …).
  if (!imported(args[0])) return data(args[0]);
  args.erase(args.begin());
  if (made == nullptr) return {};
  if (Offence found = values_offence(*made, args)) return found;
  return arguments_of(made->builder, args);
}

ArgumentJudge::Offence ArgumentJudge::arguments_of(Builder builder, const std::vector<Value>& args) {
  for (std::size_t i = 0; i < args.size(); ++i)
    if (Offence found = argument(takes_of(builder, i), args[i], args)) return found;
  return {};
}

ArgumentJudge::Offence ArgumentJudge::argument(Takes takes, Value value, const std::vector<Value>& args) {
  switch (takes) {
    case Takes::kState:
      return {};
    case Takes::kNothing:
      return global_or(value, "an argument");
    case Takes::kZone:
      return is_zone_key(value) ? Offence() : global_or(value, "what is no key of a time zone");
    case Takes::kKept:
      return is_kept(value) ? Offence() : data(value);
    case Takes::kMadeArray: {
      const Builder builder = builder_of(value);
      const bool is_array =
          value.is(ValueKind::kTensor) || builder == Builder::kNumpyReconstruct || builder == Builder::kNumpyFromBuffer;
      return is_array ? Offence() : global_or(value, "what is no array");
    }
    case Takes::kArrayMaker: {
      const GlobalRow* row = row_of(value);
      if (row != nullptr && row->builder == Builder::kNumpyReconstruct) return {};
      return value.is(ValueKind::kGlobal) && row == nullptr ? Offence() : global_or(value, "what makes no array");
    }
    case Takes::kPandas:
      return pandas_.argument(value);
    case Takes::kPandasClass: {
      const GlobalRow* row = row_of(imported(value));
      return row != nullptr && row->builder == Builder::kPandasClass ? Offence() : pandas_.argument(value);
    }
    case Takes::kSingleton:
      return is_singleton(value) ? Offence() : global_or(value, "what is none of None, Ellipsis and NotImplemented");
    case Takes::kEntries:
      return entries(value);
    case Takes::kContent:
      return content(args[1], value);
    case Takes::kRebuild: {
      const GlobalRow* row = row_of(value);
      if (row != nullptr && is_rebuild(row->builder)) return {};
      return value.is(ValueKind::kGlobal) && row == nullptr ? Offence() : global_or(value, "what is no rebuild function");
    }
    case Takes::kRebuildArguments: {
      if (!value.is(ValueKind::kTuple) && !value.is(ValueKind::kList)) return "arguments that are computed";
      const GlobalRow* row = row_of(args[0]);
      std::vector<Value> inner;
      for (std::size_t i = 0; i < value.size(); ++i) inner.push_back(value.item(i));
      return row == nullptr ? Offence() : arguments_of(row->builder, inner);
    }
    case Takes::kFactory: {
      // What is not inert has been judged by its import.
      const GlobalRow* made = made_row(value);
      if (made != nullptr && made->verdict != Verdict::kInert && made->builder == Builder::kObject) return {};
      if (made != nullptr && made->builder == Builder::kPartial) return {};
      const GlobalRow* row = row_of(imported(value));
      return row != nullptr && is_wanted(takes, *row) ? Offence() : data(value);
    }
    default: {
      const Value global = imported(value);
      const GlobalRow* row = global ? row_of(global) : nullptr;
      return row != nullptr && is_wanted(takes, *row) ? Offence() : data(value);
    }
  }
}

ArgumentJudge::Offence ArgumentJudge::entries(Value value) { return has_entries(value) ? Offence() : data(value); }

ArgumentJudge::Offence ArgumentJudge::content(Value base, Value value) {
  const GlobalRow* row = row_of(base);
  return row != nullptr && !is_container_type(*row) ? base_offence(value) : entries(value);
}

// Everything in a value.
ArgumentJudge::Offence ArgumentJudge::data(Value value) {
  if (!value || value.kind() < ValueKind::kList) return {};
  return clean_.walk(value, [&](Value part, std::vector<NodeId>& stack) {
    Offence found = offence_of(part);
    if (!found) push_parts(part, stack);
    return found;
  });
}

ArgumentJudge::Offence ArgumentJudge::offence_of(Value value) {
  if (const Value global = imported(value)) {
    const GlobalRow* row = row_of(global);
    return row == nullptr || row->verdict != Verdict::kInert || is_constant(*row) ? Offence() : spelled(global);
  }
  if (!value.is(ValueKind::kObject)) return {};
  if (const GlobalRow* row = named_function(value)) return text("{}.{}", row->module, row->name);
  const GlobalRow* row = made_row(value);
  if (row == nullptr || row->verdict != Verdict::kInert || !could_act(row->builder)) return {};
  return text("an object of {}.{}", row->module, row->name);
}

void ArgumentJudge::push_entries(Value object, std::vector<NodeId>& stack) {
  const Value callee = imported(object.of(object.as_object().callee));
  const GlobalRow* row = callee ? row_of(callee) : nullptr;
  const auto args = arguments(object);
  for (std::size_t i = 0; row != nullptr && i < args.size(); ++i) {
    const Takes takes = takes_of(row->builder, i);
    if ((takes == Takes::kEntries || takes == Takes::kContent) && args[i].kind() >= ValueKind::kList)
      stack.push_back(args[i].id());
  }
}

// The arguments of an object have been judged with its own call, but for entries of a container, which may be anything there.
void ArgumentJudge::push_parts(Value value, std::vector<NodeId>& stack) {
  const auto push = [&](Value part) {
    if (part && part.kind() >= ValueKind::kList) stack.push_back(part.id());
  };
  if (value.is(ValueKind::kObject)) {
    const ObjectParts& parts = value.as_object();
    push(value.of(parts.state));
    for (const NodeId part : parts.items) push(value.of(part));
    for (const NodeId part : parts.pairs) push(value.of(part));
    push_entries(value, stack);
    return;
  }
  if (!has_entries(value)) return;
  const bool is_dict = value.is(ValueKind::kDict);
  for (std::size_t i = 0; i < value.size(); ++i) {
    push(is_dict ? value.key(i) : value.item(i));
    if (is_dict) push(value.mapped(i));
  }
}

}  // namespace holdall
