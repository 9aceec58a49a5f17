#include <map>
#include <utility>
#include <vector>

#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"
#include "holdall/formats/keras_h5/keras_h5.h"

namespace holdall::keras_h5 {
namespace {

// What Keras 2 says of itself; without it a loader takes the weights for those of Keras 1.
constexpr std::string_view kBackend = "tensorflow";
constexpr std::string_view kVersion = "2.15.0";

// Dicts of dicts, made as paths ask for them.
class Groups {
 public:
  explicit Groups(Arena& arena) : arena_(arena), root_(arena.dict()) {}
  NodeId root() const noexcept { return root_; }

  void add(std::string_view path, std::uint32_t index) {
    const std::size_t slash = path.rfind('/');
    const NodeId group = slash == std::string_view::npos ? root_ : at(path.substr(0, slash));
    arena_.set_item(group, path.substr(slash + 1), arena_.tensor({.index = index}));
  }

 private:
  NodeId at(std::string_view path) {
    NodeId group = root_;
    for (std::size_t begin = 0; begin < path.size();) {
      const std::size_t end = std::min(path.find('/', begin), path.size());
      const auto [place, is_new] = known_.try_emplace(std::string(path.substr(0, end)), kNoNode);
      if (is_new) {
        place->second = arena_.dict();
        arena_.set_item(group, path.substr(begin, end - begin), place->second);
      }
      group = place->second;
      begin = end + 1;
    }
    return group;
  }

  Arena& arena_;
  NodeId root_;
  TextMap<NodeId> known_;
};

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
  Groups groups(arena);
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
