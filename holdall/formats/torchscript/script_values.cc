#include "holdall/formats/torchscript/script_values.h"

#include "holdall/base/text.h"

namespace holdall::torchscript {

namespace {

constexpr std::string_view kPickleModule = "torch.jit._pickle";

bool is_tensor_id(Value callee) {
  return callee.is_global(kPickleModule, "build_tensor_from_id") || callee.is_global("__main__", "TensorID");
}

bool is_list_maker(Value callee) {
  if (callee.is_global("__main__", "IntList")) return true;
  if (callee.global_module() != kPickleModule) return false;
  for (const std::string_view name :
       {"restore_type_tag", "build_intlist", "build_tensorlist", "build_doublelist", "build_boollist"})
    if (callee.global_name() == name) return true;
  return false;
}

// What an object was given: its state, or what it was called with.
NodeId given(Value object) {
  const ObjectParts& parts = object.as_object();
  if (parts.state != kNoNode) return parts.state;
  const Value args = object.of(parts.args);
  if (!args.is(ValueKind::kTuple)) return parts.args;
  if (args.size() == 0) return kNoNode;
  return args.size() == 1 ? args.item(0).id() : args.id();
}

NodeId class_dict(Arena& arena, Value object, Value callee) {
  const NodeId dict = arena.dict();
  arena.set_item(dict, kClassKey, arena.string(text("{}.{}", callee.global_module(), callee.global_name())));
  const Value state = object.of(given(object));
  if (!state) return dict;
  if (!state.is(ValueKind::kDict)) {
    arena.set_item(dict, kStateKey, state.id());
    return dict;
  }
  for (std::size_t i = 0; i < state.size(); ++i) arena.set_item(dict, state.key(i).id(), state.mapped(i).id());
  return dict;
}

}  // namespace

bool is_script_class(std::string_view module) noexcept { return module == "__torch__" || module.starts_with("__torch__."); }

void settle_values(Arena& arena, NodeId first, const TensorById& tensor) {
  const auto end = static_cast<NodeId>(arena.size());
  for (NodeId node = first; node < end; ++node) {
    const Value object = arena.at(node);
    if (!object.is(ValueKind::kObject)) continue;
    const Value callee = object.of(object.as_object().callee);
    if (!callee.is(ValueKind::kGlobal)) continue;
    if (is_script_class(callee.global_module())) {
      arena.replace(node, class_dict(arena, object, callee));
      continue;
    }
    const Value args = object.of(object.as_object().args);
    if (is_tensor_id(callee) && tensor) {
      const Value id = object.of(given(object));
      const NodeId found = id.is(ValueKind::kInt) ? tensor(id.as_int()) : kNoNode;
      if (found != kNoNode) arena.replace(node, found);
    } else if (is_list_maker(callee) && args.is(ValueKind::kTuple) && args.size() > 0) {
      arena.replace(node, args.item(0).id());
    }
  }
}

}  // namespace holdall::torchscript
