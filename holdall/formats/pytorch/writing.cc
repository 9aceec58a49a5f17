// torch.save's layout: one ZIP archive, members at 64-byte boundaries, CRC-32 and sizes behind the payloads.
#include "holdall/formats/pytorch/writing.h"

#include <bit>
#include <unordered_map>
#include <utility>

#include "holdall/base/checksum.h"
#include "holdall/base/text.h"
#include "holdall/codec/document.h"
#include "holdall/codec/json.h"
#include "holdall/codec/zip.h"
#include "holdall/formats/pytorch/encoding.h"
#include "holdall/formats/pytorch/reading.h"
#include "holdall/formats/tree_metadata.h"
#include "holdall/io/joined.h"

namespace holdall::pytorch {

namespace {

constexpr std::uint64_t kAlignment = 64;
constexpr std::uint64_t kMostAlignment = 1u << 30;
constexpr std::size_t kSerializationId = 40;

// The folder in the archive: the file's name without its extension, as torch chooses it.
std::string prefix_for(std::string_view file) {
  std::string_view stem = file.substr(0, file.rfind('.'));
  for (const char c : stem) {
    if (c == '/' || static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7F || c == '\\')
      return "archive";
  }
  return stem.empty() || stem == "." || stem == ".." ? "archive" : std::string(stem);
}

// Metadata and config of the model, which a state dict has no place for; empty where there is neither.
Result<std::string> metadata_document(const Model& model) {
  const bool has_metadata = model.metadata().is(ValueKind::kDict) && model.metadata().size() > 0;
  if (!has_metadata && !model.config()) return std::string();
  const auto name = [](std::uint32_t) -> std::string_view { return {}; };
  JsonWriter writer;
  writer.begin_object();
  if (has_metadata) {
    writer.key("metadata");
    HOLDALL_TRY(write_document(writer, model.metadata(), name));
  }
  if (model.config()) {
    writer.key("config");
    HOLDALL_TRY(write_document(writer, model.config(), name));
  }
  writer.end_object();
  return std::move(writer).take();
}

// 20 digits that tell the names of the records, 20 that tell their contents.
Status serialization_id(std::uint64_t names, std::span<const Written> members, std::span<std::byte> out) {
  std::uint64_t contents = 0;
  for (const Written& member : members) contents = (std::rotl(contents, 7) ^ member.crc32) * 0x9E3779B97F4A7C15u;
  const std::string digits = text("{:020}{:020}", names, contents);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::byte>(digits[i]);
  return {};
}

class ArchiveWriter {
 public:
  ArchiveWriter(PlannedFile& file, std::string prefix, std::uint64_t alignment)
      : zip_(file, {.alignment = alignment, .data_descriptors = true}), prefix_(std::move(prefix)) {}

  Status add(std::string_view record, std::string content) { return zip_.add(named(record), Bytes::adopt(std::move(content))); }
  Status add(std::string_view record, Blob content) { return zip_.add(named(record), std::move(content)); }
  Status add_deflated(std::string_view record, Blob content) { return zip_.add_deflated(named(record), std::move(content)); }

  Status finish() {
    const Xxh128 hash = xxh3_128(as_bytes(names_));
    const std::uint64_t names = hash.low;
    names_ = {};
    std::vector<std::size_t> needs(count_);
    for (std::size_t i = 0; i < count_; ++i) needs[i] = i;
    HOLDALL_TRY(zip_.add_late(
        prefix_ + "/.data/serialization_id", kSerializationId, std::move(needs),
        [names](std::span<const Written> members, std::span<std::byte> out) { return serialization_id(names, members, out); }));
    return zip_.finish();
  }

 private:
  std::string named(std::string_view record) {
    ++count_;
    names_ += record;
    names_ += '\n';
    return (prefix_ + '/').append(record);
  }

  ZipPlanner zip_;
  std::string prefix_;
  std::string names_;
  std::size_t count_ = 0;
};

// The pieces of a pickle as one blob. Stored checksums are compared here, since those of a part would be lost in the whole.
Result<Blob> joined(std::vector<PicklePiece> pieces) {
  std::vector<Blob> blobs;
  for (PicklePiece& piece : pieces) {
    if (auto* text = std::get_if<std::string>(&piece)) {
      blobs.push_back(Blob::memory(Bytes::adopt(std::move(*text)), "data.pkl"));
      continue;
    }
    blobs.push_back(std::get<Blob>(std::move(piece)));
    if (!blobs.back().crc32() && !blobs.back().xxh3()) continue;
    HOLDALL_TRY(for_each_tile(blobs.back(), 1u << 20, [](std::uint64_t, std::span<const std::byte>) { return Status(); }));
  }
  return Blob(joined_source(std::move(blobs), "data.pkl"));
}

// The records of one file, in torch's order.
Status plan_file(PlannedFile& file, Encoded encoded, std::string document, const WriteOptions& options) {
  const std::uint64_t alignment = options.alignment == 0 ? kAlignment : options.alignment;
  ArchiveWriter writer(file, prefix_for(file.name), alignment);
  if (encoded.pickle.size() == 1) {
    HOLDALL_TRY(writer.add("data.pkl", std::get<std::string>(std::move(encoded.pickle.front()))));
  } else {
    HOLDALL_ASSIGN(Blob pickle, joined(std::move(encoded.pickle)));
    HOLDALL_TRY(writer.add("data.pkl", std::move(pickle)));
  }
  HOLDALL_TRY(writer.add(".format_version", "1"));
  HOLDALL_TRY(writer.add(".storage_alignment", std::to_string(alignment)));
  HOLDALL_TRY(writer.add("byteorder", "little"));
  for (std::size_t i = 0; i < encoded.storages.size(); ++i) {
    const std::string record = "data/" + std::to_string(i);
    Blob data = std::move(encoded.storages[i].data);
    HOLDALL_TRY(options.compress ? writer.add_deflated(record, std::move(data)) : writer.add(record, std::move(data)));
  }
  if (!document.empty()) HOLDALL_TRY(writer.add(kMetadataRecord, std::move(document)));
  HOLDALL_TRY(writer.add("version", "3\n"));
  return writer.finish();
}

struct Shard {
  std::vector<std::uint32_t> entries;
  std::uint64_t bytes = 0;
};

// Tensors in their order; those that share memory stay together.
std::vector<Shard> cut(const Model& model, std::uint64_t most) {
  std::vector<Shard> shards(1);
  std::unordered_map<const Storage*, std::size_t> homes;
  for (std::uint32_t i = 0; i < model.tensors().size(); ++i) {
    const Tensor& tensor = model.tensors()[i].tensor;
    const auto home = homes.find(tensor.storage().get());
    if (home != homes.end() && tensor.elements() > 0) {
      shards[home->second].entries.push_back(i);
      continue;
    }
    if (!shards.back().entries.empty() && shards.back().bytes + tensor.bytes() > most) shards.emplace_back();
    shards.back().entries.push_back(i);
    shards.back().bytes += tensor.bytes();
    homes.emplace(tensor.storage().get(), shards.size() - 1);
  }
  return shards;
}

// What travels beside the shards: nesting and plain values, which a flat dict of tensors has no place for.
Result<std::string> tree_beside(const Model& model, const std::vector<Shard>& shards, const WriteOptions& options, Plan& plan) {
  std::vector<StoredAs> stored;
  for (const Shard& shard : shards) {
    for (const std::uint32_t i : shard.entries) {
      const Tensor& tensor = model.tensors()[i].tensor;
      stored.push_back({i, tensor.dtype(), tensor.shape()});
    }
  }
  TreeOptions what;
  what.metadata = true;
  what.config = !options.config_beside;
  what.views = false;
  HOLDALL_ASSIGN(const TreeText tree, write_tree(model, stored, what));
  plan.losses.insert(plan.losses.end(), tree.losses.begin(), tree.losses.end());
  return tree.finished({});
}

std::string index_document(const Model& model, const std::vector<Shard>& shards, const std::vector<std::string>& names,
                           const std::string& tree) {
  std::uint64_t total = 0;
  for (const Shard& shard : shards) total += shard.bytes;
  JsonWriter writer(2);
  // The map first: by it an index is recognised, and the tree may be long.
  writer.begin_object().key("weight_map").begin_object();
  for (std::size_t s = 0; s < shards.size(); ++s)
    for (const std::uint32_t i : shards[s].entries) writer.key(model.tensors()[i].name).string(names[s]);
  writer.end_object().key("metadata").begin_object().key("total_size").unsigned_integer(total);
  if (!tree.empty()) writer.key(kTreeKey).string(tree);
  writer.end_object().end_object();
  return std::move(writer).take() + "\n";
}

Result<Plan> plan_shards(const Model& model, const WriteOptions& options) {
  Plan plan;
  plan.folder = true;
  std::vector<Shard> shards;
  std::vector<Encoded> contents;
  for (Shard& shard : cut(model, options.shard_bytes)) {
    HOLDALL_ASSIGN(Encoded encoded, encode_entries(model, shard.entries));
    for (Loss& loss : encoded.losses) plan.losses.push_back(std::move(loss));
    shard.entries = encoded.entries;
    // One of which all was lost is not written, unless there would be none.
    const bool is_empty = shard.entries.empty();
    if (is_empty && !contents.empty()) continue;
    if (!contents.empty() && shards.front().entries.empty()) {
      shards.clear();
      contents.clear();
    }
    shards.push_back(std::move(shard));
    contents.push_back(std::move(encoded));
  }
  std::vector<std::string> names;
  for (std::size_t s = 0; s < shards.size(); ++s) {
    names.push_back(text("pytorch_model-{:05}-of-{:05}.bin", s + 1, shards.size()));
    PlannedFile& file = plan.files.emplace_back();
    file.name = names.back();
    HOLDALL_TRY(plan_file(file, std::move(contents[s]), {}, options));
  }
  HOLDALL_ASSIGN(const std::string tree, tree_beside(model, shards, options, plan));
  PlannedFile& index = plan.files.emplace_back();
  index.name = "pytorch_model.bin.index.json";
  index.add(Bytes::adopt(index_document(model, shards, names, tree)));
  return plan;
}

}  // namespace

Result<Plan> plan(const Model& model, const WriteOptions& options) {
  if (options.alignment != 0 && (!std::has_single_bit(options.alignment) || options.alignment > kMostAlignment)) {
    return invalid_argument(text("alignment {} is not a power of two up to {}", options.alignment, kMostAlignment));
  }
  if (options.shard_bytes != 0) return plan_shards(model, options);
  Plan plan;
  HOLDALL_ASSIGN(Encoded encoded, encode_tree(model));
  HOLDALL_ASSIGN(std::string document, metadata_document(model));
  plan.losses = std::move(encoded.losses);
  PlannedFile& file = plan.files.emplace_back();
  file.name = options.name.empty() ? "archive.pt" : options.name;
  HOLDALL_TRY(plan_file(file, std::move(encoded), std::move(document), options));
  return plan;
}

}  // namespace holdall::pytorch
