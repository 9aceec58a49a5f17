#include <algorithm>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/base/utf8.h"
#include "holdall/formats/gguf/gguf.h"
#include "holdall/formats/gguf/gguf_values.h"
#include "holdall/formats/shards.h"

namespace holdall::gguf {
namespace {

constexpr std::uint32_t kVersion = 3;
constexpr std::string_view kStem = "model";
// split.no and split.count have 16 bits.
constexpr std::size_t kMostSplits = 65'535;

// What a tensor is in the file. GGUF lacks unsigned integers, bool, short floats and complex numbers, and more than four
// dimensions: their bits lie there as those of an integer, or their first dimensions as one; holdall.tree says what they are.
StoredAs stored_as(const Model& model, std::uint32_t entry) {
  const Tensor& tensor = model.tensors()[entry].tensor;
  StoredAs stored{entry, tensor.dtype(), tensor.shape()};
  if (!ggml_of_dtype(tensor.dtype())) {
    const std::uint32_t bytes = info(tensor.dtype()).block_elements == 1 ? info(tensor.dtype()).block_bytes : 0;
    stored.dtype = bytes == 8 ? DType::kInt64 : bytes == 4 ? DType::kInt32 : bytes == 2 ? DType::kInt16 : DType::kInt8;
    if (bytes == 0 || bytes > 8) stored.shape = {tensor.bytes()};
  }
  if (stored.shape.size() > kMostDimensions) {
    const std::size_t joined = stored.shape.size() - kMostDimensions + 1;
    Shape shape{1};
    for (std::size_t d = 0; d < stored.shape.size(); ++d) {
      if (d < joined) {
        shape[0] *= stored.shape[d];
      } else {
        shape.push_back(stored.shape[d]);
      }
    }
    stored.shape = std::move(shape);
  }
  return stored;
}

// Why a tensor has no place; empty where it has one.
std::string no_place(std::string_view name) {
  if (name.size() > kMostName) {
    return text("a name of {} bytes has no place in GGUF, which has {} at most (--rename)", name.size(), kMostName);
  }
  if (name.empty() || !is_utf8(name) || name.find('\0') != std::string_view::npos)
    return "a tensor of this name has no place in GGUF";
  return {};
}

class Planner {
 public:
  Planner(const Model& model, const WriteOptions& options)
      : model_(model), options_(options), pairs_(pairs_of(model, options.alignment)) {}

  Result<Plan> run() {
    if (options_.alignment > kMostAlignment) {
      return invalid_argument(
          text("tensors are aligned to at most {} bytes in GGUF, not {}", kMostAlignment, options_.alignment));
    }
    const std::vector<std::uint32_t> all = storable();
    plan_.folder = options_.shard_bytes != 0;
    const auto splits = cut_by_bytes(model_, all, options_.shard_bytes);
    if (splits.size() > kMostSplits) return invalid_argument(text("{} splits, {} are allowed", splits.size(), kMostSplits));
    HOLDALL_ASSIGN(TreeText tree, write_tree(model_, all_stored(all), tree_options(splits.size() == 1)));
    plan_.losses.insert(plan_.losses.end(), tree.losses.begin(), tree.losses.end());
    for (std::size_t i = 0; i < splits.size(); ++i) HOLDALL_TRY(add_split(splits, i, all.size(), tree));
    return std::move(plan_);
  }

 private:
  const NamedTensor& entry(std::uint32_t i) const { return model_.tensors()[i]; }

  // The entries that have a place in the format; the others become losses.
  std::vector<std::uint32_t> storable() {
    std::vector<std::uint32_t> entries;
    for (std::uint32_t i = 0; i < model_.tensors().size(); ++i) {
      if (std::string why = no_place(entry(i).name); !why.empty()) {
        plan_.losses.push_back({entry(i).name, std::move(why)});
      } else {
        entries.push_back(i);
      }
    }
    return entries;
  }

  std::vector<StoredAs> all_stored(const std::vector<std::uint32_t>& entries) const {
    std::vector<StoredAs> stored;
    for (const std::uint32_t i : entries) stored.push_back(stored_as(model_, i));
    return stored;
  }

  TreeOptions tree_options(bool is_one_file) const {
    TreeOptions tree;
    tree.checksums = options_.checksums && is_one_file;
    tree.metadata = !pairs_.is_whole;
    tree.config = !options_.config_beside;
    tree.framework = model_.origin().framework;
    return tree;
  }

  Status add_split(const std::vector<std::vector<std::uint32_t>>& splits, std::size_t number, std::size_t total,
                   const TreeText& tree) {
    std::string pairs = number == 0 ? pairs_.bytes : std::string();
    std::uint64_t count = number == 0 ? pairs_.count : 0;
    if (splits.size() == 1) return add_file(single_name(), splits[0], std::move(pairs), count, tree, kTreeKey);
    // A split that is opened alone keeps to the same alignment.
    if (number != 0 && pairs_.alignment != kDefaultAlignment) {
      put_pair(pairs, kAlignmentKey, "uint32", pairs_.alignment);
      ++count;
    }
    put_pair(pairs, kSplitNumber, "uint16", number);
    put_pair(pairs, kSplitCount, "uint16", splits.size());
    put_pair(pairs, kSplitTensors, "int32", total);
    count += 3;
    if (number == 0 && !tree.json.empty()) {
      put_string(pairs, kTreeKey);
      put_number(pairs, static_cast<std::uint32_t>(ValueType::kString), 4);
      put_string(pairs, tree.finished({}));
      ++count;
    }
    TreeOptions only_checks;
    only_checks.scope = TreeOptions::Scope::kChecksumsOnly;
    only_checks.checksums = options_.checksums;
    HOLDALL_ASSIGN(const TreeText checks, write_tree(model_, all_stored(splits[number]), only_checks));
    return add_file(split_name(kStem, number, splits.size()), splits[number], std::move(pairs), count, checks, kChecksKey);
  }

  std::string single_name() const { return plan_.folder ? text("{}.gguf", kStem) : options_.name; }

  Status add_file(std::string name, const std::vector<std::uint32_t>& entries, std::string pairs, std::uint64_t count,
                  const TreeText& tree, std::string_view tree_key) {
    std::string head = "GGUF";
    put_number(head, kVersion, 4);
    put_number(head, entries.size(), 8);
    put_number(head, count + (tree.json.empty() ? 0 : 1), 8);
    head += pairs;
    if (!tree.json.empty()) {
      put_string(head, tree_key);
      put_number(head, static_cast<std::uint32_t>(ValueType::kString), 4);
      put_number(head, tree.json.size(), 8);
    }
    PlannedFile file;
    file.name = std::move(name);
    file.add(Bytes::adopt(std::move(head)));
    const PartId late = file.parts.size();
    if (!tree.json.empty()) file.add(Bytes());
    HOLDALL_ASSIGN(std::string infos, tensor_infos(entries));
    file.add(Bytes::adopt(std::move(infos)));
    file.align(pairs_.alignment);
    std::vector<PartId> parts;
    parts.reserve(entries.size());
    file.parts.reserve(file.parts.size() + 2 * entries.size());
    for (const std::uint32_t i : entries) {
      HOLDALL_ASSIGN(Blob data, entry(i).tensor.data());
      parts.push_back(file.add(std::move(data), Checks{false, options_.checksums}));
      file.align(pairs_.alignment);
    }
    if (!tree.json.empty()) file.parts[late] = tree_part(tree, std::move(parts));
    plan_.files.push_back(std::move(file));
    return {};
  }

  Result<std::string> tensor_infos(const std::vector<std::uint32_t>& entries) const {
    std::string infos;
    std::uint64_t offset = 0;
    for (const std::uint32_t i : entries) {
      const StoredAs stored = stored_as(model_, i);
      put_string(infos, entry(i).name);
      put_number(infos, stored.shape.size(), 4);
      for (std::size_t d = stored.shape.size(); d-- > 0;) put_number(infos, stored.shape[d], 8);
      put_number(infos, *ggml_of_dtype(stored.dtype), 4);
      put_number(infos, offset, 8);
      const auto end = checked_add(offset, entry(i).tensor.bytes());
      const auto next = end ? checked_align(*end, pairs_.alignment) : std::nullopt;
      if (!next) return unsupported("the tensors take more bytes than 64 bits count");
      offset = *next;
    }
    return infos;
  }

  const Model& model_;
  const WriteOptions& options_;
  PairsText pairs_;
  Plan plan_;
};

}  // namespace

Result<Plan> plan(const Model& model, const WriteOptions& options) { return Planner(model, options).run(); }

}  // namespace holdall::gguf
