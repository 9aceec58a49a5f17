#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/formats/side_files.h"
#include "holdall/formats/tensorflow_types.h"
#include "holdall/formats/tf_checkpoint/bundle_index.h"
#include "holdall/formats/tf_checkpoint/location.h"
#include "holdall/formats/tf_checkpoint/strings.h"
#include "holdall/formats/tf_checkpoint/tf_checkpoint.h"
#include "holdall/formats/tree_metadata.h"

namespace holdall::tf_checkpoint {
namespace {

constexpr std::string_view kPrefix = "ckpt";
constexpr std::string_view kSaveCounter = "save_counter";
// Loads read past the page cache straight into place where tensors begin at multiples of this.
constexpr std::uint64_t kAlignment = 64;

// One entry of the index to be.
struct Line {
  std::uint32_t dtype = 0;
  Shape shape;
  Blob data;  // of what is no text
  EncodedStrings strings;
  std::size_t shard = 0;
  std::uint64_t offset = 0, size = 0;
  std::uint32_t crc = 0;
};
// By key, as the table wants it; the CRCs come as the data files are written.
using Lines = std::map<std::string, Line>;

std::string index_text(const Lines& lines, std::uint64_t shards) {
  SortedTableWriter table;
  table.add("", write_header(shards));
  for (const auto& [key, line] : lines) {
    table.add(key, write_entry(line.dtype, line.shape, line.shard, line.offset, line.size, line.crc));
  }
  return std::move(table).finish();
}

std::vector<std::string> split(std::string_view name) {
  std::vector<std::string> path;
  while (true) {
    const std::size_t dot = std::min(name.find('.'), name.size());
    path.emplace_back(name.substr(0, dot));
    if (dot == name.size()) return path;
    name.remove_prefix(dot + 1);
  }
}

class Planner {
 public:
  Planner(const Model& model, const WriteOptions& options) : model_(model), options_(options) {}

  Result<Plan> run() {
    plan_.folder = true;
    HOLDALL_TRY(choose_keys());
    HOLDALL_TRY(add_tensors());
    HOLDALL_TRY(add_tree());
    if (!graph_.empty()) HOLDALL_TRY(add_text(std::string(kGraphKey), graph_));
    place();
    add_data_files();
    add_index();
    PlannedFile state;
    state.name = "checkpoint";
    state.add(Bytes::adopt(text("model_checkpoint_path: \"{0}\"\nall_model_checkpoint_paths: \"{0}\"\n", kPrefix)));
    plan_.files.push_back(std::move(state));
    add_side_files(model_, plan_);
    return std::move(plan_);
  }

 private:
  // Whether the names are keys of a checkpoint already: those of one that was read, with or without what became of its graph.
  Status choose_keys() {
    const Value bytes = model_.metadata().find(kObjectGraph);
    if (bytes.is(ValueKind::kBytes)) {
      HOLDALL_ASSIGN(const Bytes read, bytes.as_blob().read());
      const auto graph = read_object_graph(Blob::memory(read, std::string(kObjectGraph)), {});
      if (graph && covers(*graph)) {
        graph_ = read.text();
        keeps_graph_ = true;
      }
    }
    const std::string_view origin = model_.origin().format;
    const auto has_slash = [](const NamedTensor& entry) { return entry.name.find('/') != std::string::npos; };
    const bool is_tensorflows =
        origin.starts_with("tf-") || bytes || std::any_of(model_.tensors().begin(), model_.tensors().end(), has_slash);
    const bool has_keys = keeps_graph_ || (!model_.is_named_by_tree() && is_tensorflows);
    GraphMaker maker;
    bool is_made = !has_keys;
    for (const NamedTensor& entry : model_.tensors()) {
      const auto parts = has_keys ? parts_of(entry.name) : std::nullopt;
      if (has_keys) {
        keys_.push_back(entry.name);
        if (parts && parts->attribute == "VARIABLE_VALUE") is_made = true;
        if (parts && parts->attribute == "VARIABLE_VALUE") maker.add(parts->path, entry.name);
      } else {
        keys_.push_back(maker.add(split(entry.name), entry.name));
      }
    }
    if (keeps_graph_ || !is_made) return {};
    if (!maker.has(std::string(kSaveCounter))) {
      Line counter;
      counter.dtype = tensorflow_type(DType::kInt64, {})->number;
      counter.data = Blob::memory(Bytes::copy(std::string_view("\1\0\0\0\0\0\0\0", 8)), std::string(kSaveCounter));
      counter.size = 8;
      counter_key_ = maker.add({std::string(kSaveCounter)}, kAddedName);
      lines_.emplace(counter_key_, std::move(counter));
    }
    graph_ = std::move(maker).finish();
    return {};
  }

  // Whether every tensor that the graph knows is there under its key, or, where an object saves several (a table its keys and
  // values), under names that begin so.
  bool covers(const ObjectGraph& graph) const {
    std::set<std::string_view> names;
    for (const NamedTensor& entry : model_.tensors()) names.insert(entry.name);
    const auto is_there = [&](std::string_view key) {
      const auto found = names.lower_bound(key);
      return found != names.end() && (*found == key || (found->starts_with(key) && (*found)[key.size()] == '-'));
    };
    for (const auto& node : graph.nodes)
      for (const auto& attribute : node.attributes)
        if (!attribute.key.empty() && !attribute.is_optional && !is_there(attribute.key)) return false;
    return true;
  }

  Status add_tensors() {
    for (std::uint32_t i = 0; i < model_.tensors().size(); ++i) {
      const NamedTensor& entry = model_.tensors()[i];
      const Tensor& tensor = entry.tensor;
      const TensorFlowType* type = tensorflow_type(tensor.dtype(), tensor.logical());
      if (type == nullptr) {
        plan_.losses.push_back({entry.name, text("dtype {} has no place in a TensorFlow checkpoint", name(tensor.dtype()))});
        continue;
      }
      if (keys_[i].empty() || keys_[i].front() == '\0') {
        plan_.losses.push_back({entry.name, "a tensor of this name has no place in a TensorFlow checkpoint"});
        continue;
      }
      Line line;
      line.dtype = type->number;
      line.shape = tensor.shape();
      if (tensor.dtype() == DType::kString) {
        HOLDALL_ASSIGN(const Bytes bytes, tensor.read_bytes());
        HOLDALL_ASSIGN(line.strings, write_strings(bytes));
        line.size = line.strings.bytes.size();
      } else {
        HOLDALL_ASSIGN(line.data, tensorflow_bytes(tensor));
        line.size = line.data.size();
      }
      order_.push_back(keys_[i]);
      if (!lines_.emplace(keys_[i], std::move(line)).second) return corrupt(text("the key '{}' is there twice", keys_[i]));
      stored_.push_back({i, tensor.dtype(), tensor.shape(), type->logical == tensor.logical()});
    }
    return {};
  }

  // Nesting, sharing and values, where neither the graph nor the names say them.
  Status add_tree() {
    if (keeps_graph_) {
      const Value metadata = model_.metadata();
      for (std::size_t i = 0; i < metadata.size(); ++i) {
        const bool is_known = metadata.key(i).is(ValueKind::kString) &&
                              (metadata.key(i).as_string() == kObjectGraph || metadata.key(i).as_string() == kVariables);
        if (!is_known) plan_.losses.push_back({"metadata", "metadata beside an object graph has no place in a checkpoint"});
      }
      if (!options_.config_beside && model_.config() && !model_.config().is_null()) {
        plan_.losses.push_back({"config", "a config has no place in a checkpoint with its object graph"});
      }
      return {};
    }
    TreeOptions tree_options;  // the entries have checksums of their own
    tree_options.metadata = true;
    tree_options.config = !options_.config_beside;
    tree_options.framework = model_.origin().framework;
    // A reader lists tensors by key.
    std::vector<std::uint32_t> by_key(stored_.size());
    for (std::uint32_t i = 0; i < by_key.size(); ++i) by_key[i] = i;
    std::sort(by_key.begin(), by_key.end(), [&](auto a, auto b) { return order_[a] < order_[b]; });
    std::vector<StoredAs> sorted;
    for (const std::uint32_t i : by_key) sorted.push_back(stored_[i]);
    HOLDALL_ASSIGN(const TreeText tree, write_tree(model_, sorted, tree_options));
    plan_.losses.insert(plan_.losses.end(), tree.losses.begin(), tree.losses.end());
    // A graph that was made needs one, be it empty: a reader takes names from the graph then, and no save counter.
    if (tree.json.empty() && graph_.empty()) return {};
    return add_text(std::string(kTreeKey), tree.json.empty() ? std::string() : tree.finished({}));
  }

  Status add_text(std::string key, std::string_view value) {
    std::string element(8, '\0');
    store_le<std::uint64_t>(element.data(), value.size());
    element += value;
    Line line;
    line.dtype = kTensorFlowString;
    HOLDALL_ASSIGN(line.strings, write_strings(as_bytes(element)));
    line.size = line.strings.bytes.size();
    order_.push_back(key);
    lines_.emplace(std::move(key), std::move(line));
    return {};
  }

  // Each entry's data file and offset: in the model's order, at most shard_bytes a file.
  void place() {
    if (!counter_key_.empty()) order_.push_back(counter_key_);
    std::uint64_t end = 0;
    for (const std::string& key : order_) {
      Line& line = lines_[key];
      const std::uint64_t alignment = std::max(kAlignment, options_.alignment);
      std::uint64_t offset = (end + alignment - 1) / alignment * alignment;
      if (options_.shard_bytes != 0 && end != 0 && offset + line.size > options_.shard_bytes) {
        ++shards_;
        offset = 0;
      }
      line.shard = shards_ - 1;
      line.offset = offset;
      end = offset + line.size;
    }
  }

  void add_data_files() {
    shared_ = std::make_shared<Lines>(std::move(lines_));
    std::vector<PlannedFile> files(shards_);
    for (std::size_t i = 0; i < shards_; ++i) files[i].name = data_name(kPrefix, i, shards_);
    std::vector<std::vector<std::pair<Line*, PartId>>> parts(shards_);
    for (const std::string& key : order_) {
      Line& line = (*shared_)[key];
      PlannedFile& file = files[line.shard];
      file.align(std::max(kAlignment, options_.alignment));
      if (line.dtype == kTensorFlowString) {
        line.crc = line.strings.crc;
        file.add(Bytes::adopt(std::move(line.strings.bytes)));
      } else {
        parts[line.shard].emplace_back(&line, file.add(std::move(line.data), Checks{.crc32c = true}));
      }
    }
    // Nothing, made when all else of the file is done: it keeps the checksums for the index.
    for (std::size_t i = 0; i < shards_; ++i) {
      std::vector<PartId> needs;
      for (const auto& [line, part] : parts[i]) needs.push_back(part);
      const auto keep = [shared = shared_, own = std::move(parts[i])](std::span<const Written> written, std::span<std::byte>) {
        for (const auto& [line, part] : own) line->crc = written[part].crc32c;
        return Status();
      };
      files[i].add(Part::Late{0, std::move(needs), keep});
      plan_.files.push_back(std::move(files[i]));
    }
  }

  // The index is made when the data files before it have been written.
  void add_index() {
    PlannedFile index;
    index.name = std::string(kPrefix) + ".index";
    const std::uint64_t size = index_text(*shared_, shards_).size();
    const auto make = [shared = shared_, shards = shards_](std::span<const Written>, std::span<std::byte> out) -> Status {
      const std::string made = index_text(*shared, shards);
      if (made.size() != out.size()) return internal("the index changed its length");
      std::copy_n(as_bytes(made).begin(), made.size(), out.begin());
      return {};
    };
    index.add(Part::Late{size, {}, make});
    plan_.files.push_back(std::move(index));
  }

  const Model& model_;
  const WriteOptions& options_;
  Plan plan_;
  std::string graph_;               // bytes of the object graph; empty: none
  bool keeps_graph_ = false;        // it is the one that was read
  std::vector<std::string> keys_;   // of all tensors
  std::vector<std::string> order_;  // keys as they lie in the data files
  std::string counter_key_;         // of the save counter that is added; empty: none is
  std::vector<StoredAs> stored_;    // of order_, one by one
  Lines lines_;
  std::shared_ptr<Lines> shared_;
  std::size_t shards_ = 1;
};

}  // namespace

Result<Plan> plan(const Model& model, const WriteOptions& options) { return Planner(model, options).run(); }

}  // namespace holdall::tf_checkpoint
