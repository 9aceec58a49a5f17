#include "holdall/formats/pickled_tree.h"

#include <map>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/codec/pickle.h"
#include "holdall/core/children.h"
#include "holdall/formats/held_models.h"
#include "holdall/objects/numpy_objects.h"

namespace holdall {
namespace {

// Every Python since 3.4 loads it, and it has bytes.
constexpr int kProtocol = 4;
// Larger arrays are copied by the executor and not held in memory.
constexpr std::uint64_t kApartFrom = 16u << 10;

// What two tensors have in common when they are one array.
using Identity = std::tuple<const Storage*, DType, Shape, std::vector<std::int64_t>, std::uint64_t, bool, bool, std::string>;

Identity identity_of(const Tensor& tensor) {
  const Tensor::View& view = tensor.layout();
  return {tensor.storage().get(), tensor.dtype(), tensor.shape(),  tensor.strides(), view.offset,
          view.conjugate,         view.negative,  tensor.logical()};
}

class Planner {
 public:
  Planner(const Model& model, const PickledArrays& arrays) : model_(model), how_(arrays) {}

  Result<PickledTree> run() {
    find_tensors();
    find_losses();
    PickleWriteOptions how;
    how.protocol = kProtocol;
    how.apart_from = kApartFrom;
    how.tensor = [this](Arena& scratch, Value tensor) { return array(scratch, tensor); };
    how.behind = how_.behind;
    how.lost = [this](const std::string& where, std::string what) { lose(where, std::move(what)); };
    const auto cleared = without_held_models(model_.arena());
    const Value root = cleared ? cleared->at(model_.tree().id()) : model_.tree();
    HOLDALL_ASSIGN(made_.pieces, write_pickle_pieces(root, how));
    return std::move(made_);
  }

 private:
  void find_tensors() {
    for (std::size_t i = 0; i < model_.tensors().size(); ++i) {
      const NamedTensor& named = model_.tensors()[i];
      if (by_index_.size() <= named.index) by_index_.resize(named.index + 1, nullptr);
      if (by_index_[named.index] != nullptr) continue;
      by_index_[named.index] = &named;
      if (!has_numpy_dtype(named.tensor)) {
        lose(named.name, text("dtype {} has no place in NumPy", name(named.tensor.dtype())));
        unwritable_.insert(named.index);
      }
      const NamedTensor* other = model_.shares_with(i);
      if (other != nullptr && identity_of(other->tensor) != identity_of(named.tensor)) {
        lose(named.name, text("shares memory with '{}', which is written as memory of its own", other->name));
      }
    }
  }

  // What the tree says of tensors, and what stands beside the tree.
  void find_losses() {
    std::vector<NodeId> next = {model_.tree().id()};
    std::unordered_set<NodeId> seen;
    while (!next.empty()) {
      const Value value = model_.arena().at(next.back());
      next.pop_back();
      if (value.kind() < ValueKind::kList || !seen.insert(value.id()).second) continue;
      if (value.is(ValueKind::kTensor) && !is_numpy_array(value)) find_losses_of(value.as_tensor());
      if (value.is(ValueKind::kObject)) find_losses_of(value);
      if (value.is(ValueKind::kTensor)) continue;  // what its attributes say is lost with them
      for_each_child(value, [&](Value child) { next.push_back(child.id()); });
    }
    if (model_.metadata().is(ValueKind::kDict) && model_.metadata().size() > 0)
      lose("metadata", "a pickle has no place for it");
    if (model_.config()) lose("config", "a pickle has no place for it");
  }

  void find_losses_of(const TensorNode& node) {
    const bool more = node.parameter || node.requires_grad || node.attributes != kNoNode;
    if (!more || node.index >= by_index_.size() || by_index_[node.index] == nullptr) return;
    const std::string_view what = node.attributes != kNoNode ? "what is said of the tensor beyond its values"
                                  : node.parameter           ? "that it is a Parameter"
                                                             : "that it requires grad";
    lose(by_index_[node.index]->name, text("{} has no place in a NumPy array", what));
  }

  // torch's functions take torch's tensors.
  void find_losses_of(Value object) {
    const Value callee = object.of(object.as_object().callee);
    const Value args = object.of(object.as_object().args);
    if (!callee.is(ValueKind::kGlobal) || !args.is(ValueKind::kTuple)) return;
    const std::string_view module = callee.global_module();
    if (module != "torch" && !module.starts_with("torch.")) return;
    if (holds_tensor(args)) {
      lose(text("{}.{}", module, callee.global_name()), "its tensors are written as NumPy arrays, which it does not take");
    }
  }

  static bool holds_tensor(Value args) {
    for (std::size_t i = 0; i < args.size(); ++i) {
      const Value part = args.item(i);
      if (part.is(ValueKind::kTensor)) return true;
      if (!part.is(ValueKind::kTuple) && !part.is(ValueKind::kList)) continue;
      for (std::size_t j = 0; j < part.size(); ++j)
        if (part.item(j).is(ValueKind::kTensor)) return true;
    }
    return false;
  }

  Result<NodeId> array(Arena& scratch, Value tensor) {
    const std::uint32_t index = tensor.as_tensor().index;
    if (index >= by_index_.size() || by_index_[index] == nullptr) return internal(text("no tensor has the index {}", index));
    if (unwritable_.contains(index)) return scratch.null();
    const auto [known, is_new] = arrays_.try_emplace(identity_of(by_index_[index]->tensor), kNoNode);
    if (is_new) {
      auto made = how_.array(scratch, by_index_[index]->tensor);
      if (!made) return std::move(made).error().with(text("tensor '{}'", by_index_[index]->name));
      known->second = *made;
    }
    return known->second;
  }

  void lose(std::string_view where, std::string what) { made_.losses.push_back({std::string(where), std::move(what)}); }

  const Model& model_;
  const PickledArrays& how_;
  PickledTree made_;
  std::vector<const NamedTensor*> by_index_;
  std::unordered_set<std::uint32_t> unwritable_;
  std::map<Identity, NodeId> arrays_;
};

}  // namespace

Result<PickledTree> pickled_tree(const Model& model, const PickledArrays& arrays) { return Planner(model, arrays).run(); }

PlannedFile planned_file(std::vector<PicklePiece> pieces, std::string name) {
  PlannedFile file;
  file.name = std::move(name);
  for (PicklePiece& piece : pieces) {
    if (auto* blob = std::get_if<Blob>(&piece)) {
      file.add(std::move(*blob));
    } else {
      file.add(Bytes::adopt(std::get<std::string>(std::move(piece))));
    }
  }
  return file;
}

}  // namespace holdall
