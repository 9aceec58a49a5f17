#include <algorithm>
#include <map>
#include <utility>

#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"
#include "holdall/codec/json.h"
#include "holdall/formats/safetensors/safetensors.h"

namespace holdall::safetensors {
namespace {

struct Index {
  std::vector<std::pair<std::string, std::string>> places;  // tensor and its shard, in the order of the index
  std::vector<std::string> shards;                          // sorted
  std::string tree;
};

Result<Index> parse_index(const Bundle& bundle, const Limits& limits) {
  HOLDALL_ASSIGN(const Bytes bytes, read_all(*bundle.main(), std::min(kMostHeader, limits.header_bytes)));
  JsonOptions options;
  options.depth = limits.depth;
  options.value_bytes = limits.value_bytes;
  Arena arena;
  auto parsed = parse_json(arena, bytes.text(), options);
  if (!parsed) return std::move(parsed).error().in(bundle.path());
  const Value map = arena.at(*parsed).find("weight_map");
  if (!map.is(ValueKind::kDict)) return corrupt("the index has no 'weight_map'").in(bundle.path());
  if (map.size() > limits.tensors) {
    return over_limit(text("{} tensors in the index, {} are allowed", map.size(), limits.tensors)).in(bundle.path());
  }
  Index index;
  for (std::size_t i = 0; i < map.size(); ++i) {
    const std::string name(map.key(i).as_string());
    if (!map.mapped(i).is(ValueKind::kString))
      return corrupt(text("the shard of tensor '{}' is no text", name)).in(bundle.path());
    std::string shard(map.mapped(i).as_string());
    if (!is_contained(shard)) {
      return corrupt(text("the shard '{}' of tensor '{}' leads out of the folder", shard, name)).in(bundle.path());
    }
    index.shards.push_back(shard);
    index.places.emplace_back(name, std::move(shard));
  }
  std::sort(index.shards.begin(), index.shards.end());
  index.shards.erase(std::unique(index.shards.begin(), index.shards.end()), index.shards.end());
  index.tree = arena.at(*parsed).find("metadata").find_string(kTreeKey).value_or("");
  return index;
}

// The shards by name. Errors: not found, naming every shard that is missing.
Result<std::vector<SourceRef>> open_shards(const Bundle& bundle, const Index& index) {
  std::vector<SourceRef> sources;
  std::string missing;
  std::size_t missing_count = 0;
  for (const std::string& shard : index.shards) {
    auto source = bundle.open_part(shard);
    if (source) {
      sources.push_back(std::move(*source));
      continue;
    }
    if (source.error().code() != Code::kNotFound) return std::move(source).error();
    ++missing_count;
    missing += (missing.empty() ? "'" : ", '") + shard + "'";
  }
  if (missing_count != 0) {
    return not_found(text("{} of {} shards missing: {}", missing_count, index.shards.size(), missing)).in(bundle.path());
  }
  return sources;
}

// The tensors of all shards in the order of the index.
struct Gathered {
  std::vector<StoredTensor> tensors;
  std::vector<std::string> warnings;
  std::map<std::string, std::string> metadata;
  std::string framework;
  std::uint64_t bytes = 0;
};

Result<Gathered> gather(const Bundle& bundle, const Index& index, const Limits& limits) {
  HOLDALL_ASSIGN(const std::vector<SourceRef> sources, open_shards(bundle, index));
  Gathered gathered;
  gathered.bytes = bundle.main()->size();
  TextMap<std::size_t> place;  // of a name in the index
  for (std::size_t i = 0; i < index.places.size(); ++i) place.emplace(index.places[i].first, i);
  std::vector<std::optional<StoredTensor>> found(index.places.size());
  for (std::size_t s = 0; s < sources.size(); ++s) {
    const SharedText where(index.shards[s]);
    HOLDALL_ASSIGN(Loaded loaded, load(sources[s], index.shards[s], limits));
    gathered.bytes += loaded.bytes;
    ModelBuilder builder;
    builder.metadata = metadata_of(loaded, *builder.arena);
    HOLDALL_ASSIGN(const Model shard, restore_tree(std::move(builder), std::move(loaded.tensors), loaded.tree, limits));
    for (std::size_t i = 0; i < shard.metadata().size(); ++i)
      gathered.metadata.emplace(shard.metadata().key(i).as_string(), shard.metadata().mapped(i).as_string());
    if (!shard.origin().framework.empty()) gathered.framework = shard.origin().framework;
    for (const std::string& warning : shard.warnings()) gathered.warnings.push_back(text("{}: {}", index.shards[s], warning));
    for (const NamedTensor& entry : shard.tensors()) {
      const auto known = place.find(entry.name);
      if (known != place.end() && index.places[known->second].second == index.shards[s]) {
        found[known->second] = StoredTensor{entry.name, entry.tensor, 0, where};
      } else {
        gathered.warnings.push_back(text("tensor '{}' in '{}' is not in the index and left out", entry.name, index.shards[s]));
      }
    }
  }
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto& [name, shard] = index.places[i];
    if (!found[i]) return corrupt(text("tensor '{}' is not in '{}', where the index puts it", name, shard)).in(bundle.path());
    gathered.tensors.push_back(std::move(*found[i]));
  }
  return gathered;
}

}  // namespace

bool looks_like_index(std::span<const std::byte> head) {
  const std::string_view text = as_text(head);
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  return start != std::string_view::npos && text[start] == '{' && text.find("\"weight_map\"") != std::string_view::npos &&
         text.find(".safetensors\"") != std::string_view::npos;
}

Result<Model> read_index(const Bundle& bundle, const Context& context) {
  HOLDALL_ASSIGN(const Index index, parse_index(bundle, context.limits));
  HOLDALL_ASSIGN(Gathered gathered, gather(bundle, index, context.limits));
  ModelBuilder builder;
  builder.metadata = builder.arena->dict();
  for (const auto& [key, value] : gathered.metadata) {
    builder.arena->set_item(builder.metadata, key, builder.arena->string(value));
  }
  builder.warnings = std::move(gathered.warnings);
  builder.origin = {"safetensors", text("{} shards", index.shards.size()), bundle.path(), index.shards, gathered.bytes};
  builder.origin.framework = gathered.framework;
  builder.origin.files.insert(builder.origin.files.begin(), bundle.names().front());
  return restore_tree(std::move(builder), std::move(gathered.tensors), index.tree, context.limits);
}

Status verify_index(const Bundle& bundle, const Context& context, Faults& faults) {
  HOLDALL_ASSIGN(const Index index, parse_index(bundle, context.limits));
  HOLDALL_ASSIGN(const Gathered gathered, gather(bundle, index, context.limits));
  for (const std::string& warning : gathered.warnings) faults.list.push_back({bundle.path(), std::nullopt, warning});
  verify_tree(gathered.tensors, index.tree, context, faults);
  HOLDALL_ASSIGN(const std::vector<SourceRef> sources, open_shards(bundle, index));
  for (std::size_t s = 0; s < sources.size(); ++s) {
    HOLDALL_ASSIGN(const Loaded loaded, load(sources[s], index.shards[s], context.limits));
    verify_tree(loaded.tensors, loaded.tree, context, faults);
  }
  return {};
}

}  // namespace holdall::safetensors
