// The trees of arguments and results that a module's signature has, as torch.utils._pytree.treespec_dumps writes
// them: [protocol, {"type", "context", "children_spec"}]. torch.export.load imports what their contexts name.
//
// Thread-safety: pure. Ownership: results own their texts.
#pragma once

#include <string_view>

#include "holdall/objects/verdict.h"

namespace holdall::torch_export {

// Appends what reading a tree back imports and is not known to be inert: enumerations ({"__enum__", "fqn": "module:Class",
// "name"}) and classes of transformers ({"_t", "p": "module:Class"}) in the JSON that a context is, and what makes the values
// of a defaultdict. A tree that is no JSON is unreadable.
void judge_tree_spec(std::string_view spec, std::string_view where, Findings& findings);

}  // namespace holdall::torch_export
