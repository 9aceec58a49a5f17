// Where the tensors of a value tree stand: the walk that gives them their names (surface.md, "tensor name").
//
// Thread-safety and ownership: pure.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "holdall/core/model.h"

namespace holdall {

struct TensorPlace {
  // kItem: an item of a list, tuple, set or object; kPair: the value of an entry of a dict or of an object's pairs; kOther: the
  // root, or an object's callee, arguments or state itself.
  enum class Part : std::uint8_t { kItem, kPair, kOther };

  std::uint32_t index = 0;     // TensorNode::index
  NodeId node = kNoNode;       // the tensor node
  NodeId container = kNoNode;  // what holds it; kNoNode for the root
  Part part = Part::kOther;
  std::uint32_t slot = 0;  // which item or pair
};

// Calls found() for every place of a tensor in the tree, in the order in which ModelBuilder::named_by_tree() names them, with
// its path of keys.
void walk_tensors(const Arena& arena, NodeId root,
                  const std::function<void(const TensorPlace&, std::vector<std::string> path)>& found);

}  // namespace holdall
