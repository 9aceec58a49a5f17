// Shards as transformers writes them: flax_model.msgpack.index.json maps "a/b/kernel" to the file whose nested dicts hold it.
#include <algorithm>
#include <utility>

#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"
#include "holdall/codec/json.h"
#include "holdall/formats/flax/flax.h"

namespace holdall::flax {
namespace {

struct Index {
  std::vector<std::pair<std::string, std::string>> places;  // path joined with '/', shard
  std::vector<std::string> shards;                          // sorted
};

Result<Index> parse_index(const Bundle& bundle, const Limits& limits) {
  HOLDALL_ASSIGN(const Bytes bytes, read_all(*bundle.main(), limits.header_bytes));
  JsonOptions options;
  options.depth = limits.depth;
  options.value_bytes = limits.value_bytes;
  Arena arena;
  const auto parsed = parse_json(arena, bytes.text(), options);
  if (!parsed) return Error(parsed.error()).in(bundle.path());
  const Value map = arena.at(*parsed).find("weight_map");
  if (!map.is(ValueKind::kDict)) return corrupt("the index has no 'weight_map'").in(bundle.path());
  Index index;
  for (std::size_t i = 0; i < map.size(); ++i) {
    const std::string name(map.key(i).as_string());
    if (!map.mapped(i).is(ValueKind::kString)) return corrupt(text("the shard of '{}' is no text", name)).in(bundle.path());
    std::string shard(map.mapped(i).as_string());
    if (!is_contained(shard)) {
      return corrupt(text("the shard '{}' of '{}' leads out of the folder", shard, name)).in(bundle.path());
    }
    index.shards.push_back(shard);
    index.places.emplace_back(name, std::move(shard));
  }
  std::sort(index.shards.begin(), index.shards.end());
  index.shards.erase(std::unique(index.shards.begin(), index.shards.end()), index.shards.end());
  return index;
}

// Puts what `other` holds into `whole`, dict by dict. Errors: corrupt where both hold something else under one path.
Status merge(Arena& arena, NodeId whole, NodeId other, const std::string& shard) {
  std::vector<std::pair<NodeId, NodeId>> left = {{whole, other}};
  while (!left.empty()) {
    const auto [into, from] = left.back();
    left.pop_back();
    for (std::size_t i = 0; i < arena.at(from).size(); ++i) {
      const Value key = arena.at(from).key(i);
      if (!key.is(ValueKind::kString)) return corrupt("a key of a shard is no text").in(shard);
      const Value item = arena.at(from).mapped(i);
      const Value known = arena.at(into).find(key.as_string());
      if (!known) {
        arena.set_item(into, key.id(), item.id());
      } else if (known.is(ValueKind::kDict) && item.is(ValueKind::kDict)) {
        left.emplace_back(known.id(), item.id());
      } else {
        return corrupt(text("'{}' stands in another shard too", key.as_string())).in(shard);
      }
    }
  }
  return {};
}

// Whether a path joined with '/' leads to something.
bool leads(Value tree, std::string_view path) {
  while (tree) {
    const std::size_t end = path.find('/');
    tree = tree.find(path.substr(0, end));
    if (end == std::string_view::npos) return static_cast<bool>(tree);
    path.remove_prefix(end + 1);
  }
  return false;
}

}  // namespace

bool looks_like_index(std::span<const std::byte> head) {
  const std::string_view text = as_text(head);
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  return start != std::string_view::npos && text[start] == '{' && text.find("\"weight_map\"") != std::string_view::npos &&
         text.find(".msgpack\"") != std::string_view::npos;
}

Result<NodeId> read_index(const Bundle& bundle, const Context& context, ModelBuilder& builder) {
  HOLDALL_ASSIGN(const Index index, parse_index(bundle, context.limits));
  Arena& arena = *builder.arena;
  const NodeId whole = arena.dict();
  for (const std::string& shard : index.shards) {
    HOLDALL_ASSIGN(const SourceRef source, bundle.open_part(shard));
    HOLDALL_ASSIGN(const NodeId root, Tree(builder, context.limits).read(source, shard));
    if (!arena.at(root).is(ValueKind::kDict)) return corrupt("a shard holds no dict").in(shard);
    HOLDALL_TRY(merge(arena, whole, root, shard));
    builder.origin.bytes += source->size();
    builder.origin.files.push_back(shard);
  }
  builder.origin.detail = text("msgpack, {} shards", index.shards.size());
  for (const auto& [path, shard] : index.places) {
    if (!leads(arena.at(whole), path)) {
      return corrupt(text("'{}' is not in '{}', where the index puts it", path, shard)).in(bundle.path());
    }
  }
  return whole;
}

}  // namespace holdall::flax
