#include "holdall/formats/keras_h5/keras_h5.h"

#include <algorithm>
#include <map>
#include <utility>

#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"
#include "holdall/formats/hdf5_model.h"
#include "holdall/formats/hdf5_pickles.h"
#include "holdall/formats/keras_config.h"

namespace holdall {
namespace {

constexpr std::string_view kExtensions[] = {".h5", ".hdf5", ".keras.h5"};
using keras_h5::kModelConfig;
using keras_h5::kTrainingConfig;

Match match(Peek& peek) {
  if (!looks_like_hdf5(peek)) return Match::kNo;
  const auto file = peek_hdf5(peek);
  return file != nullptr && has_keras_variables(*file) ? Match::kLikely : Match::kCertain;
}

// The value of an attribute that is JSON as text; kNoNode where there is none. Errors: those of parse_json().
Result<NodeId> json_attribute(Arena& arena, Value attributes, std::string_view name, const Limits& limits) {
  const auto json = attributes.find_string(name);
  if (!json) return kNoNode;
  JsonOptions options;
  options.depth = limits.depth;
  options.value_bytes = limits.value_bytes;
  const std::string text(*json);
  return parse_json(arena, text, options);
}

// Places of weights in the order of the model's layers: Keras lists layers, and in each layer's group its weights.
std::map<std::string, std::size_t> order_of(Value attributes) {
  std::map<std::string, std::size_t> order;
  TextSet seen;  // layers; a file may list one very often
  for (const std::string prefix : {"", "model_weights"}) {
    const Value owner = prefix.empty() ? attributes : attributes.find("/" + prefix);
    const Value layers = owner.find("layer_names");
    for (std::size_t i = 0; layers.is(ValueKind::kList) && i < layers.size(); ++i) {
      if (!layers.item(i).is(ValueKind::kString)) continue;
      const std::string layer = (prefix.empty() ? "" : prefix + "/") + std::string(layers.item(i).as_string());
      if (!seen.insert(layer).second) continue;
      const Value weights = attributes.find("/" + layer).find("weight_names");
      for (std::size_t j = 0; weights.is(ValueKind::kList) && j < weights.size(); ++j) {
        if (weights.item(j).is(ValueKind::kString))
          order.emplace(text("{}/{}", layer, weights.item(j).as_string()), order.size());
      }
    }
  }
  const Value optimizer = attributes.find("/optimizer_weights").find("weight_names");
  for (std::size_t i = 0; optimizer.is(ValueKind::kList) && i < optimizer.size(); ++i) {
    if (optimizer.item(i).is(ValueKind::kString))
      order.emplace(text("optimizer_weights/{}", optimizer.item(i).as_string()), order.size());
  }
  return order;
}

// Puts the tensors in that order, those it does not name behind; the tree's indices follow.
void put_in_order(Arena& arena, Hdf5Contents& contents) {
  const auto order = order_of(arena.at(contents.attributes));
  const auto rank = [&](const StoredTensor& tensor) {
    const auto found = order.find(tensor.name);
    return found == order.end() ? order.size() : found->second;
  };
  std::stable_sort(contents.tensors.begin(), contents.tensors.end(),
                   [&](const StoredTensor& a, const StoredTensor& b) { return rank(a) < rank(b); });
  std::vector<std::uint32_t> place(contents.tensors.size());
  for (std::uint32_t i = 0; i < contents.tensors.size(); ++i) {
    place[contents.tensors[i].index] = i;
    contents.tensors[i].index = i;
  }
  for (NodeId id = 0; id < arena.size(); ++id) {
    if (arena.at(id).is(ValueKind::kTensor)) arena.tensor_node(id).index = place[arena.at(id).as_tensor().index];
  }
}

std::string describe(const Hdf5File& file, Value attributes) {
  const auto version = attributes.find_string("keras_version");
  const auto inner = attributes.find("/model_weights").find_string("keras_version");
  std::string said = describe_hdf5(file);
  if (attributes.find(kModelConfig)) {
    said += ", Keras model";
  } else if (attributes.find("layer_names")) {
    said += ", Keras weights";
  }
  if (version || inner) said += text(" of version {}", version ? *version : *inner);
  return said;
}

// The root's attributes without those that stand elsewhere, JSON as values.
Status take_metadata(ModelBuilder& builder, NodeId attributes, const Limits& limits) {
  Arena& arena = *builder.arena;
  const Value all = arena.at(attributes);
  for (const std::string_view key : {kModelConfig, kTrainingConfig}) {
    auto parsed = json_attribute(arena, all, key, limits);
    if (!parsed) {
      builder.warnings.push_back(text("the attribute {} is no JSON: {}", key, parsed.error().message()));
    } else if (*parsed != kNoNode && key == kModelConfig) {
      builder.config = *parsed;
    } else if (*parsed != kNoNode) {
      arena.set_item(attributes, key, *parsed);
    }
  }
  builder.metadata = arena.dict();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Value key = all.key(i);
    const bool is_text = key.is(ValueKind::kString);
    const bool is_elsewhere =
        is_text && (key.as_string() == kTreeKey || (key.as_string() == kModelConfig && builder.config != kNoNode));
    if (!is_elsewhere) arena.set_item(builder.metadata, key.id(), all.mapped(i).id());
  }
  return {};
}

Result<Model> read(const Bundle& bundle, const Context& context) {
  HOLDALL_ASSIGN(const auto file, Hdf5File::open(bundle, context.limits));
  ModelBuilder builder;
  const SharedText name(bundle.names().front());
  HOLDALL_ASSIGN(Hdf5Contents contents, read_hdf5(builder, *file, name, context.limits));
  put_in_order(*builder.arena, contents);
  const Value attributes = builder.arena->at(contents.attributes);
  builder.origin = {"keras-h5", describe(*file, attributes), bundle.path(), {name.str()}, bundle.main()->size()};
  const std::string tree(attributes.find_string(kTreeKey).value_or(""));
  HOLDALL_TRY(take_metadata(builder, contents.attributes, context.limits));
  builder.tree = contents.tree;
  return restore_tree(std::move(builder), std::move(contents.tensors), tree, context.limits);
}

Status verify(const Bundle& bundle, const Context& context, Faults& faults) {
  HOLDALL_ASSIGN(const auto file, Hdf5File::open(bundle, context.limits));
  HOLDALL_TRY(verify_hdf5(*file, context, faults));
  if (!faults.list.empty()) return {};
  ModelBuilder builder;
  auto contents = read_hdf5(builder, *file, bundle.names().front(), context.limits);
  if (!contents) {
    faults.add(contents.error());
    return {};
  }
  const Value attributes = builder.arena->at(contents->attributes);
  for (const std::string_view key : {kModelConfig, kTrainingConfig}) {
    if (const auto json = json_attribute(*builder.arena, attributes, key, context.limits); !json) faults.add(json.error());
  }
  if (const auto tree = attributes.find_string(kTreeKey)) verify_tree(contents->tensors, std::string(*tree), context, faults);
  return {};
}

// Keras builds a model of the two configs; other readers of HDF5 unpickle.
Status acts(const Bundle& bundle, const Context& context, Findings& findings) {
  HOLDALL_ASSIGN(const auto file, Hdf5File::open(bundle, context.limits));
  judge_hdf5(*file, findings);
  judge_hdf5_pickles(*file, context, findings);
  Arena arena;
  Hdf5Values values(*file, arena);
  const NodeId attributes = arena.dict();
  for (const std::string_view key : {kModelConfig, kTrainingConfig}) {
    const hdf5::Attribute* attribute = file->root().attribute(key);
    if (attribute == nullptr) continue;
    HOLDALL_ASSIGN(const NodeId value, values.of(*attribute));
    arena.set_item(attributes, key, value);
    HOLDALL_ASSIGN(const NodeId json, json_attribute(arena, arena.at(attributes), key, context.limits));
    if (json != kNoNode) judge_keras_config(arena.at(json), text("{}:{}", bundle.main()->name(), key), findings);
  }
  return {};
}

}  // namespace

extern const Format k_keras_h5_format;
const Format k_keras_h5_format = {
    "keras-h5", "Keras 1, 2 and 3 in HDF5; other HDF5 files", kExtensions, false, match, read, verify, acts, keras_h5::plan};

}  // namespace holdall
