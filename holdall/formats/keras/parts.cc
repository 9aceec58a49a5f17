#include <algorithm>
#include <map>
#include <utility>

#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"
#include "holdall/core/naming.h"
#include "holdall/formats/keras/keras.h"

namespace holdall::keras {

Result<Parts> Parts::open(const Bundle& bundle, const Limits& limits) {
  Parts parts(bundle);
  if (bundle.kind() == Bundle::Kind::kFolder) {
    parts.names_ = bundle.names();
    return parts;
  }
  HOLDALL_ASSIGN(parts.zip_, ZipArchive::open(bundle, limits));
  for (const ZipMember& member : parts.zip_->members()) {
    if (!member.name.ends_with('/')) parts.names_.push_back(member.name);
  }
  return parts;
}

bool Parts::has(std::string_view name) const noexcept { return std::find(names_.begin(), names_.end(), name) != names_.end(); }

Result<Blob> Parts::blob(std::string_view name) const {
  if (zip_ != nullptr) return zip_->blob(name);
  HOLDALL_ASSIGN(SourceRef source, bundle_.open_part(name));
  return Blob(std::move(source));
}

bool looks_like_index(std::span<const std::byte> head) {
  const std::string_view text = as_text(head);
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  return start != std::string_view::npos && text[start] == '{' && text.find("\"weight_map\"") != std::string_view::npos &&
         text.find(".weights.h5\"") != std::string_view::npos;
}

Result<std::vector<std::string>> shards_of(const Bundle& index, const Limits& limits) {
  HOLDALL_ASSIGN(const Bytes bytes, read_all(*index.main(), limits.header_bytes));
  JsonOptions options;
  options.depth = limits.depth;
  options.value_bytes = limits.value_bytes;
  Arena arena;
  auto parsed = parse_json(arena, bytes.text(), options);
  if (!parsed) return std::move(parsed).error().in(index.path());
  const Value map = arena.at(*parsed).find("weight_map");
  if (!map.is(ValueKind::kDict)) return corrupt("the index has no 'weight_map'").in(index.path());
  std::vector<std::string> shards;
  const auto add = [&](Value name) -> Status {
    if (!name.is(ValueKind::kString)) return corrupt("the name of a shard is no text").in(index.path());
    const std::string shard(name.as_string());
    if (!is_contained(shard)) return corrupt(text("the shard '{}' leads out of the folder", shard)).in(index.path());
    shards.push_back(shard);
    return {};
  };
  for (std::size_t i = 0; i < map.size(); ++i) {
    const Value place = map.mapped(i);
    if (!place.is(ValueKind::kList)) {
      HOLDALL_TRY(add(place));
      continue;
    }
    for (std::size_t j = 0; j < place.size(); ++j) HOLDALL_TRY(add(place.item(j)));
  }
  std::sort(shards.begin(), shards.end());
  shards.erase(std::unique(shards.begin(), shards.end()), shards.end());
  return shards;
}

Result<Arrays> read_arrays(const Blob& file, const Context& context) {
  HOLDALL_ASSIGN(const Model model, context.open(Bundle::of(file.source())));
  Arrays arrays;
  arrays.warnings = model.warnings();
  std::size_t variables = 0;
  for (NodeId id = 0; id < model.arena().size(); ++id) {
    const Value node = model.arena().at(id);
    if (node.is(ValueKind::kObject)) variables += node.of(node.as_object().callee).is_global("keras.src.backend", "Variable");
  }
  std::map<std::uint32_t, const NamedTensor*> by_index;
  for (const NamedTensor& entry : model.tensors()) by_index.emplace(entry.index, &entry);
  walk_tensors(model.arena(), model.tree().id(), [&](const TensorPlace& place, std::vector<std::string> path) {
    if (path.empty()) return;
    // {"layers/dense": an array of one dict {"0": array}}, the array within a variable's "_value" where Keras pickled that; the
    // model's own are under "__root__".
    const bool is_variable = path.size() > 2 && path.back() == "_value";
    std::string name = path.front() == "__root__" ? "" : path.front() + "/";
    if (path.size() > 1) name += "vars/" + (is_variable ? path[1] : path.back());
    if (path.size() == 1) name = path.front();
    const auto found = by_index.find(place.index);
    if (found == by_index.end()) return;
    arrays.tensors.push_back({std::move(name), found->second->tensor, static_cast<std::uint32_t>(arrays.tensors.size()), {}});
  });
  if (variables > 0) {
    arrays.warnings.push_back(
        text("{} weights are pickled variables of Keras's backend: those that are no arrays are not shown", variables));
  }
  return arrays;
}

NodeId tree_of(Arena& arena, const std::vector<StoredTensor>& tensors) {
  const NodeId root = arena.dict();
  TextMap<NodeId> groups;
  for (std::uint32_t i = 0; i < tensors.size(); ++i) {
    const std::string& name = tensors[i].name;
    NodeId group = root;
    std::size_t begin = 0;
    for (std::size_t end = name.find('/'); end != std::string::npos; begin = end + 1, end = name.find('/', begin)) {
      const auto [place, is_new] = groups.try_emplace(name.substr(0, end), kNoNode);
      if (is_new) {
        place->second = arena.dict();
        arena.set_item(group, name.substr(begin, end - begin), place->second);
      }
      group = place->second;
    }
    arena.set_item(group, name.substr(begin), arena.tensor({.index = i}));
  }
  return root;
}

}  // namespace holdall::keras
