#include "holdall/objects/judge_keras.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "holdall/objects/globals.h"
#include "holdall/objects/interpretation.h"

namespace holdall {
namespace {

constexpr std::string_view kLoader = "_unpickle_model";
// Whose classes have that function, and whatever the class, it loads what the file says.
constexpr std::string_view kPackages[] = {"keras.src.layers.", "keras.src.losses.", "keras.src.metrics.", "keras.src.models.",
                                          "keras.src.optimizers."};

// What an io.BytesIO was given as its bytes: (bytes, position, None), and nothing else.
Value content_of(Value stream) {
  if (!stream.is(ValueKind::kObject) || !arguments(stream).empty()) return {};
  const ObjectParts& parts = stream.as_object();
  const Value state = stream.of(parts.state);
  const bool is_stream =
      stream.of(parts.callee).is_global("_io", "BytesIO") && parts.new_object && parts.items.empty() && parts.pairs.empty();
  if (!is_stream || !state || !state.is(ValueKind::kTuple) || state.size() != 3) return {};
  return state.item(2).is(ValueKind::kNull) ? state.item(0) : Value();
}

// Whether a model is made by what a value names.
bool loads(Value value) { return is_keras_loader(value) || names_keras_loader(value); }

bool is_loose(Value value) { return is_keras_model_class(value) || loads(value); }

// Whether what must not stand there is part of an object, beside its callee and its arguments.
bool has_loose_part(Value object) {
  const ObjectParts& parts = object.as_object();
  const auto is_part = [&](NodeId part) { return part != kNoNode && is_loose(object.of(part)); };
  return is_part(parts.args) || is_part(parts.kwargs) || is_part(parts.state) ||
         std::any_of(parts.items.begin(), parts.items.end(), is_part) ||
         std::any_of(parts.pairs.begin(), parts.pairs.end(), is_part);
}

}  // namespace

bool is_keras_model_class(Value global) noexcept {
  if (!global.is(ValueKind::kGlobal) || global.global_name().find('.') != std::string_view::npos) return false;
  const auto is_within = [&](std::string_view package) { return global.global_module().starts_with(package); };
  return std::any_of(std::begin(kPackages), std::end(kPackages), is_within);
}

bool is_keras_loader(Value global) noexcept {
  constexpr std::string_view kFunction = "deserialize_model_from_bytecode";
  return global.is_global("tf_keras.src.saving.pickle_utils", kFunction) ||
         global.is_global("keras.src.saving.pickle_utils", kFunction);
}

bool names_keras_loader(Value object) {
  if (!object.is(ValueKind::kObject) || builder_of(object) != Builder::kGetAttr) return false;
  const auto args = arguments(object);
  return args.size() == 2 && is_keras_model_class(args[0]) && args[1].is(ValueKind::kString) && args[1].as_string() == kLoader;
}

bool is_keras_model(Value object) {
  return object.is(ValueKind::kObject) && !object.as_object().new_object && loads(object.of(object.as_object().callee));
}

Value keras_file(Value model) {
  const auto args = arguments(model);
  if (args.size() != 1 || model.as_object().kwargs != kNoNode) return {};
  return is_keras_loader(model.of(model.as_object().callee)) ? args[0] : content_of(args[0]);
}

bool keeps_keras_loaders(const Arena& arena) {
  std::set<NodeId> lookups;  // arguments of getattr
  for (NodeId node = 0; node < arena.size(); ++node)
    if (names_keras_loader(arena.at(node))) lookups.insert(arena.at(node).as_object().args);
  for (NodeId node = 0; node < arena.size(); ++node) {
    const Value value = arena.at(node);
    if (value.is(ValueKind::kObject)) {
      const Value callee = value.of(value.as_object().callee);
      // A class that is called itself, and a loader by which an object of a class is made.
      if (is_keras_model_class(callee) || (loads(callee) && !is_keras_model(value)) || has_loose_part(value)) return false;
    } else if (value.is(ValueKind::kDict)) {
      for (std::size_t i = 0; i < value.size(); ++i)
        if (is_loose(value.key(i)) || is_loose(value.mapped(i))) return false;
    } else if (value.kind() >= ValueKind::kList && value.kind() <= ValueKind::kFrozenSet && !lookups.contains(node)) {
      for (std::size_t i = 0; i < value.size(); ++i)
        if (is_loose(value.item(i))) return false;
    }
  }
  return true;
}

}  // namespace holdall
