#include <map>
#include <utility>
#include <vector>

#include "holdall/base/text.h"
#include "holdall/formats/keras_h5/keras_h5.h"
#include "holdall/formats/value_groups.h"

namespace holdall::keras_h5 {
namespace {

// What Keras 2 says of itself; without it a loader takes the weights for those of Keras 1.
constexpr std::string_view kBackend = "tensorflow";
constexpr std::string_view kVersion = "2.15.0";

}  // namespace

bool are_flat_weights(const Model& model) {
  if (model.origin().framework != "tf" || model.tensors().empty()) return false;
  for (const NamedTensor& entry : model.tensors()) {
    if (entry.name.find('/') == std::string::npos || !entry.name.ends_with(":0")) return false;
  }
  return true;
}

Result<Model> as_weights_file(const Model& model) {
  ModelBuilder builder;
  Arena& arena = *builder.arena;
  ValueGroups groups(arena);
  std::vector<std::string> names;
  std::vector<NodeId> layers;
  std::map<std::string, std::vector<NodeId>, std::less<>> weights;
  for (const NamedTensor& entry : model.tensors()) {
    groups.add(entry.name, builder.add(entry.tensor, entry.file));
    const std::string layer = entry.name.substr(0, entry.name.find('/'));
    std::vector<NodeId>& own = weights[layer];
    if (own.empty()) layers.push_back(arena.string(layer));
    own.push_back(arena.string(std::string_view(entry.name).substr(layer.size() + 1)));
    names.push_back(entry.name);
  }
  builder.tree = groups.root();
  builder.metadata = arena.dict();
  arena.set_item(builder.metadata, "layer_names", arena.list(layers));
  arena.set_item(builder.metadata, "backend", arena.string(kBackend));
  arena.set_item(builder.metadata, "keras_version", arena.string(kVersion));
  for (const auto& [layer, own] : weights) {
    const NodeId attributes = arena.dict();
    arena.set_item(attributes, "weight_names", arena.list(own));
    arena.set_item(builder.metadata, "/" + layer, attributes);
  }
  builder.origin = model.origin();
  builder.left_out = model.left_out();
  return std::move(builder).named(std::move(names));
}

}  // namespace holdall::keras_h5
