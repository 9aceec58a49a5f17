#include "holdall/formats/tf_checkpoint/object_graph.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"

namespace holdall::tf_checkpoint {
namespace {

constexpr std::string_view kValue = "VARIABLE_VALUE";
constexpr std::string_view kAttributes = "/.ATTRIBUTES/";
constexpr std::string_view kSlots = ".OPTIMIZER_SLOT";
constexpr std::uint64_t kMostName = 1u << 20;
constexpr std::uint64_t kNoParent = UINT64_MAX;

Result<ObjectGraph::Child> read_child(ProtoReader message) {
  ObjectGraph::Child child;
  while (true) {
    HOLDALL_ASSIGN(const auto field, message.next());
    if (!field) return child;
    if (field->is_varint(1)) child.node = field->value;
    if (field->is_bytes(2)) {
      HOLDALL_ASSIGN(child.name, message.text(*field, kMostName));
    }
  }
}

Result<ObjectGraph::Attribute> read_attribute(ProtoReader message) {
  ObjectGraph::Attribute attribute;
  while (true) {
    HOLDALL_ASSIGN(const auto field, message.next());
    if (!field) return attribute;
    if (field->is_varint(4)) attribute.is_optional = field->value != 0;
    if (field->wire != ProtoWire::kBytes || field->number > 3) continue;
    HOLDALL_ASSIGN(std::string text, message.text(*field, kMostName));
    (field->number == 1 ? attribute.name : field->number == 2 ? attribute.full_name : attribute.key) = std::move(text);
  }
}

Result<ObjectGraph::Slot> read_slot(ProtoReader message) {
  ObjectGraph::Slot slot;
  while (true) {
    HOLDALL_ASSIGN(const auto field, message.next());
    if (!field) return slot;
    if (field->is_varint(1)) slot.variable = field->value;
    if (field->is_bytes(2)) {
      HOLDALL_ASSIGN(slot.name, message.text(*field, kMostName));
    }
    if (field->is_varint(3)) slot.value = field->value;
  }
}

// `left`: bytes that the graph may still take; two bytes of a file make an attribute.
Result<ObjectGraph::Node> read_node(ProtoReader message, std::uint64_t& left) {
  ObjectGraph::Node node;
  while (true) {
    HOLDALL_ASSIGN(const auto field, message.next());
    if (!field) return node;
    if (field->wire != ProtoWire::kBytes || field->number > 3) continue;
    const std::uint64_t taken = sizeof(ObjectGraph::Attribute) + field->value;
    if (taken > left) return over_limit("the object graph takes too much memory").at(field->at);
    left -= taken;
    HOLDALL_ASSIGN(ProtoReader part, message.message(*field));
    if (field->number == 1) {
      HOLDALL_ASSIGN(ObjectGraph::Child child, read_child(std::move(part)));
      node.children.push_back(std::move(child));
    } else if (field->number == 2) {
      HOLDALL_ASSIGN(ObjectGraph::Attribute attribute, read_attribute(std::move(part)));
      node.attributes.push_back(std::move(attribute));
    } else {
      HOLDALL_ASSIGN(ObjectGraph::Slot slot, read_slot(std::move(part)));
      node.slots.push_back(std::move(slot));
    }
  }
}

// Where the walk from the root, broad first, met each object; by names that start with '_' (an optimizer's
// _trainable_variables) only what no others lead to.
struct Walk {
  struct Met {
    std::uint64_t parent = kNoParent;
    std::size_t child = 0;  // of the parent
    std::uint32_t depth = 0;
    bool is_met = false;
  };
  std::vector<Met> nodes;
  std::vector<std::uint64_t> order;
};

Walk walk(const ObjectGraph& graph, const Limits& limits) {
  Walk walk;
  walk.nodes.resize(graph.nodes.size());
  if (graph.nodes.empty()) return walk;
  walk.nodes[0].is_met = true;
  walk.order.push_back(0);
  std::vector<std::pair<std::uint64_t, std::size_t>> inner;  // node and child, in the order in which they were met
  const auto meet = [&](std::uint64_t node, std::size_t c) {
    const std::uint64_t child = graph.nodes[node].children[c].node;
    Walk::Met& met = walk.nodes[child];
    if (std::exchange(met.is_met, true)) return;
    met.parent = node;
    met.child = c;
    met.depth = walk.nodes[node].depth + 1;
    walk.order.push_back(child);
  };
  for (std::size_t i = 0, next = 0; i < walk.order.size(); ++i) {
    const std::uint64_t node = walk.order[i];
    const auto& children = graph.nodes[node].children;
    const bool is_deep = walk.nodes[node].depth + 4 > limits.depth;
    for (std::size_t c = 0; c < children.size() && !is_deep; ++c) {
      if (children[c].name.starts_with('_')) {
        inner.emplace_back(node, c);
      } else {
        meet(node, c);
      }
    }
    for (; i + 1 == walk.order.size() && next < inner.size(); ++next) meet(inner[next].first, inner[next].second);
  }
  return walk;
}

std::string path_of(const ObjectGraph& graph, const Walk& walk, std::uint64_t node) {
  std::vector<std::string_view> names;
  for (; walk.nodes[node].parent != kNoParent; node = walk.nodes[node].parent) {
    names.push_back(graph.nodes[walk.nodes[node].parent].children[walk.nodes[node].child].name);
  }
  std::string path;
  for (auto name = names.rbegin(); name != names.rend(); ++name) path.append(path.empty() ? "" : ".").append(*name);
  return path;
}

const ObjectGraph::Attribute* value_of(const ObjectGraph::Node& node) {
  for (const auto& attribute : node.attributes)
    if (attribute.name == kValue) return &attribute;
  return node.attributes.empty() ? nullptr : &node.attributes.front();
}

// The dicts of a graph being made.
class TreeMaker {
 public:
  TreeMaker(const ObjectGraph& graph, Arena& arena, const std::vector<std::string>& keys)
      : graph_(graph), arena_(arena), keys_(keys), placed_(keys.size()), by_node_(graph.nodes.size(), kNoNode) {
    const auto hash_of = [&](std::uint32_t i) { return keyed_hash(keys[i]); };
    for (std::uint32_t i = 0; i < keys.size(); ++i) index_.add(hash_of(i), i, hash_of);
  }

  NodeId run(const Limits& limits) {
    const Walk met = walk(graph_, limits);
    const NodeId root = arena_.dict();
    for (const std::uint64_t node : met.order) {
      const Walk::Met& at = met.nodes[node];
      by_node_[node] = at.parent == kNoParent ? root : object(graph_.nodes[node]);
      if (at.parent == kNoParent) put_attributes(graph_.nodes[node], root);
      const bool is_empty = by_node_[node] == kNoNode;
      if (is_empty || at.parent == kNoParent || by_node_[at.parent] == kNoNode) continue;
      arena_.set_item(by_node_[at.parent], graph_.nodes[at.parent].children[at.child].name, by_node_[node]);
    }
    for (const std::uint64_t node : met.order) put_slots(node, met);
    for (std::uint32_t i = 0; i < keys_.size(); ++i)
      if (!placed_[i]) arena_.set_item(root, keys_[i], arena_.tensor({i}));
    return root;
  }

 private:
  std::uint32_t place(std::string_view key) {
    const std::uint32_t i = index_.find(keyed_hash(key), [&](std::uint32_t j) { return keys_[j] == key; });
    if (i != HashIndex::kNone) placed_[i] = true;
    return i;
  }

  void put_attributes(const ObjectGraph::Node& node, NodeId dict) {
    for (const auto& attribute : node.attributes) {
      const std::uint32_t i = place(attribute.key);
      if (i != HashIndex::kNone) arena_.set_item(dict, attribute.name, arena_.tensor({i}));
    }
  }

  // A variable is its tensor; what has neither children nor tensors is nothing.
  NodeId object(const ObjectGraph::Node& node) {
    const bool is_leaf = node.children.empty() && node.slots.empty();
    if (is_leaf && node.attributes.empty()) return kNoNode;
    if (is_leaf && node.attributes.size() == 1 && node.attributes.front().name == kValue) {
      const std::uint32_t i = place(node.attributes.front().key);
      return i == HashIndex::kNone ? kNoNode : arena_.tensor({i});
    }
    const NodeId dict = arena_.dict();
    put_attributes(node, dict);
    return dict;
  }

  void put_slots(std::uint64_t node, const Walk& met) {
    if (graph_.nodes[node].slots.empty()) return;
    const NodeId slots = arena_.dict();
    for (const auto& slot : graph_.nodes[node].slots) {
      const ObjectGraph::Attribute* value = value_of(graph_.nodes[slot.value]);
      const std::uint32_t i = value == nullptr ? HashIndex::kNone : place(value->key);
      if (i == HashIndex::kNone) continue;
      Value of_slot = arena_.at(slots).find(slot.name);
      if (!of_slot) {
        arena_.set_item(slots, slot.name, arena_.dict());
        of_slot = arena_.at(slots).find(slot.name);
      }
      arena_.set_item(of_slot.id(), path_of(graph_, met, slot.variable), arena_.tensor({i}));
    }
    arena_.set_item(by_node_[node], kSlots, slots);
  }

  const ObjectGraph& graph_;
  Arena& arena_;
  const std::vector<std::string>& keys_;
  std::vector<bool> placed_;
  std::vector<NodeId> by_node_;
  HashIndex index_;
};

}  // namespace

Result<ObjectGraph> read_object_graph(Blob bytes, const Limits& limits) {
  ProtoReader message(std::move(bytes));
  ObjectGraph graph;
  std::uint64_t left = limits.value_bytes;
  while (true) {
    HOLDALL_ASSIGN(const auto field, message.next());
    if (!field) break;
    if (!field->is_bytes(1)) continue;
    if (graph.nodes.size() == limits.tensors) return over_limit(text("more than {} objects", limits.tensors)).at(field->at);
    HOLDALL_ASSIGN(ProtoReader part, message.message(*field));
    HOLDALL_ASSIGN(ObjectGraph::Node node, read_node(std::move(part), left));
    graph.nodes.push_back(std::move(node));
  }
  const auto is_there = [&](std::uint64_t node) { return node < graph.nodes.size(); };
  for (const auto& node : graph.nodes) {
    const bool sound =
        std::all_of(node.children.begin(), node.children.end(), [&](const auto& c) { return is_there(c.node); }) &&
        std::all_of(node.slots.begin(), node.slots.end(),
                    [&](const auto& slot) { return is_there(slot.variable) && is_there(slot.value); });
    if (!sound) return corrupt(text("the object graph names an object that is not among its {}", graph.nodes.size()));
  }
  return graph;
}

Result<std::vector<Described>> describe(const ObjectGraph& graph, const Limits& limits) {
  const Walk met = walk(graph, limits);
  std::vector<Described> all;
  std::vector<std::pair<std::string, std::string>> slots(graph.nodes.size());  // name, key of the variable
  std::vector<std::string> slot_paths(graph.nodes.size());
  std::uint64_t bytes = 0;
  const auto count = [&](const std::string& taken) { return (bytes += taken.size()) <= limits.value_bytes; };
  for (const std::uint64_t node : met.order) {
    for (const auto& slot : graph.nodes[node].slots) {
      const ObjectGraph::Attribute* variable = value_of(graph.nodes[slot.variable]);
      slots[slot.value] = {slot.name, variable == nullptr ? std::string() : variable->key};
      slot_paths[slot.value] = text("{}.{}.{}", path_of(graph, met, node), slot.name, path_of(graph, met, slot.variable));
      if (!count(slot_paths[slot.value])) return over_limit("the paths of the objects are too long");
    }
  }
  for (std::size_t node = 0; node < graph.nodes.size(); ++node) {
    if (graph.nodes[node].attributes.empty()) continue;
    std::string path = met.nodes[node].is_met ? path_of(graph, met, node) : slot_paths[node];
    for (const auto& attribute : graph.nodes[node].attributes) {
      if (attribute.key.empty()) continue;
      const std::string own = attribute.name == kValue ? path : path + (path.empty() ? "" : ".") + attribute.name;
      if (!count(own)) return over_limit("the paths of the objects are too long");
      all.push_back({attribute.key, own, attribute.full_name, slots[node].first, slots[node].second});
    }
  }
  return all;
}

NodeId tree_of(const ObjectGraph& graph, Arena& arena, const std::vector<std::string>& keys, const Limits& limits) {
  return TreeMaker(graph, arena, keys).run(limits);
}

std::string escaped(std::string_view local_name) {
  std::string name;
  for (const char c : local_name) name += c == '.' ? ".." : c == '/' ? ".S" : std::string(1, c);
  return name;
}

std::optional<KeyParts> parts_of(std::string_view key) {
  const std::size_t end = key.find(kAttributes);
  if (end == std::string_view::npos) return std::nullopt;
  KeyParts parts;
  parts.attribute = key.substr(end + kAttributes.size());
  if (parts.attribute.empty() || parts.attribute.find('/') != std::string::npos) return std::nullopt;
  std::string_view path = key.substr(0, end);
  while (true) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    std::string name;
    for (std::size_t i = 0; i < slash; ++i) {
      const bool is_escape = path[i] == '.' && i + 1 < slash;
      if (is_escape && path[i + 1] != '.' && path[i + 1] != 'S') return std::nullopt;  // a slot, or nothing known
      name += is_escape ? (path[++i] == 'S' ? '/' : '.') : path[i];
    }
    parts.path.push_back(std::move(name));
    if (slash == path.size()) return parts;
    path.remove_prefix(slash + 1);
  }
}

GraphMaker::GraphMaker() { nodes_.emplace_back(); }

std::size_t GraphMaker::child(std::size_t node, const std::string& name) {
  const auto hash_of = [&](std::uint32_t i) { return keyed_hash(nodes_[node].children[i].first); };
  const auto is_same = [&](std::uint32_t i) { return nodes_[node].children[i].first == name; };
  const std::uint32_t found = nodes_[node].by_name.find(keyed_hash(name), is_same);
  if (found != HashIndex::kNone) return nodes_[node].children[found].second;
  nodes_[node].children.emplace_back(name, nodes_.size());
  nodes_[node].by_name.add(keyed_hash(name), static_cast<std::uint32_t>(nodes_[node].children.size() - 1), hash_of);
  nodes_.emplace_back();
  return nodes_.size() - 1;
}

std::string GraphMaker::add(const std::vector<std::string>& path, std::string_view full_name) {
  std::size_t node = 0;
  std::string key;
  for (const std::string& name : path) {
    node = child(node, name);
    key += (key.empty() ? "" : "/") + escaped(name);
  }
  key += kValueSuffix;
  ProtoWriter attribute;
  attribute.bytes(1, kValue).bytes(2, full_name).bytes(3, key);
  nodes_[node].attributes += ProtoWriter().message(2, attribute).take();
  return key;
}

bool GraphMaker::has(const std::string& child_of_root) const {
  const auto& children = nodes_.front().children;
  return std::any_of(children.begin(), children.end(), [&](const auto& each) { return each.first == child_of_root; });
}

std::string GraphMaker::finish() && {
  ProtoWriter graph;
  for (const Node& node : nodes_) {
    std::string message;
    for (const auto& [name, id] : node.children) {
      ProtoWriter reference;
      if (id != 0) reference.varint(1, id);
      message += ProtoWriter().message(1, reference.bytes(2, name)).take();
    }
    message += node.attributes;
    message += ProtoWriter().message(5, ProtoWriter().varint(1, 1)).take();  // has_checkpoint_values
    graph.bytes(1, message);
  }
  return graph.take();
}

}  // namespace holdall::tf_checkpoint
