#include "holdall/formats/tf_checkpoint/tf_checkpoint.h"

#include <algorithm>
#include <set>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/formats/tf_checkpoint/bundle.h"
#include "holdall/formats/tf_checkpoint/v1.h"
#include "holdall/formats/tf_checkpoint/variants.h"
#include "holdall/formats/tree_metadata.h"
#include "holdall/io/parallel.h"

namespace holdall {
namespace tf_checkpoint {
namespace {

constexpr std::string_view kSlicePrefix("\0", 1);

// A block of a V1 checkpoint holds a tensor: it is as large as that.
Limits for_blocks(const Limits& limits, const SourceRef& source) {
  Limits wider = limits;
  wider.header_bytes = std::max(limits.header_bytes, source->size());
  return wider;
}

Match match_file(Peek& peek) {
  if (is_state_file(as_text(peek.head()))) return Match::kCertain;
  if (!ends_table(peek.tail())) {
    const std::string_view prefix = prefix_of_data(peek.bundle().names().front());
    return !prefix.empty() && peek.bundle().has(std::string(prefix) + ".index") ? Match::kLikely : Match::kNo;
  }
  const auto table = SortedTable::open(peek.bundle().main(), for_blocks(peek.limits(), peek.bundle().main()));
  if (!table) return Match::kLikely;
  return kind_of(*table) == Kind::kNeither ? Match::kMaybe : Match::kCertain;
}

Match match(Peek& peek) {
  if (!peek.is_folder()) return match_file(peek);
  const auto& names = peek.bundle().names();
  const bool has_index = std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return name.ends_with(".index") && peek.bundle().has(data_name(prefix_of(name), 0, 1));
  });
  if (peek.bundle().has("saved_model.pb")) return Match::kNo;
  if (peek.bundle().has("checkpoint")) {
    auto state = peek.bundle().part("checkpoint");
    if (state) {
      Peek inner(*state, peek.limits());
      if (is_state_file(as_text(inner.head()))) return Match::kCertain;
    }
  }
  const bool has_shards = std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    const std::string_view prefix = prefix_of_data(name);
    return !prefix.empty() && peek.bundle().has(std::string(prefix) + ".index");
  });
  return has_index || has_shards ? Match::kLikely : Match::kNo;
}

struct Opened {
  Located located;
  SortedTable table;
  Kind kind = Kind::kNeither;
};

Result<Opened> opened(const Bundle& bundle, const Limits& limits) {
  HOLDALL_ASSIGN(Located located, locate(bundle));
  const SourceRef& source = located.index.main();
  HOLDALL_ASSIGN(SortedTable table, SortedTable::open(source, for_blocks(limits, source)));
  const Kind kind = kind_of(table);
  if (kind == Kind::kNeither) {
    HOLDALL_TRY(table.find(""));
    return corrupt("the table's first entry is no header of a checkpoint").in(source->name());
  }
  return Opened{std::move(located), std::move(table), kind};
}

// The model of a bundle, part by part.
class BundleReader {
 public:
  BundleReader(const OpenedBundle& bundle, const Limits& limits) : bundle_(bundle), limits_(limits) {}

  Result<Model> run(ModelBuilder builder) {
    HOLDALL_TRY(tensors(builder));
    builder.metadata = builder.arena->dict();
    if (tree_) {
      HOLDALL_ASSIGN(const Bytes tree, text_of(*tree_));
      HOLDALL_TRY(own_names());
      return restore_tree(std::move(builder), std::move(stored_), tree.text(), limits_);
    }
    if (graph_) {
      if (Status told = objects(builder); !told) {
        builder.warnings.push_back(text("the object graph is not used: {}", told.error().message()));
        builder.tree = kNoNode;
      }
    }
    return std::move(builder).with_named(std::move(stored_));
  }

 private:
  Status tensors(ModelBuilder& builder) {
    for (const Entry& entry : bundle_.index.entries) {
      if (entry.is_slice) continue;
      if (entry.key == kGraphKey || entry.key == kTreeKey) {
        (entry.key == kGraphKey ? graph_ : tree_) = &entry;
        continue;
      }
      if (tensorflow_type(entry.dtype) == nullptr) {
        builder.left_out.push_back(text("tensor '{}': {} is no array", entry.key, tensorflow_type_name(entry.dtype)));
        continue;
      }
      HOLDALL_ASSIGN(Tensor tensor, entry_tensor(bundle_, entry, limits_));
      const SharedText file = entry.slices.empty() ? bundle_.files[static_cast<std::size_t>(entry.shard)].name : SharedText();
      stored_.push_back({entry.key, std::move(tensor), 0, file});
    }
    return {};
  }

  Result<Bytes> text_of(const Entry& entry) const {
    HOLDALL_ASSIGN(const Tensor tensor, entry_tensor(bundle_, entry, limits_));
    if (tensor.dtype() != DType::kString || !tensor.shape().empty()) return corrupt(text("'{}' is no text", entry.key));
    if (tensor.bytes() > limits_.header_bytes) return over_limit(text("'{}' has {} bytes", entry.key, tensor.bytes()));
    HOLDALL_ASSIGN(const Bytes bytes, tensor.read_bytes());
    return bytes.slice(8, bytes.size() - 8);
  }

  Result<ObjectGraph> graph_of(const Bytes& bytes) const {
    return read_object_graph(Blob::memory(bytes, bundle_.table.source()->name()), limits_);
  }

  // Holdall's own files have keys made of the tensors' names; the names stand in the graph, which has more than the tree knows.
  Status own_names() {
    if (graph_ == nullptr) return {};
    HOLDALL_ASSIGN(const Bytes bytes, text_of(*graph_));
    HOLDALL_ASSIGN(const ObjectGraph graph, graph_of(bytes));
    std::map<std::string, std::string> names;
    for (const auto& node : graph.nodes)
      for (const auto& attribute : node.attributes) names.emplace(attribute.key, attribute.full_name);
    std::vector<StoredTensor> kept;
    for (StoredTensor& each : stored_) {
      const auto name = names.find(each.name);
      if (name != names.end() && name->second == kAddedName) continue;
      if (name != names.end()) each.name = name->second;
      kept.push_back(std::move(each));
    }
    stored_ = std::move(kept);
    return {};
  }

  // Tree and metadata of the object graph.
  Status objects(ModelBuilder& builder) {
    HOLDALL_ASSIGN(const Bytes bytes, text_of(*graph_));
    HOLDALL_ASSIGN(const ObjectGraph graph, graph_of(bytes));
    HOLDALL_ASSIGN(const std::vector<Described> all, describe(graph, limits_));
    Arena& arena = *builder.arena;
    std::vector<std::string> keys;
    for (const StoredTensor& each : stored_) keys.push_back(each.name);
    const NodeId variables = arena.dict();
    for (const Described& each : all) {
      const NodeId about = arena.dict();
      arena.set_item(about, "path", arena.string(each.path));
      if (!each.full_name.empty()) arena.set_item(about, "full_name", arena.string(each.full_name));
      if (!each.slot.empty()) {
        arena.set_item(about, "slot", arena.string(each.slot));
        arena.set_item(about, "slot_of", arena.string(each.slot_of));
      }
      arena.set_item(variables, each.key, about);
    }
    arena.set_item(builder.metadata, kVariables, variables);
    arena.set_item(builder.metadata, kObjectGraph, arena.bytes(bytes.text()));
    builder.tree = tree_of(graph, arena, keys, limits_);
    return {};
  }

  const OpenedBundle& bundle_;
  const Limits& limits_;
  std::vector<StoredTensor> stored_;
  const Entry* graph_ = nullptr;
  const Entry* tree_ = nullptr;
};

// What was read: the index, then the data files.
void add_files(const Located& located, const OpenedBundle* bundle, Origin& origin) {
  origin.files = {located.folder + located.index.names().front()};
  origin.bytes = located.index.main()->size();
  for (std::size_t i = 0; bundle != nullptr && i < bundle->files.size(); ++i) {
    if (!bundle->files[i].source) continue;
    origin.files.push_back(bundle->files[i].name.str());
    origin.bytes += bundle->files[i].source->size();
  }
}

Result<Model> read(const Bundle& bundle, const Context& context) {
  HOLDALL_ASSIGN(Opened file, opened(bundle, context.limits));
  ModelBuilder builder;
  builder.warnings = file.located.warnings;
  builder.origin = {"tf-checkpoint", "V1", bundle.path(), {}, 0};
  if (file.kind == Kind::kV1) {
    add_files(file.located, nullptr, builder.origin);
    HOLDALL_ASSIGN(auto tensors, read_v1(file.table, builder.origin.files.front(), context.limits, builder.left_out));
    return std::move(builder).with_named(std::move(tensors));
  }
  HOLDALL_ASSIGN(const OpenedBundle opened_bundle, open_bundle(file.located, std::move(file.table), context.limits));
  const Index& index = opened_bundle.index;
  builder.origin.detail = text("V2, {} data file{}{}", index.shards, index.shards == 1 ? "" : "s",
                               index.order == ByteOrder::kBig ? ", big-endian" : "");
  add_files(file.located, &opened_bundle, builder.origin);
  return BundleReader(opened_bundle, context.limits).run(std::move(builder));
}

// One thing that has a checksum of its own.
struct Checked {
  const Entry* entry = nullptr;
  Status status;
};

Status check_entry(const OpenedBundle& bundle, const Entry& entry, const Context& context) {
  if (entry.dtype == kTensorFlowString) {
    HOLDALL_ASSIGN(const Tensor tensor, entry_tensor(bundle, entry, context.limits));
    HOLDALL_TRY(tensor.read_bytes());
    return context.advance(entry.size);
  }
  HOLDALL_ASSIGN(const Blob data, entry_bytes(bundle, entry));
  if (entry.dtype == kTensorFlowVariant && entry.shape.is_known) {
    return check_variants(entry.shape.sizes, data, data.crc().value, bundle.index.order,
                          [&](std::span<const std::byte> piece) { return context.advance(piece.size()); });
  }
  return for_each_tile(data, 1u << 20,
                       [&](std::uint64_t, std::span<const std::byte> piece) { return context.advance(piece.size()); });
}

// Two entries that hold the same bytes.
void check_overlaps(const OpenedBundle& bundle, Faults& faults) {
  std::vector<const Entry*> order;
  for (const Entry& entry : bundle.index.entries)
    if (entry.slices.empty() && entry.size != 0) order.push_back(&entry);
  std::sort(order.begin(), order.end(),
            [](const Entry* a, const Entry* b) { return std::pair(a->shard, a->offset) < std::pair(b->shard, b->offset); });
  for (std::size_t i = 1; i < order.size(); ++i) {
    if (order[i]->shard != order[i - 1]->shard || order[i]->offset >= order[i - 1]->offset + order[i - 1]->size) continue;
    faults.list.push_back({bundle.table.source()->name(), order[i]->at,
                           text("tensor '{}' begins at {}, within '{}'", order[i]->key, order[i]->offset, order[i - 1]->key)});
  }
}

Status verify_bundle(const Opened& file, const Context& context, Faults& faults) {
  HOLDALL_ASSIGN(const OpenedBundle bundle, open_bundle(file.located, file.table, context.limits));
  check_overlaps(bundle, faults);
  std::vector<Checked> all;
  for (const Entry& entry : bundle.index.entries) {
    if (entry.slices.empty()) all.push_back({&entry, {}});
    if (entry.key.starts_with(kSlicePrefix) && !entry.is_slice) {
      faults.list.push_back({bundle.table.source()->name(), entry.at, "an entry is a slice of no tensor"});
    }
  }
  const Status run = parallel_for(all.size(), worker_count(), [&](std::uint64_t i) -> Status {
    all[i].status = check_entry(bundle, *all[i].entry, context);
    const bool cancelled = !all[i].status && all[i].status.error().code() == Code::kCancelled;
    return cancelled ? Error(all[i].status.error()) : Status();
  });
  HOLDALL_TRY(run);
  faults.crc32c += all.size();
  for (Checked& each : all)
    if (!each.status) faults.add(std::move(each.status).error().with(text("tensor '{}'", each.entry->key)));
  return {};
}

Status verify(const Bundle& bundle, const Context& context, Faults& faults) {
  HOLDALL_ASSIGN(const Opened file, opened(bundle, context.limits));
  faults.crc32c += file.table.blocks().size() + 2;
  if (Status checked = file.table.check_metaindex(); !checked) faults.add(checked.error());
  if (Status checked = file.table.for_each([](auto, auto, auto) { return Status(); }); !checked) faults.add(checked.error());
  if (file.kind == Kind::kBundle) HOLDALL_TRY(verify_bundle(file, context, faults));
  HOLDALL_ASSIGN(const Model model, read(bundle, context));
  if (file.kind == Kind::kV1) {
    for (const NamedTensor& entry : model.tensors()) {
      const auto bytes = entry.tensor.read_bytes();
      if (!bytes) faults.add(Error(bytes.error()).with(text("tensor '{}'", entry.name)));
      HOLDALL_TRY(context.advance(entry.tensor.bytes()));
    }
  }
  for (const std::string& warning : model.warnings()) {
    const bool is_own =
        std::find(file.located.warnings.begin(), file.located.warnings.end(), warning) != file.located.warnings.end();
    if (!is_own) faults.list.push_back({bundle.path(), std::nullopt, warning});
  }
  return {};
}

// Nothing in a checkpoint is run: an object graph says where values go, never what they are made by.
Status acts(const Bundle& bundle, const Context& context, Findings&) {
  auto model = read(bundle, context);
  return model ? Status() : Status(std::move(model).error());
}

}  // namespace
}  // namespace tf_checkpoint

extern const Format k_tf_checkpoint_format;
const Format k_tf_checkpoint_format = {"tf-checkpoint",
                                       "TensorFlow checkpoints: V2 bundles with their object graph, V1 files",
                                       {},
                                       true,
                                       tf_checkpoint::match,
                                       tf_checkpoint::read,
                                       tf_checkpoint::verify,
                                       tf_checkpoint::acts,
                                       tf_checkpoint::plan};

}  // namespace holdall
