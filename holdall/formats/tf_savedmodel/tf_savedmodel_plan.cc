// The same graph with other weights: variables are written as a checkpoint, constants where they lay in saved_model.pb.
#include <algorithm>
#include <map>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/formats/tf_savedmodel/tf_savedmodel.h"

namespace holdall::tf_savedmodel {
namespace {

constexpr std::string_view kPrefix = "ckpt";  // of the checkpoint format

bool is_same(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return false;
  const auto mine = a.digest();
  const auto theirs = b.digest();
  return mine && theirs && *mine == *theirs;
}

class Planner {
 public:
  Planner(const Model& model, const WriteOptions& options) : model_(model), options_(options) {}

  Result<Plan> run() {
    const auto graph = model_.side_files().find(std::string(kGraphFile));
    if (graph == model_.side_files().end()) {
      return unsupported("a SavedModel is written with the graph of one that was read; this model has none");
    }
    HOLDALL_ASSIGN(const auto graphs, read_saved_graph(graph->second, Limits()));
    HOLDALL_ASSIGN(constants_, constants_of(graphs, Limits()));
    find_constants();
    plan_.folder = true;
    HOLDALL_TRY(add_graph(graph->second));
    HOLDALL_TRY(add_variables());
    HOLDALL_TRY(add_metadata());
    for (const auto& [name, blob] : model_.side_files()) {
      // Hashes of the variables that are written anew would not hold.
      if (name == kFingerprint && variables_ != 0) continue;
      if (name == kGraphFile || name == kMetadataFile || name.starts_with(kVariables) || !is_contained(name)) continue;
      PlannedFile file;
      file.name = name;
      file.add(blob);
      plan_.files.push_back(std::move(file));
    }
    return std::move(plan_);
  }

 private:
  // Which of the model's tensors are constants: those that the tree has as such. A variable may have a constant's name.
  void find_constants() {
    std::map<std::string_view, const Constant*> by_name;
    for (const Constant& constant : constants_) by_name.emplace(constant.name, &constant);
    const Value dict = model_.tree().find(kConstants);
    for (std::size_t i = 0; dict.is(ValueKind::kDict) && i < dict.size(); ++i) {
      if (!dict.key(i).is(ValueKind::kString) || !dict.mapped(i).is(ValueKind::kTensor)) continue;
      std::string_view name = dict.key(i).as_string();
      if (!by_name.contains(name) && name.ends_with(kOfConstant)) name.remove_suffix(kOfConstant.size());
      const auto found = by_name.find(name);
      if (found != by_name.end()) by_tensor_.emplace(dict.mapped(i).as_tensor().index, found->second);
    }
  }

  // nullptr where a tensor is a variable.
  const Constant* constant_of(const NamedTensor& entry) const {
    const auto found = by_tensor_.find(entry.index);
    return found == by_tensor_.end() ? nullptr : found->second;
  }

  Status add_graph(const Blob& graph) {
    struct Patch {
      Blob place, data;
    };
    std::vector<Patch> patches;
    for (const NamedTensor& entry : model_.tensors()) {
      const Constant* const own = constant_of(entry);
      if (own == nullptr || is_same(entry.tensor, own->tensor)) continue;
      const Constant& constant = *own;
      const bool fits =
          constant.bytes && entry.tensor.dtype() == constant.tensor.dtype() && entry.tensor.shape() == constant.tensor.shape();
      if (!fits) {
        plan_.losses.push_back(
            {entry.name, "a constant of another dtype or shape, or one that the graph spells out, has no place in it"});
        continue;
      }
      HOLDALL_ASSIGN(Blob data, entry.tensor.data());
      patches.push_back({*constant.bytes, std::move(data)});
    }
    std::sort(patches.begin(), patches.end(),
              [](const Patch& a, const Patch& b) { return a.place.offset() < b.place.offset(); });
    PlannedFile file;
    file.name = std::string(kGraphFile);
    HOLDALL_ASSIGN(const Root root, root_of(graph));
    if (root != Root::kSavedModel) file.add(Bytes::adopt(saved_model_head(root, graph.size())));
    std::uint64_t done = 0;
    for (Patch& patch : patches) {
      const std::uint64_t begin = patch.place.offset() - graph.offset();
      HOLDALL_ASSIGN(Blob before, graph.slice(done, begin - done));
      file.add(std::move(before));
      done = begin + patch.data.size();
      file.add(std::move(patch.data));
    }
    HOLDALL_ASSIGN(Blob rest, graph.slice(done, graph.size() - done));
    file.add(std::move(rest));
    plan_.files.push_back(std::move(file));
    return {};
  }

  Status add_variables() {
    const Format* const checkpoint = format_by_id("tf-checkpoint");
    if (checkpoint == nullptr || checkpoint->plan == nullptr)
      return unsupported("this build cannot write TensorFlow checkpoints");
    ModelBuilder builder;
    std::vector<std::string> names;
    for (const NamedTensor& entry : model_.tensors()) {
      if (constant_of(entry) != nullptr) continue;
      builder.add(entry.tensor);
      names.push_back(entry.name);
    }
    variables_ = names.size();
    if (variables_ == 0) return {};
    builder.origin.format = "tf-checkpoint";
    builder.metadata = builder.arena->dict();
    const Value graph = model_.metadata().find("object_graph");
    const bool is_by_object = std::any_of(names.begin(), names.end(),
                                          [](const std::string& each) { return each.find("/.ATTRIBUTES/") != each.npos; });
    if (is_by_object && !graph.is(ValueKind::kBytes)) {
      return unsupported(
          "the metadata of the model has lost 'object_graph', without which TensorFlow does not find the variables");
    }
    if (graph.is(ValueKind::kBytes))
      builder.arena->set_item(builder.metadata, "object_graph", builder.arena->bytes(graph.as_blob()));
    HOLDALL_ASSIGN(const Model part, std::move(builder).named(std::move(names)));
    HOLDALL_ASSIGN(Plan own, checkpoint->plan(part, options_));
    for (PlannedFile& file : own.files) {
      if (!file.name.starts_with(kPrefix)) continue;  // a SavedModel has no state file
      file.name = std::string(kVariables) + "variables" + file.name.substr(kPrefix.size());
      plan_.files.push_back(std::move(file));
    }
    plan_.losses.insert(plan_.losses.end(), own.losses.begin(), own.losses.end());
    return {};
  }

  Status add_metadata() {
    HOLDALL_ASSIGN(std::string json, metadata_text(model_));
    if (json.empty()) return {};
    PlannedFile file;
    file.name = std::string(kMetadataFile);
    file.add(Bytes::adopt(std::move(json)));
    plan_.files.push_back(std::move(file));
    return {};
  }

  const Model& model_;
  const WriteOptions& options_;
  std::vector<Constant> constants_;
  std::map<std::uint32_t, const Constant*> by_tensor_;  // by index in the model
  std::size_t variables_ = 0;
  Plan plan_;
};

}  // namespace

Result<Plan> plan(const Model& model, const WriteOptions& options) { return Planner(model, options).run(); }

}  // namespace holdall::tf_savedmodel
