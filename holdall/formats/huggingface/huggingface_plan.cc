#include <algorithm>
#include <map>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/codec/json.h"
#include "holdall/formats/huggingface/folder.h"
#include "holdall/formats/huggingface/huggingface.h"
#include "holdall/formats/side_files.h"

namespace holdall::huggingface {
namespace {

// The entries that go to one folder of the result.
struct Group {
  std::vector<std::uint32_t> entries;
  std::string stem = "model";
};

// "2_Dense/" where the tensor was read from that folder and bears its name, "" for the model's own.
std::string folder_of(const NamedTensor& entry) {
  const std::size_t slash = entry.file.str().rfind('/');
  if (slash == std::string::npos) return {};
  const std::string folder = entry.file.str().substr(0, slash);
  return entry.name.starts_with(folder + ".") && is_contained(folder) ? folder + "/" : std::string();
}

std::string stem_of(const NamedTensor& entry) {
  const std::string_view file = std::string_view(entry.file.str()).substr(entry.file.str().rfind('/') + 1);
  for (const std::string_view stem : {std::string_view("adapter_model"), std::string_view("diffusion_pytorch_model")})
    if (file.starts_with(stem)) return std::string(stem);
  return "model";
}

std::map<std::string, Group> grouped(const Model& model) {
  std::map<std::string, Group> groups;
  const bool is_folder = model.origin().format == "huggingface";
  const std::string stem = config_file(model) == "config.json" ? "model" : "adapter_model";
  for (std::uint32_t i = 0; i < model.tensors().size(); ++i) {
    Group& group = groups[is_folder ? folder_of(model.tensors()[i]) : std::string()];
    group.stem = is_folder ? stem_of(model.tensors()[i]) : stem;
    group.entries.push_back(i);
  }
  if (groups.empty()) groups[""];
  return groups;
}

// A flat model of some of the tensors, without the folder's name before theirs.
Result<Model> part_of(const Model& model, const std::string& folder, const Group& group) {
  ModelBuilder builder;
  std::vector<std::string> names;
  for (const std::uint32_t i : group.entries) {
    builder.add(model.tensors()[i].tensor, model.tensors()[i].file);
    names.push_back(model.tensors()[i].name.substr(folder.size()));
  }
  builder.origin = model.origin();
  builder.metadata = builder.arena->dict();
  if (const auto format = model.metadata().find_string("format")) {
    builder.arena->set_item(builder.metadata, "format", builder.arena->string(*format));
  }
  return std::move(builder).named(std::move(names));
}

Status add_weights(const Model& model, const std::string& folder, const Group& group, WriteOptions options, Plan& plan) {
  // What transformers' TensorFlow classes of every version look for; all others take safetensors.
  const bool is_of_tensorflow = model.origin().framework == "tf";
  const std::string_view id = is_of_tensorflow ? "keras-h5" : "safetensors";
  const Format* const format = format_by_id(id);
  if (format == nullptr || format->plan == nullptr) return unsupported(text("this build cannot write {}", id));
  // Shards have names of their own, which only the name "model" can take.
  if (group.stem != "model") options.shard_bytes = 0;
  options.config_beside = true;
  options.name = is_of_tensorflow ? "tf_model.h5" : group.stem + ".safetensors";
  HOLDALL_ASSIGN(Plan part, format->plan(model, options));
  for (PlannedFile& file : part.files) {
    if (file.name.empty()) file.name = options.name;
    file.name.insert(0, folder);
    plan.files.push_back(std::move(file));
  }
  plan.losses.insert(plan.losses.end(), part.losses.begin(), part.losses.end());
  return {};
}

void add_config(const Model& model, Plan& plan) {
  const std::string name(config_file(model));
  if (model.side_files().contains(name) || !model.config() || model.config().is_null()) return;
  JsonWriter json(2);
  if (const Status written = write_json(json, model.config()); !written) {
    plan.losses.push_back({"config", written.error().message()});
    return;
  }
  PlannedFile file;
  file.name = name;
  file.add(Bytes::adopt(std::move(json).take() + "\n"));
  plan.files.push_back(std::move(file));
}

}  // namespace

Result<Plan> plan(const Model& model, const WriteOptions& options) {
  Plan plan;
  plan.folder = true;
  const auto groups = grouped(model);
  for (const auto& [folder, group] : groups) {
    if (groups.size() == 1 && folder.empty()) {
      HOLDALL_TRY(add_weights(model, folder, group, options, plan));
    } else {
      HOLDALL_ASSIGN(const Model part, part_of(model, folder, group));
      HOLDALL_TRY(add_weights(part, folder, group, options, plan));
    }
  }
  add_config(model, plan);
  add_side_files(model, plan);
  return plan;
}

}  // namespace holdall::huggingface
