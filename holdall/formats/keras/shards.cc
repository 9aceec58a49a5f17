// Keras's ShardedH5IOStore: an index of JSON, and beside it HDF5 files that each have some of the groups, or some of a group.
#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"
#include "holdall/codec/json.h"
#include "holdall/formats/hdf5_plan.h"
#include "holdall/formats/keras/keras.h"
#include "holdall/formats/shards.h"

namespace holdall::keras {
namespace {

// What Keras splits by where nobody says: 5 GB of 1024³ bytes.
constexpr std::uint64_t kShardBytes = std::uint64_t{5} << 30;
constexpr std::string_view kStem = ".weights";

// "layers/dense/vars" of "layers/dense/vars/0".
std::string_view group_of(std::string_view name) { return name.substr(0, name.rfind('/')); }

// What Keras calls the shards of "m.weights.json": "m_00000.weights.h5".
std::string shard_name(std::string_view index, std::size_t number) {
  std::string base(index.substr(0, index.size() - kJson.size()));
  for (std::size_t at = base.find(kStem); at != std::string::npos; at = base.find(kStem, at)) base.erase(at, kStem.size());
  return text("{}_{:05}.weights.h5", base, number);
}

class Planner {
 public:
  Planner(const Model& model, const WriteOptions& options) : model_(model), options_(options), arena_(model.arena().clone()) {}

  Result<Plan> run() {
    find_names();
    std::vector<std::uint32_t> all(model_.tensors().size());
    std::iota(all.begin(), all.end(), 0U);
    const auto shards = cut_by_bytes(model_, all, options_.shard_bytes != 0 ? options_.shard_bytes : kShardBytes);
    PlannedFile index;
    index.name = options_.name;
    plan_.files.push_back(std::move(index));
    for (std::size_t i = 0; i < shards.size(); ++i) HOLDALL_TRY(add_shard(i, shards[i]));
    HOLDALL_TRY(add_index(shards));
    return std::move(plan_);
  }

 private:
  const NamedTensor& entry(std::uint32_t i) const { return model_.tensors()[i]; }

  void find_names() {
    names_ = names_by_group(*arena_, model_);
    std::set<std::string_view> groups;
    for (const NamedTensor& each : model_.tensors()) groups.insert(group_of(each.name));
    const Value all = arena_->at(names_);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::string group(all.key(i).as_string().substr(1));
      name_places_.emplace(group, i);
      if (!groups.contains(group)) bare_.insert(group);
    }
  }

  // The names of the layers of these groups, by "/path" of each.
  NodeId names_of(const std::set<std::string_view>& groups) {
    const NodeId found = arena_->dict();
    const Value all = arena_->at(names_);
    for (const std::string_view group : groups) {
      if (const auto place = name_places_.find(group); place != name_places_.end())
        arena_->set_item(found, all.key(place->second).id(), all.mapped(place->second).id());
    }
    return found;
  }

  Status add_shard(std::size_t number, const std::vector<std::uint32_t>& entries) {
    ModelBuilder builder(arena_);
    std::vector<StoredTensor> tensors;
    std::set<std::string_view> groups;
    for (const std::uint32_t i : entries) {
      tensors.push_back({entry(i).name, entry(i).tensor, static_cast<std::uint32_t>(tensors.size()), {}});
      groups.insert(group_of(entry(i).name));
    }
    if (number == 0) groups.insert(bare_.begin(), bare_.end());
    builder.tree = tree_of(*arena_, tensors, groups);
    const NodeId names = names_of(groups);
    HOLDALL_ASSIGN(const Model shard, std::move(builder).with_named(std::move(tensors)));
    Hdf5Planner planner(layout_of(options_));
    HOLDALL_TRY(plan_hdf5_groups(planner, shard, arena_->at(names), {}, plan_.losses));
    PlannedFile file;
    file.name = shard_name(options_.name, number);
    HOLDALL_TRY(std::move(planner).finish(file));
    plan_.files.push_back(std::move(file));
    return {};
  }

  // In the index stands what neither shards nor the names of layers say.
  Result<TreeText> tree() const {
    const bool has_metadata = arena_->at(without_names(*arena_, model_)).size() != 0;
    const bool has_config = model_.config() && !model_.config().is_null();
    if (is_hdf5_tree(model_) && !has_metadata && !has_config) return TreeText();
    std::vector<StoredAs> stored;
    for (std::uint32_t i = 0; i < model_.tensors().size(); ++i) {
      stored.push_back({i, entry(i).tensor.dtype(), entry(i).tensor.shape()});
    }
    TreeOptions options;
    options.metadata = true;
    options.config = !options_.config_beside;
    options.framework = model_.origin().framework;
    return write_tree(model_, stored, options);
  }

  Status add_index(const std::vector<std::vector<std::uint32_t>>& shards) {
    std::vector<std::string_view> order;
    TextMap<std::vector<std::size_t>> places;
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < shards.size(); ++i) {
      for (const std::uint32_t each : shards[i]) {
        total += entry(each).tensor.bytes();
        const auto [place, is_new] = places.try_emplace(std::string(group_of(entry(each).name)));
        if (is_new) order.push_back(group_of(entry(each).name));
        if (is_new || place->second.back() != i) place->second.push_back(i);
      }
    }
    JsonWriter json(4);
    json.begin_object().key("metadata").begin_object().key("total_size").unsigned_integer(total).end_object();
    json.key("weight_map").begin_object();
    for (const std::string_view group : order) {
      const std::vector<std::size_t>& numbers = places.find(std::string(group))->second;
      json.key(text("/{}", group));
      if (numbers.size() > 1) json.begin_array();
      for (const std::size_t number : numbers) json.string(shard_name(options_.name, number));
      if (numbers.size() > 1) json.end_array();
    }
    json.end_object();
    HOLDALL_ASSIGN(const TreeText tree, this->tree());
    plan_.losses.insert(plan_.losses.end(), tree.losses.begin(), tree.losses.end());
    if (!tree.json.empty()) json.key(kTreeKey).string(tree.finished({}));
    json.end_object();
    plan_.files.front().add(Bytes::adopt(std::move(json).take()));
    return {};
  }

  const Model& model_;
  const WriteOptions& options_;
  std::shared_ptr<Arena> arena_;
  NodeId names_ = kNoNode;            // of layers, by "/path" of their groups
  TextMap<std::size_t> name_places_;  // in `names_`, by path
  std::set<std::string> bare_;        // groups of layers without variables, which the first shard has
  Plan plan_;
};

}  // namespace

Result<Plan> plan_shards(const Model& model, const WriteOptions& options) { return Planner(model, options).run(); }

}  // namespace holdall::keras
