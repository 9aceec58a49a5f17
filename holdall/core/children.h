// What a value holds directly: for walks over a tree.
//
// Thread-safety and ownership: pure.
#pragma once

#include "holdall/core/value.h"

namespace holdall {

// List, tuple, set, frozen set.
inline bool is_sequence(ValueKind kind) noexcept { return kind >= ValueKind::kList && kind <= ValueKind::kFrozenSet; }

// Whether a value of this kind may hold others.
inline bool is_container(ValueKind kind) noexcept {
  return is_sequence(kind) || kind == ValueKind::kDict || kind == ValueKind::kTensor || kind == ValueKind::kObject;
}
static_assert(static_cast<int>(ValueKind::kList) + 3 == static_cast<int>(ValueKind::kFrozenSet));

// Calls `use` with every value that `value` holds, in the order in which a document says them: keys before what they map to; an
// object's callee, arguments, keyword arguments, state, items, pairs; a tensor's attributes.
template <class Use>
void for_each_child(Value value, const Use& use) {
  const auto present = [&](NodeId id) {
    if (id != kNoNode) use(value.of(id));
  };
  switch (value.kind()) {
    case ValueKind::kList:
    case ValueKind::kTuple:
    case ValueKind::kSet:
    case ValueKind::kFrozenSet:
      for (std::size_t i = 0; i < value.size(); ++i) use(value.item(i));
      return;
    case ValueKind::kDict:
      for (std::size_t i = 0; i < 2 * value.size(); ++i) use(value.item(i));
      return;
    case ValueKind::kTensor:
      return present(value.as_tensor().attributes);
    case ValueKind::kObject: {
      const ObjectParts& parts = value.as_object();
      for (const NodeId id : {parts.callee, parts.args, parts.kwargs, parts.state}) present(id);
      for (const NodeId id : parts.items) present(id);
      for (const NodeId id : parts.pairs) present(id);
      return;
    }
    default:
      return;
  }
}

}  // namespace holdall
