#include "holdall/ops/edit.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "holdall/base/text.h"
#include "holdall/core/beside.h"
#include "holdall/core/naming.h"

namespace holdall {
namespace {

struct Place {
  TensorPlace at;
  std::string container;  // its path, joined; empty for the root
};

// What becomes of the slots of one container.
struct Change {
  std::set<std::uint32_t> dropped_items;
  std::map<std::uint32_t, std::optional<std::string>> pairs;  // a new key, or nullopt: gone
  std::vector<std::pair<std::string, NodeId>> added;
};

std::string joined(const std::vector<std::string>& path, std::size_t count) {
  std::string name;
  for (std::size_t i = 0; i < count; ++i) name += (i == 0 ? "" : ".") + path[i];
  return name;
}

class TreeEdit {
 public:
  TreeEdit(Arena& arena, NodeId root) : arena_(arena), root_(root) {
    walk_tensors(arena, root, [&](const TensorPlace& at, const std::vector<std::string>& path) {
      places_.push_back({at, joined(path, path.empty() ? 0 : path.size() - 1)});
      if (at.part == TensorPlace::Part::kPair) containers_.emplace(places_.back().container, at.container);
    });
    const Value value = arena.at(root);
    if (value.is(ValueKind::kDict)) containers_.emplace("", root);
  }

  const std::vector<Place>& places() const noexcept { return places_; }

  void drop(const Place& place) {
    switch (place.at.part) {
      case TensorPlace::Part::kPair:
        changes_[place.at.container].pairs[place.at.slot] = std::nullopt;
        break;
      case TensorPlace::Part::kItem:
        changes_[place.at.container].dropped_items.insert(place.at.slot);
        break;
      case TensorPlace::Part::kOther:
        arena_.replace(place.at.node, arena_.null());
        break;
    }
  }

  // False where the tree cannot say the name.
  bool rename(const Place& place, const std::string& name) {
    if (place.at.part != TensorPlace::Part::kPair) return false;
    const std::string_view key = key_in(place.container, name);
    if (!key.empty()) {
      changes_[place.at.container].pairs[place.at.slot] = std::string(key);
      return true;
    }
    const std::pair<const std::string, NodeId>* target = nullptr;
    for (const auto& candidate : containers_) {
      if (!key_in(candidate.first, name).empty() && (target == nullptr || candidate.first.size() > target->first.size())) {
        target = &candidate;
      }
    }
    if (target == nullptr) return false;
    changes_[place.at.container].pairs[place.at.slot] = std::nullopt;
    moved_from_.insert(place.at.container);
    changes_[target->second].added.emplace_back(std::string(key_in(target->first, name)), place.at.node);
    return true;
  }

  Status apply() {
    for (auto& [container, change] : changes_) HOLDALL_TRY(apply_to(container, change));
    while (prune()) {
    }
    return {};
  }

 private:
  // What stands behind a container's path in a name; empty where the name does not start with it.
  static std::string_view key_in(const std::string& container, std::string_view name) noexcept {
    if (container.empty()) return name;
    if (!name.starts_with(container) || name.size() <= container.size() + 1 || name[container.size()] != '.') return {};
    return name.substr(container.size() + 1);
  }

  Status apply_to(NodeId container, const Change& change) {
    const Value value = arena_.at(container);
    if (value.is(ValueKind::kDict)) {
      PlainVector<NodeId> pairs;
      for (std::size_t i = 0; i < value.size(); ++i) {
        pairs.push_back(value.key(i).id());
        pairs.push_back(value.mapped(i).id());
      }
      HOLDALL_TRY(edit_pairs(pairs, change));
      const NodeId made = arena_.dict();
      for (std::size_t i = 0; i < pairs.size(); i += 2) arena_.set_item(made, pairs[i], pairs[i + 1]);
      arena_.replace(container, made);
    } else if (value.is(ValueKind::kObject)) {
      ObjectParts parts = value.as_object();
      HOLDALL_TRY(edit_pairs(parts.pairs, change));
      for (const std::uint32_t slot : change.dropped_items) parts.items[slot] = arena_.null();
      arena_.object_parts(container) = std::move(parts);
    } else {
      std::vector<NodeId> items;
      for (std::uint32_t i = 0; i < value.size(); ++i) {
        items.push_back(change.dropped_items.contains(i) ? arena_.null() : value.item(i).id());
      }
      arena_.replace(container, value.is(ValueKind::kList)    ? arena_.list(items)
                                : value.is(ValueKind::kTuple) ? arena_.tuple(items)
                                : value.is(ValueKind::kSet)   ? arena_.set(items)
                                                              : arena_.frozen_set(items));
    }
    return {};
  }

  Status edit_pairs(PlainVector<NodeId>& pairs, const Change& change) {
    PlainVector<NodeId> kept;
    std::set<std::string> new_keys;
    const auto add = [&](const std::string& key, NodeId value) -> Status {
      if (!new_keys.insert(key).second) return invalid_argument(text("two tensors would be named '{}'", key));
      kept.push_back(arena_.string(key));
      kept.push_back(value);
      return {};
    };
    for (std::uint32_t i = 0; i < pairs.size() / 2; ++i) {
      const auto found = change.pairs.find(i);
      if (found == change.pairs.end()) {
        const Value key = arena_.at(pairs[2 * i]);
        if (key.is(ValueKind::kString)) new_keys.emplace(key.as_string());
        kept.push_back(pairs[2 * i]);
        kept.push_back(pairs[2 * i + 1]);
      } else if (found->second) {
        HOLDALL_TRY(add(*found->second, pairs[2 * i + 1]));
      }
    }
    for (const auto& [key, value] : change.added) HOLDALL_TRY(add(key, value));
    pairs = std::move(kept);
    return {};
  }

  bool is_empty(NodeId node) const {
    const Value value = arena_.at(node);
    if (value.is(ValueKind::kDict)) return value.size() == 0;
    return value.is(ValueKind::kObject) && value.as_object().pairs.empty() && value.as_object().items.empty();
  }

  // Takes dicts that moves have emptied out of the dicts that hold them; true when there was one.
  bool prune() {
    std::map<NodeId, Change> gone;
    std::vector<NodeId> stack = {root_};
    std::set<NodeId> seen;
    while (!stack.empty()) {
      const Value value = arena_.at(stack.back());
      stack.pop_back();
      if (!seen.insert(value.id()).second) continue;
      std::vector<NodeId> children;
      if (value.is(ValueKind::kDict)) {
        for (std::size_t i = 0; i < value.size(); ++i) children.push_back(value.mapped(i).id());
      } else if (value.is(ValueKind::kObject)) {
        for (std::size_t i = 1; i < value.as_object().pairs.size(); i += 2) children.push_back(value.as_object().pairs[i]);
      }
      for (std::uint32_t i = 0; i < children.size(); ++i) {
        if (moved_from_.contains(children[i]) && is_empty(children[i])) {
          gone[value.id()].pairs[i] = std::nullopt;
          moved_from_.insert(value.id());
        } else {
          stack.push_back(children[i]);
        }
      }
    }
    for (const auto& [container, change] : gone) (void)apply_to(container, change);
    return !gone.empty();
  }

  Arena& arena_;
  NodeId root_;
  std::vector<Place> places_;
  std::map<std::string, NodeId> containers_;  // dicts with tensors, by path
  std::map<NodeId, Change> changes_;
  std::set<NodeId> moved_from_;
};

Status check(const Model& model, const Edits& edits) {
  if (edits.names.size() != model.tensors().size() || edits.tensors.size() != model.tensors().size()) {
    return invalid_argument(text("edits for {} tensors of {}", edits.names.size(), model.tensors().size()));
  }
  std::set<std::string_view> seen;
  for (const auto& name : edits.names) {
    if (name && !seen.insert(*name).second) return invalid_argument(text("two tensors would be named '{}'", *name));
  }
  return {};
}

// The distinct tensors that stay, in the order of their first entries.
class Kept {
 public:
  Kept(const Model& model, Edits& edits) {
    for (std::size_t i = 0; i < edits.names.size(); ++i) {
      if (!edits.names[i]) continue;
      const NamedTensor& entry = model.tensors()[i];
      if (!places_.emplace(entry.index, tensors_.size()).second) continue;
      tensors_.push_back(std::move(edits.tensors[i]));
      files_.push_back(entry.file);
      names_.push_back(*edits.names[i]);
    }
  }
  std::optional<std::uint32_t> place(std::uint32_t old_index) const {
    const auto found = places_.find(old_index);
    return found == places_.end() ? std::nullopt : std::optional(found->second);
  }
  void add_to(ModelBuilder& builder) const {
    for (std::size_t i = 0; i < tensors_.size(); ++i) builder.add(tensors_[i], files_[i]);
  }
  const std::vector<std::string>& names() const noexcept { return names_; }

 private:
  std::unordered_map<std::uint32_t, std::uint32_t> places_;
  std::vector<Tensor> tensors_;
  std::vector<SharedText> files_;
  std::vector<std::string> names_;
};

bool has_names(const Model& model, const Edits& edits) {
  std::size_t wanted = 0;
  for (const auto& name : edits.names) {
    if (!name) continue;
    ++wanted;
    if (model.find(*name) == nullptr) return false;
  }
  return wanted == model.tensors().size();
}

Result<Model> with_flat_names(const Model& model, const Edits& edits) {
  ModelBuilder builder = beside(model, model.arena().clone());
  builder.warnings.push_back("the tree cannot say the new names of its tensors; it is left out");
  std::vector<std::string> names;
  for (std::size_t i = 0; i < edits.names.size(); ++i) {
    if (!edits.names[i]) continue;
    builder.add(edits.tensors[i], model.tensors()[i].file);
    names.push_back(*edits.names[i]);
  }
  return std::move(builder).named(std::move(names));
}

}  // namespace

Edits Edits::none(const Model& model) {
  Edits same;
  for (const NamedTensor& entry : model.tensors()) {
    same.names.emplace_back(entry.name);
    same.tensors.push_back(entry.tensor);
  }
  return same;
}

Result<Model> edit_model(const Model& model, Edits edits) {
  HOLDALL_TRY(check(model, edits));
  const bool flat = !model.is_named_by_tree();
  std::shared_ptr<Arena> arena = model.arena().clone();
  TreeEdit tree(*arena, model.tree().id());
  if (!flat && tree.places().size() != model.tensors().size()) {
    return internal(text("the tree has {} tensors, the model {}", tree.places().size(), model.tensors().size()));
  }
  // Flat names are told from the distinct tensor, those of a tree from the order of the walk.
  std::unordered_map<std::uint32_t, std::size_t> by_index;
  for (std::size_t i = 0; i < model.tensors().size(); ++i) by_index.emplace(model.tensors()[i].index, i);

  Edits kept_edits = edits;
  const Kept kept(model, kept_edits);
  bool followed = true;
  for (std::size_t p = 0; p < tree.places().size(); ++p) {
    const Place& place = tree.places()[p];
    const std::size_t entry = flat ? by_index[place.at.index] : p;
    const std::string& old_name = model.tensors()[entry].name;
    if (!edits.names[entry]) {
      tree.drop(place);
    } else if (*edits.names[entry] != old_name) {
      const bool said = tree.rename(place, *edits.names[entry]);
      followed = followed && (said || flat);
    }
    if (const auto index = kept.place(place.at.index)) arena->tensor_node(place.at.node).index = *index;
  }
  if (!followed) return with_flat_names(model, edits);
  HOLDALL_TRY(tree.apply());
  ModelBuilder builder = beside(model, std::move(arena));
  builder.tree = model.tree().id();
  kept.add_to(builder);
  if (flat) return std::move(builder).named(kept.names());
  HOLDALL_ASSIGN(Model edited, std::move(builder).named_by_tree());
  if (has_names(edited, edits)) return edited;
  return with_flat_names(model, edits);
}

}  // namespace holdall
