// The object graph of a checkpoint: which attribute of which object each tensor is.
//
//   TrackableObjectGraph { nodes = 1 { children = 1 { node_id = 1, local_name = 2 },
//                                      attributes = 2 { name = 1, full_name = 2, checkpoint_key = 3, optional_restore = 4 },
//                                      slot_variables = 3 { original_variable_node_id = 1, slot_name = 2,
//                                                           slot_variable_node_id = 3 },
//                                      registered_saver = 4, has_checkpoint_values = 5 { value = 1 } } }
// Node 0 is the root. Specification: tensorflow/core/protobuf/trackable_object_graph.proto. A key is the path of local names
// ('.' as "..", '/' as ".S"), joined with '/', "/.ATTRIBUTES/" and the attribute's name.
//
// Thread-safety: value types. Ownership: values own their texts.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "holdall/base/hash_index.h"
#include "holdall/base/limits.h"
#include "holdall/codec/protobuf.h"
#include "holdall/core/value.h"

namespace holdall::tf_checkpoint {

inline constexpr std::string_view kGraphKey = "_CHECKPOINTABLE_OBJECT_GRAPH";
inline constexpr std::string_view kValueSuffix = "/.ATTRIBUTES/VARIABLE_VALUE";

struct ObjectGraph {
  struct Child {
    std::uint64_t node = 0;
    std::string name;
  };
  struct Attribute {
    std::string name, full_name, key;
    bool is_optional = false;
  };
  struct Slot {
    std::uint64_t variable = 0, value = 0;  // nodes
    std::string name;
  };
  struct Node {
    std::vector<Child> children;
    std::vector<Attribute> attributes;
    std::vector<Slot> slots;
  };
  std::vector<Node> nodes;
};

// Errors: corrupt (a node that is not there), limit (more nodes than `limits` allows tensors, more memory than values).
Result<ObjectGraph> read_object_graph(Blob bytes, const Limits& limits);

// What the graph says of one tensor.
struct Described {
  std::string key, path, full_name;  // path: "model.layers.0.kernel", the shortest
  std::string slot, slot_of;         // an optimizer's: "momentum", the key of the variable
};
// Of every attribute that has a key. Errors: limit, where the paths would take more than `limits` allows values.
Result<std::vector<Described>> describe(const ObjectGraph& graph, const Limits& limits);

// The graph as nested dicts: an object's attributes by name, a variable being its tensor; an optimizer's slots under
// ".OPTIMIZER_SLOT", by slot and variable. Tensor i is that of keys[i]; those that the graph does not reach stand
// in the outermost dict.
NodeId tree_of(const ObjectGraph& graph, Arena& arena, const std::vector<std::string>& keys, const Limits& limits);

// A graph made of nested names.
class GraphMaker {
 public:
  GraphMaker();
  // A variable at a path of local names; its key.
  std::string add(const std::vector<std::string>& path, std::string_view full_name);
  bool has(const std::string& child_of_root) const;
  std::string finish() &&;

 private:
  struct Node {
    std::vector<std::pair<std::string, std::size_t>> children;
    HashIndex by_name;
    std::string attributes;  // as written
  };
  std::size_t child(std::size_t node, const std::string& name);
  std::vector<Node> nodes_;
};
std::string escaped(std::string_view local_name);
// The path and the attribute's name of such a key; empty where it is none.
struct KeyParts {
  std::vector<std::string> path;
  std::string attribute;
};
std::optional<KeyParts> parts_of(std::string_view key);

}  // namespace holdall::tf_checkpoint
