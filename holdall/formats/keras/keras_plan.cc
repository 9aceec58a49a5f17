#include <algorithm>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/codec/json.h"
#include "holdall/codec/zip.h"
#include "holdall/formats/hdf5_plan.h"
#include "holdall/formats/keras/keras.h"

namespace holdall::keras {
namespace {

constexpr std::string_view kLayerNames = "layer_names";
constexpr std::uint64_t kAlignment = 64;
constexpr int kLevel = 4;  // what h5py compresses with

bool has_config(const Model& model) { return model.config().find_string("class_name").has_value(); }

// Whether the tensors have the names that Keras 3 gives variables: "layers/dense/vars/0".
bool are_variables(const Model& model) {
  return std::all_of(model.tensors().begin(), model.tensors().end(), [](const NamedTensor& entry) {
    const std::size_t last = entry.name.rfind('/');
    const std::string_view group = last == std::string::npos ? "" : std::string_view(entry.name).substr(0, last);
    return group == "vars" || group.ends_with("/vars");
  });
}

Result<Bytes> json_of(Value value) {
  JsonWriter json;
  HOLDALL_TRY(write_json(json, value));
  return Bytes::adopt(std::move(json).take());
}

class Planner {
 public:
  Planner(const Model& model, const WriteOptions& options) : model_(model), options_(options), arena_(model.arena().clone()) {}

  Result<Plan> run() {
    PlannedFile file;
    file.name = options_.name;
    HOLDALL_TRY(options_.name.ends_with(".h5") ? add_weights_file(file) : add_archive(file));
    plan_.files.push_back(std::move(file));
    return std::move(plan_);
  }

 private:
  // What other members of the archive say.
  enum class Elsewhere : std::uint8_t { kNothing, kConfig, kConfigAndMetadata };

  // Weights and names of layers; what else there is goes into holdall.tree, which Keras passes over.
  Status add_weights(Hdf5Planner& planner, Elsewhere elsewhere) {
    const bool has_metadata =
        arena_->at(without_names(*arena_, model_)).size() != 0 && elsewhere != Elsewhere::kConfigAndMetadata;
    const bool has_own_config = model_.config() && !model_.config().is_null() && elsewhere == Elsewhere::kNothing;
    if (is_hdf5_tree(model_) && !has_metadata && !has_own_config) {
      return plan_hdf5_groups(planner, model_, arena_->at(names_by_group(*arena_, model_)), {}, plan_.losses);
    }
    TreeOptions tree;
    tree.checksums = options_.checksums && !options_.compress && elsewhere == Elsewhere::kNothing;
    tree.metadata = true;
    tree.config = !options_.config_beside && elsewhere == Elsewhere::kNothing;
    tree.framework = model_.origin().framework;
    return plan_hdf5_tree(planner, model_, tree, plan_.losses);
  }

  Status add_weights_file(PlannedFile& file) {
    Hdf5Planner planner(layout_of(options_));
    HOLDALL_TRY(add_weights(planner, Elsewhere::kNothing));
    return std::move(planner).finish(file);
  }

  Status add(ZipPlanner& zip, std::string_view name, Blob data) {
    return options_.compress ? zip.add_deflated(std::string(name), std::move(data))
                             : zip.add(std::string(name), std::move(data));
  }

  Status add_archive(PlannedFile& file) {
    if (!has_config(model_)) {
      return unsupported("the model has no config of Keras, which a .keras file is built of; write .weights.h5 or .h5");
    }
    HOLDALL_ASSIGN(Bytes config, json_of(model_.config()));
    const Value metadata = arena_->at(without_names(*arena_, model_));
    auto said = json_of(metadata);
    const bool is_plain = said.has_value();
    Hdf5Planner::Options own = layout_of(options_);
    own.deflate_level = 0;  // the archive's members are deflated
    Hdf5Planner planner(own);
    HOLDALL_TRY(add_weights(planner, is_plain ? Elsewhere::kConfigAndMetadata : Elsewhere::kConfig));
    HOLDALL_ASSIGN(Blob weights, std::move(planner).finish(std::string(kWeights)));
    ZipPlanner zip(file, {.alignment = std::min<std::uint64_t>(own.alignment, 4096), .data_descriptors = false});
    const auto memory = [](Bytes bytes, std::string_view name) { return Blob::memory(std::move(bytes), std::string(name)); };
    HOLDALL_TRY(add(zip, kMetadata, memory(is_plain ? *std::move(said) : Bytes::copy(std::string_view("{}")), kMetadata)));
    HOLDALL_TRY(add(zip, kConfig, memory(std::move(config), kConfig)));
    HOLDALL_TRY(add(zip, kWeights, std::move(weights)));
    for (const auto& [name, blob] : model_.side_files()) {
      if (Status status = add(zip, name, blob); !status)
        plan_.losses.push_back({name, text("a side file of this name has no place: {}", status.error().message())});
    }
    plan_.holds_side_files = true;
    return zip.finish();
  }

  const Model& model_;
  const WriteOptions& options_;
  std::shared_ptr<Arena> arena_;
  Plan plan_;
};

}  // namespace

// What metadata.json says, or would say.
NodeId without_names(Arena& arena, const Model& model) {
  const NodeId dict = arena.dict();
  const Value metadata = model.metadata();
  for (std::size_t i = 0; metadata.is(ValueKind::kDict) && i < metadata.size(); ++i) {
    const Value key = metadata.key(i);
    if (!(key.is(ValueKind::kString) && key.as_string() == kLayerNames))
      arena.set_item(dict, key.id(), metadata.mapped(i).id());
  }
  return dict;
}

// The layers' own names as attributes of their groups, by "/path".
NodeId names_by_group(Arena& arena, const Model& model) {
  const NodeId attributes = arena.dict();
  const Value names = model.metadata().find(kLayerNames);
  for (std::size_t i = 0; names.is(ValueKind::kDict) && i < names.size(); ++i) {
    if (!names.key(i).is(ValueKind::kString) || !names.mapped(i).is(ValueKind::kString)) continue;
    const NodeId own = arena.dict();
    arena.set_item(own, "name", names.mapped(i).id());
    const std::string_view path = names.key(i).as_string();
    arena.set_item(attributes, path.empty() ? "/vars" : text("/{}/vars", path), own);
  }
  return attributes;
}

Hdf5Planner::Options layout_of(const WriteOptions& options) {
  Hdf5Planner::Options layout;
  layout.alignment = options.alignment != 0 ? options.alignment : kAlignment;
  if (options.compress) layout.deflate_level = kLevel;
  return layout;
}

Result<Plan> plan(const Model& model, const WriteOptions& options) {
  const bool is_index = options.name.ends_with(kJson);
  if (options.shard_bytes != 0 && !is_index)
    return unsupported("shards of Keras's weights lie beside an index; give a name that ends in .weights.json");
  if (!are_variables(model)) {
    return unsupported(
        "the tensors do not have the names of Keras 3's variables (layers/dense/vars/0); write .h5, which takes any names");
  }
  return is_index ? plan_shards(model, options) : Planner(model, options).run();
}

}  // namespace holdall::keras
