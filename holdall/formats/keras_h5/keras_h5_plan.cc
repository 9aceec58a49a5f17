#include <algorithm>
#include <utility>

#include "holdall/base/utf8.h"
#include "holdall/codec/json.h"
#include "holdall/formats/hdf5_plan.h"
#include "holdall/formats/keras_h5/keras_h5.h"

namespace holdall::keras_h5 {
namespace {

constexpr int kLevel = 4;  // what h5py compresses with
constexpr std::string_view kConfigs[] = {kModelConfig, kTrainingConfig};

bool has_config(const Model& model) { return model.config() && !model.config().is_null(); }

// Adds a config as the JSON that Keras keeps in an attribute.
Status add_config(Hdf5Planner& planner, std::string_view name, Value config) {
  if (config.is(ValueKind::kString)) return planner.attribute(Hdf5Planner::kRoot, name, *hdf5_attribute(config));
  JsonWriter json;
  HOLDALL_TRY(write_json(json, config));
  std::string said = std::move(json).take();
  const Hdf5Charset charset = is_ascii(said) ? Hdf5Charset::kAscii : Hdf5Charset::kUtf8;
  return planner.attribute(Hdf5Planner::kRoot, name, Hdf5Value::text(std::move(said), charset));
}

// Whether it can be written with Keras's own groups and attributes: those of a file of Keras, or of any HDF5 file. The config
// of a .keras file belongs to other groups than those that Keras looks for in such a file; a flat list of tensors keeps its
// order, and gains checksums, by holdall.tree.
bool is_native(const Model& model) {
  const auto& tensors = model.tensors();
  const auto is_flat = [](const NamedTensor& entry) { return entry.name.find('/') == std::string::npos; };
  if (!tensors.empty() && std::all_of(tensors.begin(), tensors.end(), is_flat)) return false;
  return is_hdf5_tree(model) && are_hdf5_attributes(model.metadata(), kConfigs) &&
         (!has_config(model) || model.tree().find("model_weights") || model.tensors().empty());
}

Status plan_weights(Hdf5Planner& planner, const Model& flat, const WriteOptions& options, Plan& plan) {
  HOLDALL_ASSIGN(const Model model, as_weights_file(flat));
  if (has_config(flat) && !options.config_beside)
    plan.losses.push_back({"config", "a file of weights alone has no place for it"});
  return plan_hdf5_groups(planner, model, model.metadata(), {}, plan.losses);
}

}  // namespace

Result<Plan> plan(const Model& model, const WriteOptions& options) {
  if (options.shard_bytes != 0) return invalid_argument("HDF5 files have no shards");
  Hdf5Planner::Options layout;
  if (options.alignment != 0) layout.alignment = options.alignment;
  if (options.compress) layout.deflate_level = kLevel;
  Hdf5Planner planner(layout);
  Plan plan;
  if (are_flat_weights(model)) {
    HOLDALL_TRY(plan_weights(planner, model, options, plan));
  } else if (is_native(model)) {
    HOLDALL_TRY(plan_hdf5_groups(planner, model, model.metadata(), kConfigs, plan.losses));
    if (has_config(model)) HOLDALL_TRY(add_config(planner, kModelConfig, model.config()));
    if (const Value training = model.metadata().find(kTrainingConfig)) {
      HOLDALL_TRY(add_config(planner, kTrainingConfig, training));
    }
  } else {
    TreeOptions tree;
    tree.checksums = options.checksums && !options.compress;
    tree.metadata = true;
    tree.config = !options.config_beside;
    tree.framework = model.origin().framework;
    HOLDALL_TRY(plan_hdf5_tree(planner, model, tree, plan.losses));
  }
  PlannedFile file;
  file.name = options.name;
  HOLDALL_TRY(std::move(planner).finish(file));
  plan.files.push_back(std::move(file));
  return plan;
}

}  // namespace holdall::keras_h5
