// Flatten: a value tree as a list of places and what stands there, for comparing two.
//
// Thread-safety and ownership: pure.
#pragma once

#include <string>
#include <vector>

#include "holdall/core/model.h"

namespace holdall {

struct Leaf {
  std::string path;   // a JSON pointer: "/optimizer_state_dict/param_groups/0/lr"
  std::string value;  // JSON; the kind of container where that is what stands there; of long texts and bytes their SHA-256
};

enum class Detail : std::uint8_t {
  kAll,
  kPlain,  // only plain values under their keys: no kinds of containers, no state of dicts (torch's _metadata), no flags of
           // tensors
};

// Tensors show as their flags alone: which tensors there are, their names say. Containers met again inside themselves are
// {"$ref":path}. Does not recurse.
std::vector<Leaf> flatten(Value root, Detail detail);

// Whether a tree says no more than the names of the model's tensors do.
bool is_names_only(const Model& model);

}  // namespace holdall
