#include "holdall/core/state_dict.h"

#include <map>
#include <vector>

namespace holdall {

class StateTree {
 public:
  NodeId add(StateValue value) {
    return std::visit([this](auto& held) { return node(held); }, value.value_);
  }
  NodeId tensor(StateTensor&& value, NodeId attributes) {
    const auto index = static_cast<std::uint32_t>(tensors.size());
    tensors.push_back(in_one_storage(std::move(value.tensor)));
    return arena->tensor({index, value.requires_grad, value.parameter, attributes});
  }

  std::shared_ptr<Arena> arena = std::make_shared<Arena>();
  NodeId root = arena->dict();
  std::string framework;
  std::vector<Tensor> tensors;

 private:
  NodeId node(std::monostate) { return arena->null(); }
  NodeId node(bool value) { return arena->boolean(value); }
  NodeId node(std::int64_t value) { return arena->integer(value); }
  NodeId node(std::uint64_t value) { return arena->big_integer(std::to_string(value)); }
  NodeId node(double value) { return arena->real(value); }
  NodeId node(std::complex<double> value) { return arena->complex(value); }
  NodeId node(std::string_view value) { return arena->string(value); }
  NodeId node(StateTensor& value) { return tensor(std::move(value), kNoNode); }

  // The same tensor in the storage of an earlier one over the same memory, if there is one.
  Tensor in_one_storage(Tensor tensor) {
    if (tensor.storage() == nullptr || tensor.elements() == 0 || !tensor.logical().empty()) return tensor;
    const Blob& data = tensor.storage()->data;
    const auto resident = data.source() == nullptr ? std::nullopt : data.source()->resident();
    if (!resident) return tensor;
    const auto [known, is_new] = storages_.try_emplace({resident->data() + data.offset(), data.size()}, tensor.storage());
    if (is_new || known->second == tensor.storage()) return tensor;
    auto moved = Tensor::view(tensor.dtype(), tensor.shape(), known->second, tensor.layout());
    return moved ? std::move(*moved) : tensor;
  }

  std::map<std::pair<const std::byte*, std::uint64_t>, StorageRef> storages_;
};

StateDict::StateDict() : tree_(std::make_shared<StateTree>()), node_(tree_->root) {}

void StateDict::put(const StateKey& key, NodeId value) {
  Arena& arena = *tree_->arena;
  const auto* number = std::get_if<std::int64_t>(&key.key_);
  const NodeId made = number != nullptr ? arena.integer(*number) : arena.string(std::get<std::string_view>(key.key_));
  arena.set_item(node_, made, value);
}

void StateDict::set(const StateKey& key, StateValue value) { put(key, tree_->add(std::move(value))); }

StateDict StateDict::set_with_attributes(const StateKey& key, StateTensor tensor) {
  const NodeId attributes = tree_->arena->dict();
  put(key, tree_->tensor(std::move(tensor), attributes));
  return {tree_, attributes};
}

StateDict StateDict::dict(const StateKey& key) {
  const NodeId made = tree_->arena->dict();
  put(key, made);
  return {tree_, made};
}

StateList StateDict::list(const StateKey& key) {
  const NodeId made = tree_->arena->list();
  put(key, made);
  return {tree_, made};
}

StateList StateDict::tuple(const StateKey& key) {
  const NodeId made = tree_->arena->tuple();
  put(key, made);
  return {tree_, made};
}

void StateDict::set_framework(std::string_view framework) { tree_->framework = framework; }

Result<Model> StateDict::model() const {
  ModelBuilder builder(tree_->arena->clone());
  builder.tree = tree_->root;
  builder.origin.framework = tree_->framework;
  for (const Tensor& tensor : tree_->tensors) builder.add(tensor);
  return std::move(builder).named_by_tree();
}

NodeId StateList::appended(NodeId item) {
  tree_->arena->append(node_, item);
  return item;
}

void StateList::append(StateValue value) { appended(tree_->add(std::move(value))); }
StateDict StateList::dict() { return {tree_, appended(tree_->arena->dict())}; }
StateList StateList::list() { return {tree_, appended(tree_->arena->list())}; }
StateList StateList::tuple() { return {tree_, appended(tree_->arena->tuple())}; }

}  // namespace holdall
