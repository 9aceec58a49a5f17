#include "holdall/core/naming.h"

#include <algorithm>
#include <span>
#include <utility>

#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"
#include "holdall/core/children.h"
#include "holdall/core/model.h"

namespace holdall {
namespace {

// A path is a linked list that shares its beginnings: its last component is a key of the tree, a number or a word.
struct Step {
  enum class Kind : std::uint8_t { kKey, kNumber, kWord };
  std::uint32_t parent;
  std::uint32_t component;
  Kind kind;
};
constexpr std::uint32_t kRootStep = UINT32_MAX;
constexpr std::string_view kWords[] = {"callee", "args"};
// All names together: a few keys, repeated in many paths, must not take memory that the file's size does not announce.
constexpr std::uint64_t kLeastNameBytes = 16u << 20;
constexpr std::uint64_t kMostRepeats = 4;

struct Visit {
  NodeId node;
  std::uint32_t step;
  bool leave;        // the node's children are done
  NodeId container;  // what holds the node, and where in it
  TensorPlace::Part part;
  std::uint32_t slot;
};

std::string component_of(Value key) {
  switch (key.kind()) {
    case ValueKind::kNull:
      return "None";
    case ValueKind::kBool:
      return key.as_bool() ? "True" : "False";
    case ValueKind::kInt:
      return std::to_string(key.as_int());
    case ValueKind::kBigInt:
      return std::string(key.as_big_int());
    case ValueKind::kFloat:
      return text("{}", key.as_float());
    case ValueKind::kString:
      return std::string(key.as_string());
    case ValueKind::kBytes:
      return std::string(key.as_bytes());
    case ValueKind::kGlobal:
      return std::string(key.global_name());
    case ValueKind::kTuple: {
      std::string joined;
      for (std::size_t i = 0; i < key.size(); ++i) {
        const Value part = key.item(i);
        joined += i == 0 ? "" : ",";
        joined += part.is(ValueKind::kTuple) ? "()" : component_of(part);
      }
      return joined;
    }
    default:
      return std::string(name(key.kind()));
  }
}

// torch.nn.Module's state: what state_dict() calls a name passes through these three without a component.
bool is_module_state(Value state) { return state.find("_parameters") && state.find("_buffers") && state.find("_modules"); }
bool is_module_section(Value key) {
  if (!key.is(ValueKind::kString)) return false;
  const std::string_view text = key.as_string();
  return text == "_parameters" || text == "_buffers" || text == "_modules";
}

class Walk {
 public:
  explicit Walk(const Arena& arena) : arena_(arena), visits_left_(4 * arena.size() + 10'000) {}

  // Calls found(place, step) for every tensor, in the order of the tree. A shared container is entered again under its other
  // names as long as the number of visits stays within a few times the tree's size; after that only once.
  template <class Found>
  void run(NodeId root, const Found& found) {
    open_.assign(arena_.size(), 0);
    entered_.assign(arena_.size(), 0);
    stack_.push_back({root, kRootStep, false, kNoNode, TensorPlace::Part::kOther, 0});
    while (!stack_.empty()) {
      const Visit visit = stack_.back();
      stack_.pop_back();
      if (visit.leave) {
        open_[visit.node] = 0;
        continue;
      }
      const Value value = arena_.at(visit.node);
      if (value.is(ValueKind::kTensor)) {
        found(TensorPlace{value.as_tensor().index, visit.node, visit.container, visit.part, visit.slot}, visit.step);
      }
      if (!has_children(value) || open_[visit.node] != 0) continue;
      if (entered_[visit.node] != 0 && visits_left_ == 0) continue;
      if (visits_left_ > 0) --visits_left_;
      open_[visit.node] = entered_[visit.node] = 1;
      stack_.push_back({visit.node, visit.step, true, kNoNode, TensorPlace::Part::kOther, 0});
      container_ = visit.node;
      const std::size_t before = stack_.size();
      push_children(value, visit.step);
      std::reverse(stack_.begin() + static_cast<std::ptrdiff_t>(before), stack_.end());
    }
  }

  // Bytes of the path joined with '.'; how many more steps there are does not matter once `most` is passed.
  std::uint64_t path_bytes(std::uint32_t step, std::uint64_t most) const {
    std::uint64_t bytes = 0;
    for (; step != kRootStep && bytes <= most; step = steps_[step].parent) {
      const Value key = steps_[step].kind == Step::Kind::kKey ? arena_.at(steps_[step].component) : Value();
      bytes += 1 + (key.is(ValueKind::kString) ? key.as_string().size() : component(steps_[step]).size());
    }
    return bytes;
  }

  std::vector<std::string> path(std::uint32_t step) const {
    std::vector<std::string> components;
    for (; step != kRootStep; step = steps_[step].parent) components.push_back(component(steps_[step]));
    std::reverse(components.begin(), components.end());
    return components;
  }

 private:
  static bool has_children(Value value) {
    if (value.is(ValueKind::kTensor)) return value.as_tensor().attributes != kNoNode;
    return value.is(ValueKind::kObject) || (is_container(value.kind()) && value.size() > 0);
  }

  // Leaves that are no tensors need no step.
  bool is_worth(NodeId node) const {
    const Value value = arena_.at(node);
    return value.is(ValueKind::kTensor) || has_children(value);
  }

  using Part = TensorPlace::Part;

  std::string component(const Step& step) const {
    if (step.kind == Step::Kind::kKey) return component_of(arena_.at(step.component));
    return step.kind == Step::Kind::kNumber ? std::to_string(step.component) : std::string(kWords[step.component]);
  }

  void push(NodeId node, Step step, Part part = Part::kOther, std::size_t slot = 0) {
    if (!is_worth(node)) return;
    steps_.push_back(step);
    push_same(node, static_cast<std::uint32_t>(steps_.size() - 1), part, slot);
  }

  void push_item(NodeId node, std::uint32_t parent, std::size_t i) {
    push(node, {parent, static_cast<std::uint32_t>(i), Step::Kind::kNumber}, Part::kItem, i);
  }

  void push_same(NodeId node, std::uint32_t step, Part part = Part::kOther, std::size_t slot = 0) {
    if (node == kNoNode || !is_worth(node)) return;
    stack_.push_back({node, step, false, container_, part, static_cast<std::uint32_t>(slot)});
  }

  void push_pairs(std::span<const NodeId> pairs, std::uint32_t step) {
    for (std::size_t i = 0; i + 1 < pairs.size(); i += 2)
      push(pairs[i + 1], {step, pairs[i], Step::Kind::kKey}, Part::kPair, i / 2);
  }

  void push_children(Value value, std::uint32_t step) {
    switch (value.kind()) {
      case ValueKind::kDict:
        push_entries(value, step);
        break;
      case ValueKind::kTensor:
        container_ = value.as_tensor().attributes;
        push_entries(arena_.at(container_), step);
        break;
      case ValueKind::kObject:
        push_object(value.as_object(), step);
        break;
      default:
        for (std::size_t i = 0; i < value.size(); ++i) push_item(value.item(i).id(), step, i);
    }
  }

  void push_entries(Value dict, std::uint32_t step) {
    const bool is_module = is_module_state(dict);
    for (std::size_t i = 0; i < dict.size(); ++i) {
      const NodeId child = dict.mapped(i).id();
      if (is_module && is_module_section(dict.key(i))) {
        push_same(child, step, Part::kPair, i);
      } else {
        push(child, {step, dict.key(i).id(), Step::Kind::kKey}, Part::kPair, i);
      }
    }
  }

  void push_object(const ObjectParts& parts, std::uint32_t step) {
    if (parts.callee != kNoNode) push(parts.callee, {step, 0, Step::Kind::kWord});
    if (parts.args != kNoNode) push(parts.args, {step, 1, Step::Kind::kWord});
    if (parts.kwargs != kNoNode) push_same(parts.kwargs, step);
    for (std::size_t i = 0; i < parts.items.size(); ++i) push_item(parts.items[i], step, i);
    push_pairs(parts.pairs, step);
    if (parts.state == kNoNode) return;
    // A pair of dict and slots is how Python gives the state of a class with __slots__.
    const Value state = arena_.at(parts.state);
    const auto is_part = [](Value part) { return part.is_null() || part.is(ValueKind::kDict); };
    if (state.is(ValueKind::kTuple) && state.size() == 2 && is_part(state.item(0)) && is_part(state.item(1))) {
      container_ = parts.state;
      push_same(state.item(0).id(), step, Part::kItem, 0);
      push_same(state.item(1).id(), step, Part::kItem, 1);
    } else {
      push_same(parts.state, step);
    }
  }

  const Arena& arena_;
  std::uint64_t visits_left_;
  NodeId container_ = kNoNode;  // whose children are being pushed
  std::vector<Step> steps_;
  std::vector<Visit> stack_;
  std::vector<std::uint8_t> open_;
  std::vector<std::uint8_t> entered_;
};

std::string join(const std::vector<std::string>& path) {
  if (path.empty()) return "tensor";
  std::string joined = path.front();
  for (std::size_t i = 1; i < path.size(); ++i) joined += "." + path[i];
  return joined;
}

// The tensors that a tree shows, by name, in its order.
class Names {
 public:
  struct Entry {
    std::string name;
    std::uint32_t index;
  };

  explicit Names(std::size_t expected) { entries_.reserve(expected); }

  void add(std::string name, std::uint32_t index) {
    if (has(name)) {
      std::uint32_t& time = times_.try_emplace(name, 1).first->second;
      const std::string base = name;
      for (std::uint32_t n = ++time; has(name); ++n) name = text("{}@{}", base, n);
    }
    entries_.push_back({std::move(name), index});
    const auto hash_of = [&](std::uint32_t i) { return keyed_hash(entries_[i].name); };
    const auto last = static_cast<std::uint32_t>(entries_.size() - 1);
    index_.add(hash_of(last), last, hash_of);
  }

  HashIndex take_index() { return std::move(index_); }

  // The entries, each with its tensor of `added`.
  std::vector<NamedTensor> filled(std::vector<NamedTensor> added) && {
    bool in_place = added.size() == entries_.size();
    std::vector<std::uint32_t> last(added.size());
    for (std::uint32_t i = 0; i < entries_.size(); ++i) {
      in_place = in_place && entries_[i].index == i;
      last[entries_[i].index] = i;
    }
    if (in_place) {
      for (std::uint32_t i = 0; i < entries_.size(); ++i) added[i].name = std::move(entries_[i].name);
      return added;
    }
    std::vector<NamedTensor> filled;
    filled.reserve(entries_.size());
    for (std::uint32_t i = 0; i < entries_.size(); ++i) {
      NamedTensor& from = added[entries_[i].index];
      filled.push_back({std::move(entries_[i].name), {}, entries_[i].index, from.file});
      if (last[entries_[i].index] == i) {
        filled.back().tensor = std::move(from.tensor);
      } else {
        filled.back().tensor = from.tensor;
      }
    }
    return filled;
  }

 private:
  bool has(const std::string& name) const {
    const auto is_same = [&](std::uint32_t i) { return entries_[i].name == name; };
    return index_.find(keyed_hash(name), is_same) != HashIndex::kNone;
  }

  std::vector<Entry> entries_;
  HashIndex index_;
  TextMap<std::uint32_t> times_;  // of names met more than once
};

}  // namespace

void walk_tensors(const Arena& arena, NodeId root,
                  const std::function<void(const TensorPlace&, std::vector<std::string> path)>& found) {
  Walk walk(arena);
  walk.run(root, [&](const TensorPlace& place, std::uint32_t step) { found(place, walk.path(step)); });
}

namespace {

// How many of the tensors that have no name stand in the tree all the same: as, or in, the key of a dict.
std::size_t count_in_keys(Value root, std::vector<bool> named) {
  std::size_t found = 0;
  std::vector<bool> seen(root.arena().size());
  std::vector<NodeId> left = {root.id()};
  seen[root.id()] = true;
  while (!left.empty()) {
    const Value value = root.of(left.back());
    left.pop_back();
    if (value.is(ValueKind::kTensor) && !named[value.as_tensor().index]) {
      named[value.as_tensor().index] = true;
      ++found;
    }
    for_each_child(value, [&](Value child) {
      if (seen[child.id()]) return;
      seen[child.id()] = true;
      left.push_back(child.id());
    });
  }
  return found;
}

}  // namespace

Result<Model> ModelBuilder::named_by_tree() && {
  if (tree == kNoNode) tree = arena->dict();
  Names names(entries_.size());
  std::vector<bool> named(entries_.size());
  std::size_t unnamed = entries_.size();
  Status failure;
  {
    const std::uint64_t most = kLeastNameBytes + kMostRepeats * arena->text_bytes();
    std::uint64_t bytes = 0;
    Walk walk(*arena);
    walk.run(tree, [&](const TensorPlace& place, std::uint32_t step) {
      if (!failure) return;
      bytes += walk.path_bytes(step, most);
      if (bytes > most) {
        failure = over_limit(text("the tensors' names take more than {} bytes, the limit for these keys", most));
      } else if (place.index < entries_.size()) {
        names.add(join(walk.path(step)), place.index);
        unnamed -= named[place.index] ? 0u : 1u;
        named[place.index] = true;
      } else {
        failure = internal(text("the tree names tensor {} of {}", place.index, entries_.size()));
      }
    });
  }
  HOLDALL_TRY(std::move(failure));
  if (const std::size_t in_keys = unnamed == 0 ? 0 : count_in_keys(arena->at(tree), std::move(named)); in_keys > 0) {
    left_out.push_back(text("{} tensor{} in keys of dicts, where nothing has a name", in_keys, in_keys == 1 ? "" : "s"));
    warnings.push_back(left_out.back());
  }
  named_by_tree_ = true;
  by_name_ = names.take_index();
  entries_ = std::move(names).filled(std::move(entries_));
  return finish();
}

}  // namespace holdall
