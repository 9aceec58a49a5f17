// What TorchScript's own spellings in a pickle mean, once tensors have their meaning (objects/interpret.h).
//
//   torch.jit._pickle.restore_type_tag(value, "List[int]"), build_intlist(value) and its kin   the value
//   torch.jit._pickle.build_tensor_from_id(N), __main__.TensorID(N)                            a tensor of an older file's
//   table an object of a class of the archive (__torch__.…)      {"__class__": "__torch__.M", attribute: value, …}; where its
//   state
//                                                          is no dict, or it has none (an enumeration): {"__class__": …,
//                                                          "__state__": value}
// Thread-safety: one thread an arena. Ownership: nodes stay in the caller's arena.
#pragma once

#include <functional>
#include <string_view>

#include "holdall/core/value.h"

namespace holdall::torchscript {

inline constexpr std::string_view kClassKey = "__class__";
inline constexpr std::string_view kStateKey = "__state__";

// Whether a global's module is that of classes that an archive's own code defines, or that torch's libraries register.
bool is_script_class(std::string_view module) noexcept;

// The node of a tensor of the older files' table; kNoNode where there is no such tensor.
using TensorById = std::function<NodeId(std::int64_t id)>;

// Gives the objects among the nodes [first, arena.size()) their meaning. Without `tensor` those of a table stay objects.
void settle_values(Arena& arena, NodeId first, const TensorById& tensor = {});

}  // namespace holdall::torchscript
