#include <algorithm>
#include <array>
#include <unordered_set>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/endian.h"
#include "holdall/base/text.h"
#include "holdall/base/utf8.h"
#include "holdall/codec/json.h"
#include "holdall/formats/safetensors/safetensors.h"
#include "holdall/formats/shards.h"

namespace holdall::safetensors {
namespace {

constexpr std::uint64_t kAlignment = 8;
constexpr std::string_view kStem = "model";

// Whether the file has to say whose tensors they are, which transformers asks of it.
bool adds_framework(const Model& model) { return !model.origin().framework.empty() && !model.metadata().find("format"); }

std::string json_text(std::string_view value) {
  JsonWriter writer;
  writer.string(value);
  return std::move(writer).take();
}

// The model's own metadata as __metadata__ can hold it: texts under texts.
std::vector<std::pair<std::string, std::string>> plain_metadata(const Model& model) {
  std::vector<std::pair<std::string, std::string>> plain;
  const Value metadata = model.metadata();
  for (std::size_t i = 0; metadata.is(ValueKind::kDict) && i < metadata.size(); ++i) {
    const Value key = metadata.key(i);
    const Value value = metadata.mapped(i);
    if (!key.is(ValueKind::kString) || !value.is(ValueKind::kString) || key.as_string() == kTreeKey) continue;
    if (!is_utf8(key.as_string()) || !is_utf8(value.as_string())) continue;
    plain.emplace_back(key.as_string(), value.as_string());
  }
  if (adds_framework(model)) plain.emplace_back("format", model.origin().framework);
  return plain;
}

// Whether plain_metadata() holds all of it.
bool is_plain(const Model& model) {
  const Value metadata = model.metadata();
  const std::size_t added = adds_framework(model) ? 1 : 0;
  return !metadata.is(ValueKind::kDict) || plain_metadata(model).size() == metadata.size() + added;
}

class Planner {
 public:
  Planner(const Model& model, const WriteOptions& options) : model_(model), options_(options) {}

  Result<Plan> run() {
    const std::vector<std::uint32_t> entries = storable();
    plan_.folder = options_.shard_bytes != 0;
    const auto shards = cut_by_bytes(model_, entries, options_.shard_bytes);
    if (shards.size() == 1) {
      HOLDALL_TRY(add_file(plan_.folder ? text("{}.safetensors", kStem) : options_.name, shards[0], TreeOptions::Scope::kAll));
      return std::move(plan_);
    }
    std::vector<std::string> names;
    for (std::size_t i = 0; i < shards.size(); ++i) {
      names.push_back(text("{}-{:05}-of-{:05}.safetensors", kStem, i + 1, shards.size()));
      HOLDALL_TRY(add_file(names.back(), shards[i], TreeOptions::Scope::kChecksumsOnly));
    }
    HOLDALL_TRY(add_index(shards, names));
    return std::move(plan_);
  }

 private:
  const NamedTensor& entry(std::uint32_t i) const { return model_.tensors()[i]; }

  // The entries that have a place in the format; the others become losses.
  std::vector<std::uint32_t> storable() {
    std::vector<std::uint32_t> entries;
    for (std::uint32_t i = 0; i < model_.tensors().size(); ++i) {
      const NamedTensor& named = entry(i);
      if (dtype_to_text(named.tensor.dtype()).empty()) {
        plan_.losses.push_back({named.name, text("dtype {} has no place in safetensors", name(named.tensor.dtype()))});
      } else if (named.name == kMetadata || !is_utf8(named.name)) {
        plan_.losses.push_back({named.name, "a tensor of this name has no place in safetensors"});
      } else {
        entries.push_back(i);
      }
    }
    return entries;
  }

  std::vector<StoredAs> stored_as(const std::vector<std::uint32_t>& entries) const {
    std::vector<StoredAs> stored;
    for (const std::uint32_t i : entries) stored.push_back({i, entry(i).tensor.dtype(), entry(i).tensor.shape()});
    return stored;
  }

  // The order of the reference writer, so that a file without holdall.tree is byte for byte what it would write.
  std::vector<std::uint32_t> canonical(std::vector<std::uint32_t> entries) const {
    std::sort(entries.begin(), entries.end(), [&](std::uint32_t a, std::uint32_t b) {
      const int x = dtype_rank(entry(a).tensor.dtype());
      const int y = dtype_rank(entry(b).tensor.dtype());
      return x != y ? x > y : entry(a).name < entry(b).name;
    });
    return entries;
  }

  TreeOptions tree_options(TreeOptions::Scope scope, bool checksums) const {
    TreeOptions tree;
    tree.scope = scope;
    tree.checksums = checksums;
    tree.metadata = !is_plain(model_);
    tree.config = !options_.config_beside;
    if (adds_framework(model_)) tree.framework = model_.origin().framework;
    return tree;
  }

  Status add_file(std::string name, const std::vector<std::uint32_t>& unsorted, TreeOptions::Scope scope) {
    const std::vector<std::uint32_t> entries = canonical(unsorted);
    HOLDALL_ASSIGN(TreeText tree, write_tree(model_, stored_as(entries), tree_options(scope, options_.checksums)));
    plan_.losses.insert(plan_.losses.end(), tree.losses.begin(), tree.losses.end());
    std::string head = metadata_start(!tree.json.empty());
    const std::size_t tree_bytes = tree.json.empty() ? 0 : json_text(tree.json).size();
    std::string tail = header_rest(entries, head.size() > 1 || tree_bytes != 0);
    HOLDALL_TRY(frame(head, tree_bytes, tail));
    PlannedFile file;
    file.name = std::move(name);
    file.add(Bytes::adopt(std::move(head)));
    const PartId late = file.parts.size();
    if (tree_bytes != 0) file.add(Bytes());
    file.add(Bytes::adopt(std::move(tail)));
    std::vector<PartId> parts;
    parts.reserve(entries.size());
    file.parts.reserve(file.parts.size() + entries.size());
    for (const std::uint32_t i : entries) {
      HOLDALL_ASSIGN(Blob data, entry(i).tensor.data());
      parts.push_back(file.add(std::move(data), Checks{false, options_.checksums}));
    }
    if (tree_bytes != 0) file.parts[late] = tree_part(std::move(tree), std::move(parts), json_text);
    plan_.files.push_back(std::move(file));
    return {};
  }

  // `{`, or `{"__metadata__":{…` up to where the value of holdall.tree goes.
  std::string metadata_start(bool has_tree) const {
    const auto plain = plain_metadata(model_);
    if (plain.empty() && !has_tree) return "{";
    std::string start = text("{{\"{}\":{{", kMetadata);
    bool first = true;
    for (const auto& [key, value] : plain) {
      start += (first ? "" : ",") + json_text(key) + ":" + json_text(value);
      first = false;
    }
    if (has_tree) start += text("{}\"{}\":", first ? "" : ",", kTreeKey);
    return start;
  }

  std::string header_rest(const std::vector<std::uint32_t>& entries, bool has_metadata) const {
    std::string rest = has_metadata ? "}" : "";
    std::uint64_t offset = 0;
    for (const std::uint32_t i : entries) {
      const Tensor& tensor = entry(i).tensor;
      JsonWriter json;
      json.begin_object().key("dtype").string(dtype_to_text(tensor.dtype())).key("shape").begin_array();
      for (const std::uint64_t size : tensor.shape()) json.unsigned_integer(size);
      json.end_array().key("data_offsets").begin_array();
      json.unsigned_integer(offset).unsigned_integer(offset + tensor.bytes()).end_array().end_object();
      offset += tensor.bytes();
      rest += (rest.empty() ? "" : ",") + json_text(entry(i).name) + ":" + json.text();
    }
    return rest + "}";
  }

  // Puts the length before `head` and pads `tail` so that the data starts where it should.
  Status frame(std::string& head, std::size_t tree_bytes, std::string& tail) const {
    const std::uint64_t alignment = std::max(kAlignment, options_.alignment);
    const std::uint64_t unpadded = 8 + head.size() + tree_bytes + tail.size();
    const auto end = checked_align(unpadded, alignment);
    if (!end || *end - 8 > kMostHeader) {
      return unsupported(text("the header would take {} bytes, readers accept {}; write shards", unpadded - 8, kMostHeader));
    }
    tail.append(static_cast<std::size_t>(*end - unpadded), ' ');
    std::array<char, 8> length;
    store_le<std::uint64_t>(length.data(), *end - 8);
    head.insert(0, length.data(), length.size());
    return {};
  }

  Status add_index(const std::vector<std::vector<std::uint32_t>>& shards, const std::vector<std::string>& names) {
    std::vector<std::uint32_t> all;
    std::uint64_t total = 0;
    JsonWriter json(2);
    json.begin_object().key("weight_map").begin_object();
    for (std::size_t s = 0; s < shards.size(); ++s) {
      for (const std::uint32_t i : shards[s]) {
        json.key(entry(i).name).string(names[s]);
        total += entry(i).tensor.bytes();
        all.push_back(i);
      }
    }
    json.end_object().key("metadata").begin_object().key("total_size").unsigned_integer(total);
    HOLDALL_ASSIGN(const TreeText tree, write_tree(model_, stored_as(all), tree_options(TreeOptions::Scope::kAll, false)));
    plan_.losses.insert(plan_.losses.end(), tree.losses.begin(), tree.losses.end());
    if (!tree.json.empty()) json.key(kTreeKey).string(tree.finished({}));
    json.end_object().end_object();
    PlannedFile file;
    file.name = text("{}.safetensors.index.json", kStem);
    file.add(Bytes::adopt(std::move(json).take() + "\n"));
    plan_.files.push_back(std::move(file));
    return {};
  }

  const Model& model_;
  const WriteOptions& options_;
  Plan plan_;
};

}  // namespace

Result<Plan> plan(const Model& model, const WriteOptions& options) { return Planner(model, options).run(); }

}  // namespace holdall::safetensors
