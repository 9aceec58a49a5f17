#include <algorithm>
#include <map>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/core/naming.h"
#include "holdall/formats/keras/keras.h"
#include "holdall/formats/value_groups.h"

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

namespace {

// Whether a map without anything is what follows: of a model without weights.
bool is_empty_map(std::string_view after) {
  for (const char wanted : {':', '{', '}'}) {
    const std::size_t next = after.find_first_not_of(" \t\r\n");
    if (next == std::string_view::npos || after[next] != wanted) return false;
    after.remove_prefix(next + 1);
  }
  return true;
}

}  // namespace

bool looks_like_index(std::span<const std::byte> head) {
  constexpr std::string_view kMap = "\"weight_map\"";
  const std::string_view text = as_text(head);
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  const std::size_t map = text.find(kMap);
  return start != std::string_view::npos && text[start] == '{' && map != std::string_view::npos &&
         (text.find(".weights.h5\"") != std::string_view::npos || is_empty_map(text.substr(map + kMap.size())));
}

Result<Index> read_index_file(const Bundle& index, const Limits& limits) {
  HOLDALL_ASSIGN(const Bytes bytes, read_all(*index.main(), limits.header_bytes));
  JsonOptions options;
  options.depth = limits.depth;
  options.value_bytes = limits.value_bytes;
  Arena arena;
  auto parsed = parse_json(arena, bytes.text(), options);
  if (!parsed) return std::move(parsed).error().in(index.path());
  const Value map = arena.at(*parsed).find("weight_map");
  if (!map.is(ValueKind::kDict)) return corrupt("the index has no 'weight_map'").in(index.path());
  Index found;
  found.tree_text = arena.at(*parsed).find_string(kTreeKey).value_or("");
  std::vector<std::string>& shards = found.shards;
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
  return found;
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

NodeId tree_of(Arena& arena, const std::vector<StoredTensor>& tensors, const std::set<std::string_view>& groups) {
  ValueGroups made(arena);
  for (std::uint32_t i = 0; i < tensors.size(); ++i) made.add(tensors[i].name, i);
  for (const std::string_view group : groups) made.at(group);
  return made.root();
}

}  // namespace holdall::keras
