// Shards: {"metadata":{…},"weight_map":{tensor name: file name}}, as transformers writes it beside the files. What a flat dict
// of tensors cannot say stands under "holdall.tree" in the metadata.
#include <map>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/codec/json.h"
#include "holdall/formats/pytorch/reading.h"
#include "holdall/formats/tree_metadata.h"

namespace holdall::pytorch {

namespace {

struct Index {
  std::shared_ptr<Arena> arena = std::make_shared<Arena>();
  NodeId metadata = kNoNode;                                // but for what every writer makes anew
  std::string tree;                                         // holdall.tree; empty where there is none
  std::vector<std::pair<std::string, std::string>> places;  // tensor and file, in the order of the index
  std::vector<std::string> files;                           // in the order of their first mention
};

Result<Index> read_index(const Bundle& bundle, const Context& context) {
  const SourceRef& source = bundle.main();
  HOLDALL_ASSIGN(const Bytes bytes, read_all(*source, context.limits.header_bytes));
  Index index;
  auto root = parse_json(*index.arena, bytes.text(), {.depth = context.limits.depth});
  if (!root) return std::move(root).error().in(source->name());
  const Value document = index.arena->at(*root);
  const Value map = document.find("weight_map");
  if (!map.is(ValueKind::kDict)) return corrupt("the index has no weight_map").in(source->name());
  if (map.size() > context.limits.tensors) {
    return over_limit(text("{} tensors, {} are allowed", map.size(), context.limits.tensors)).in(source->name());
  }
  std::map<std::string, bool, std::less<>> seen;
  for (std::size_t i = 0; i < map.size(); ++i) {
    const std::string name(map.key(i).as_string());
    if (!map.mapped(i).is(ValueKind::kString)) {
      return corrupt(text("the weight_map gives no file for the tensor '{}'", name)).in(source->name());
    }
    const std::string file(map.mapped(i).as_string());
    if (!is_contained(file)) {
      return corrupt(text("the weight_map puts the tensor '{}' into '{}', outside of the folder", name, file))
          .in(source->name());
    }
    if (seen.emplace(file, true).second) index.files.push_back(file);
    index.places.emplace_back(name, file);
  }
  const Value metadata = document.find("metadata");
  index.tree = metadata.find_string(kTreeKey).value_or("");
  index.metadata = index.arena->dict();
  for (std::size_t i = 0; metadata.is(ValueKind::kDict) && i < metadata.size(); ++i) {
    const std::string_view key = metadata.key(i).as_string();
    if (key == kTreeKey || key == "total_size") continue;
    index.arena->set_item(index.metadata, metadata.key(i).id(), metadata.mapped(i).id());
  }
  return index;
}

// The folder of a bundle's path, with its '/'.
std::string folder_of(const Bundle& bundle) { return bundle.path().substr(0, bundle.path().rfind('/') + 1); }

Result<Bundle> open_shard(const Bundle& bundle, const std::string& file) {
  auto part = bundle.open_part(file);
  if (!part) return std::move(part).error().with(text("shard '{}'", file));
  return Bundle::of(std::move(*part));
}

Result<std::map<std::string, Model>> read_files(const Bundle& bundle, const Context& context, const Index& index) {
  std::map<std::string, Model> models;
  for (const std::string& file : index.files) {
    HOLDALL_ASSIGN(const Bundle shard, open_shard(bundle, file));
    auto model = context.open(shard);
    if (!model) return std::move(model).error().with(text("shard '{}'", file));
    models.emplace(file, std::move(*model));
  }
  return models;
}

}  // namespace

bool is_index(std::span<const std::byte> head) noexcept {
  const std::string_view text = as_text(head);
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || text[first] != '{') return false;
  const std::size_t map = text.find("\"weight_map\"");
  if (map == std::string_view::npos) return false;
  for (const std::string_view extension : {".bin\"", ".pt\"", ".pth\"", ".ckpt\""})
    if (text.find(extension, map) != std::string_view::npos) return true;
  return false;
}

namespace {

// The tensors in the order of the index, still without the tree.
Result<std::vector<StoredTensor>> gather(const Bundle& bundle, const Index& index, const std::map<std::string, Model>& models) {
  std::vector<StoredTensor> stored;
  std::map<std::string_view, SharedText> where;
  for (const std::string& file : index.files) where.emplace(file, file);
  for (const auto& [name, file] : index.places) {
    const NamedTensor* found = models.at(file).find(name);
    if (found == nullptr) {
      return not_found(text("shard '{}' lacks the tensor '{}', which the index places there", file, name))
          .as(Code::kCorrupt)
          .in(folder_of(bundle) + file);
    }
    stored.push_back({name, found->tensor, 0, where.at(file)});
  }
  return stored;
}

// Origin and warnings of what the shards are together.
void describe(const Bundle& bundle, const Index& index, const std::map<std::string, Model>& models, ModelBuilder& builder) {
  std::map<std::string_view, std::size_t> taken;
  for (const auto& [name, file] : index.places) ++taken[file];
  builder.origin = {"pytorch", "", bundle.path(), {file_name(bundle)}, bundle.main()->size(), "pt"};
  for (const std::string& file : index.files) {
    const Model& model = models.at(file);
    builder.origin.detail = text("{} shards, {}", index.files.size(), model.origin().detail);
    builder.origin.files.push_back(file);
    builder.origin.bytes += model.origin().bytes;
    if (model.tensors().size() > taken[file]) {
      builder.warnings.push_back(
          text("shard '{}' holds {} tensors that the index does not name", file, model.tensors().size() - taken[file]));
    }
    for (const std::string& warning : model.warnings()) builder.warnings.push_back(text("shard '{}': {}", file, warning));
  }
}

}  // namespace

Result<Model> read_shards(const Bundle& bundle, const Context& context) {
  HOLDALL_ASSIGN(const Index index, read_index(bundle, context));
  HOLDALL_ASSIGN(const auto models, read_files(bundle, context, index));
  HOLDALL_ASSIGN(std::vector<StoredTensor> stored, gather(bundle, index, models));
  ModelBuilder builder(index.arena);
  builder.metadata = index.metadata;
  describe(bundle, index, models, builder);
  return restore_tree(std::move(builder), std::move(stored), index.tree, context.limits);
}

Status verify_shards(const Bundle& bundle, const Context& context, Faults& faults) {
  HOLDALL_ASSIGN(const Index index, read_index(bundle, context));
  bool is_readable = true;
  for (const std::string& file : index.files) {
    auto shard = open_shard(bundle, file);
    const Status checked = shard ? context.verify(*shard, faults) : Status(shard.error());
    if (checked) continue;
    faults.add(checked.error());
    is_readable = false;
  }
  if (!is_readable) return {};
  HOLDALL_ASSIGN(const auto models, read_files(bundle, context, index));
  auto stored = gather(bundle, index, models);
  if (stored) {
    verify_tree(*stored, index.tree, context, faults);
  } else if (faults.list.empty()) {
    faults.add(stored.error());
  }
  return {};
}

Status judge_shards(const Bundle& bundle, const Context& context, Findings& findings) {
  HOLDALL_ASSIGN(const Index index, read_index(bundle, context));
  for (const std::string& file : index.files) {
    auto shard = open_shard(bundle, file);
    const Status judged = shard ? context.acts(*shard, findings) : Status(shard.error());
    if (!judged) {
      findings.push_back({Verdict::kUnreadable, Rule::kShard, folder_of(bundle) + file, judged.error().message()});
    }
  }
  return {};
}

}  // namespace holdall::pytorch
