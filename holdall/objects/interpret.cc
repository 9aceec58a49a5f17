#include "holdall/objects/interpret.h"

#include <utility>

#include "holdall/base/text.h"
#include "holdall/core/children.h"
#include "holdall/objects/interpretation.h"

namespace holdall {

namespace {

// Few: an object may become a large text or array by a handful of bytes.
constexpr std::uint64_t kObjectsBetweenChecks = 16;

// Gives every storage that `root` reaches by itself the form of an object. Storages within tensors are reached no longer.
class Reached {
 public:
  explicit Reached(const Interpretation& context) : context_(context), seen_(context.arena.size(), false) {}

  Status storages(NodeId root) {
    push(root);
    while (!stack_.empty()) {
      const NodeId node = stack_.back();
      stack_.pop_back();
      const Value value = context_.arena.at(node);
      if (persistent_id(value)) {
        HOLDALL_TRY(interpret_storage(context_, node));
        continue;
      }
      for_each_child(value, [this](Value child) { push(child.id()); });
    }
    return {};
  }

 private:
  void push(NodeId node) {
    if (node == kNoNode || node >= seen_.size() || seen_[node]) return;
    seen_[node] = true;
    stack_.push_back(node);
  }

  const Interpretation& context_;
  std::vector<bool> seen_;
  std::vector<NodeId> stack_;
};

}  // namespace

Status interpret(Arena& arena, NodeId first, NodeId root, const InterpretOptions& options) {
  Made made;
  const Interpretation context{arena, options, made};
  const auto end = static_cast<NodeId>(arena.size());
  std::uint64_t objects = 0;
  for (NodeId node = first; node < end; ++node) {
    if (!arena.at(node).is(ValueKind::kObject)) continue;
    HOLDALL_TRY(interpret_object(context, node));
    if (++objects % kObjectsBetweenChecks == 0 && arena.memory() > options.limits.value_bytes) {
      return over_limit(text("values take {} bytes, {} are allowed", arena.memory(), options.limits.value_bytes));
    }
  }
  if (root == kNoNode || !options.storage) return {};
  return Reached(context).storages(root);
}

Status interpret_object(const Interpretation& context, NodeId object) {
  const Builder builder = builder_of(context.arena.at(object));
  if (builder >= Builder::kNumpyReconstruct) return interpret_numpy(context, object, builder);
  if (builder >= Builder::kTensor) return interpret_torch(context, object, builder);
  if (builder != Builder::kObject) return interpret_python(context, object, builder);
  // A class that persisted with its source stands for itself (whole modules of the oldest torch).
  const Value id = persistent_id(context.arena.at(object));
  if (id.is(ValueKind::kTuple) && id.size() >= 2 && id.item(0).is(ValueKind::kString) && id.item(0).as_string() == "module" &&
      id.item(1).is(ValueKind::kGlobal)) {
    context.arena.replace(object, id.item(1).id());
  }
  return {};
}

bool EarlyTensors::operator()(NodeId object, std::span<const PickleCall>) {
  if (stopped_) return false;
  const Value made = arena_.at(object);
  const Builder builder = builder_of(made);
  switch (builder) {
    case Builder::kTensorV2:
    case Builder::kTensorV3:
      break;
    case Builder::kTensor:
    case Builder::kQuantizedTensor:
    case Builder::kFromType:
    case Builder::kFromTypeV2:
    case Builder::kTensorClass:
      stopped_ = true;
      return false;
    default:
      return false;
  }
  const Value args = made.of(made.as_object().args);
  if (!args.is(ValueKind::kTuple) || args.size() == 0 || !persistent_id(args.item(0))) return false;
  Made nothing;
  const Status status = interpret_torch({arena_, options_, nothing}, object, builder);
  const Value meant = arena_.at(object);
  stopped_ = !status || !meant.is(ValueKind::kTensor);
  return !stopped_ && meant.as_tensor().attributes == kNoNode;
}

Builder builder_of(Value object) noexcept {
  if (!object.is(ValueKind::kObject)) return Builder::kObject;
  const Value callee = object.of(object.as_object().callee);
  if (!callee.is(ValueKind::kGlobal)) return Builder::kObject;
  return builder_of(callee.global_module(), callee.global_name());
}

std::vector<Value> arguments(Value object) {
  std::vector<Value> values;
  const Value args = object.of(object.as_object().args);
  if (!args.is(ValueKind::kTuple)) return values;
  for (std::size_t i = 0; i < args.size(); ++i) values.push_back(args.item(i));
  return values;
}

Value persistent_id(Value object) noexcept {
  if (!object.is(ValueKind::kObject)) return {};
  const Value callee = object.of(object.as_object().callee);
  const Value args = object.of(object.as_object().args);
  if (!callee.is_global("", "persistent_id") || !args.is(ValueKind::kTuple) || args.size() != 1) return {};
  return args.item(0);
}

std::optional<std::vector<std::int64_t>> integers(Value value) {
  if (builder_of(value) == Builder::kSize) {
    const auto args = arguments(value);
    if (args.size() != 1) return std::nullopt;
    value = args[0];
  }
  if (!value.is(ValueKind::kTuple) && !value.is(ValueKind::kList)) return std::nullopt;
  std::vector<std::int64_t> numbers;
  numbers.reserve(value.size());
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (!value.item(i).is(ValueKind::kInt)) return std::nullopt;
    numbers.push_back(value.item(i).as_int());
  }
  return numbers;
}

void set_attribute(Arena& arena, TensorNode& tensor, std::string_view key, NodeId value) {
  // A fresh dict: the old one may be shared with the tensor that this one is made of.
  const NodeId attributes = arena.dict();
  if (tensor.attributes != kNoNode) {
    const Value old = arena.at(tensor.attributes);
    for (std::size_t i = 0; i < old.size(); ++i) arena.set_item(attributes, old.key(i).id(), old.mapped(i).id());
  }
  arena.set_item(attributes, key, value);
  tensor.attributes = attributes;
}

}  // namespace holdall
