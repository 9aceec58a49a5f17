// Reading an optimizer's options and state out of the tree of a file.
//
// Thread-safety: one thread. Ownership: readers refer to the model and to the members that they fill.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "holdall/adapters/libtorch/optimizer_fields.h"
#include "holdall/adapters/libtorch/tensor.h"
#include "holdall/core/cast.h"

namespace holdall::libtorch::detail {

// What all readers of one file share: its tensors by TensorNode::index, and those to be loaded with the places they go to.
class OptimizerTensors {
 public:
  explicit OptimizerTensors(const Model& model) {
    for (const NamedTensor& entry : model.tensors()) {
      if (entry.index >= by_index_.size()) by_index_.resize(std::size_t{entry.index} + 1);
      if (by_index_[entry.index] == nullptr) by_index_[entry.index] = &entry.tensor;
    }
  }

  // nullptr for what is no tensor of the model.
  const Tensor* at(Value value) const noexcept {
    const bool is_there = value.is(ValueKind::kTensor) && value.as_tensor().index < by_index_.size();
    return is_there ? by_index_[value.as_tensor().index] : nullptr;
  }
  // As Python casts it: where the parameter is of floats to its dtype, and to its device.
  void want(const Tensor& tensor, at::Tensor& into, const at::Tensor& parameter) {
    wanted_.push_back({&into, &parameter, tensor});
  }
  Status load(const LoadOptions& options) const {
    std::vector<Tensor> tensors;
    for (const Wanted& wanted : wanted_) tensors.push_back(wanted.tensor);
    HOLDALL_ASSIGN(std::vector<at::Tensor> loaded, to_torch(tensors, {.memory = TorchOptions::Memory::kOwn, .load = options}));
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
      const at::Tensor& like = *wanted_[i].parameter;
      const at::ScalarType type = like.is_floating_point() ? like.scalar_type() : loaded[i].scalar_type();
      *wanted_[i].into = loaded[i].to(like.device(), type);
    }
    return {};
  }

 private:
  struct Wanted {
    at::Tensor* into;
    const at::Tensor* parameter;
    Tensor tensor;
  };
  std::vector<const Tensor*> by_index_;
  std::vector<Wanted> wanted_;
};

// Reads one dict: a parameter group's options or a parameter's state. The first fault is kept; what follows it means nothing.
class FieldsReader {
 public:
  // `parameter` and `elements` (of all parameters) say what shapes state has; nullptr for options.
  FieldsReader(Value dict, std::string place, OptimizerTensors& tensors, const at::Tensor* parameter = nullptr,
               std::int64_t elements = 0)
      : dict_(dict), place_(std::move(place)), tensors_(tensors), parameter_(parameter), elements_(elements) {}

  void real(std::string_view key, double& own) {
    if (const auto value = required(key)) own = number(key, value).value_or(own);
  }
  void integer(std::string_view key, std::int64_t& own) {
    if (const auto value = required(key)) own = whole(key, value).value_or(own);
  }
  // Python counts in a tensor of float32 or, before 1.12, in an integer.
  void step(std::string_view key, std::int64_t& own) {
    integer(key, own);
    if (own < 0) refuse(key, "is negative");
  }
  void flag(std::string_view key, bool& own) {
    const Value value = required(key);
    if (!value) return;
    if (value.is(ValueKind::kBool)) {
      own = value.as_bool();
    } else {
      refuse(key, "is neither true nor false");
    }
  }
  void pair(std::string_view key, std::tuple<double, double>& own) {
    const Value value = required(key);
    if (!value) return;
    if ((!value.is(ValueKind::kTuple) && !value.is(ValueKind::kList)) || value.size() != 2)
      return refuse(key, "are not two numbers");
    const auto first = number(key, value.item(0)), second = number(key, value.item(1));
    if (first && second) own = {*first, *second};
  }
  void maybe_integer(std::string_view key, std::optional<std::int64_t>& own) {
    const Value value = required(key);
    own = value && !value.is_null() ? whole(key, value) : std::nullopt;
  }
  void maybe_text(std::string_view key, std::optional<std::string>& own) {
    const Value value = required(key);
    own = std::nullopt;
    if (!value || value.is_null()) return;
    if (!value.is(ValueKind::kString)) return refuse(key, "is no text");
    own = std::string(value.as_string());
  }
  // What C++ has no option for and does in one way only.
  void fixed(std::string_view key, bool own) {
    known_.push_back(key);
    const Value value = dict_.find(key);
    if (!value || (value.is(ValueKind::kBool) && value.as_bool() == own)) return;
    refuse(key, own ? "is not true, and LibTorch's has no such option" : "is not false, and LibTorch's has no such option");
  }
  template <class Default>
  void way(std::string_view key, Default) {
    const Value value = dict_.find(key);
    if (!value || value.is_null() || (value.is(ValueKind::kBool) && !value.as_bool())) known_.push_back(key);
  }

  void tensor(std::string_view key, at::Tensor& own, Need need) {
    if (const Value value = state(key, need)) want(key, value, own, shape_of(*parameter_));
  }
  void row(std::string_view key, at::Tensor& own, Need need) {
    if (const Value value = state(key, need)) want(key, value, own, row_shape());
  }
  void scalar(std::string_view key, at::Tensor& own, Need need) {
    if (const Value value = state(key, need)) want_scalar(key, value, own);
  }
  void rows(std::string_view key, std::deque<at::Tensor>& own) {
    const Value value = sequence(key);
    own.resize(value ? value.size() : 0);
    for (std::size_t i = 0; i < own.size(); ++i) want(key, value.item(i), own[i], row_shape());
  }
  void scalars(std::string_view key, std::deque<at::Tensor>& own) {
    const Value value = sequence(key);
    own.resize(value ? value.size() : 0);
    for (std::size_t i = 0; i < own.size(); ++i) want_scalar(key, value.item(i), own[i]);
  }
  void maybe_scalars(std::string_view key, std::optional<std::vector<at::Tensor>>& own) {
    const Value value = sequence(key);
    own = std::nullopt;
    if (!value) return;
    own.emplace(value.size());
    for (std::size_t i = 0; i < own->size(); ++i)
      if (!value.item(i).is_null()) want_scalar(key, value.item(i), (*own)[i]);
  }

  // Keys of the dict that nothing has asked for.
  std::vector<std::string> left() const {
    std::vector<std::string> keys;
    for (std::size_t i = 0; i < dict_.size(); ++i) {
      const Value key = dict_.key(i);
      const std::string_view text = key.is(ValueKind::kString) ? key.as_string() : "a key that is no text";
      if (std::ranges::find(known_, text) == known_.end()) keys.push_back(place_ + "." + std::string(text));
    }
    return keys;
  }
  void knows(std::string_view key) { known_.push_back(key); }
  // Whether any of the state's tensors is there: SGD's {"momentum_buffer": None} says as much as no state.
  bool has_state() const noexcept { return has_state_; }
  Status status() const { return fault_ ? Status(*fault_) : Status(); }

 private:
  Value required(std::string_view key) {
    known_.push_back(key);
    const Value value = dict_.find(key);
    if (!value) refuse(key, "is missing");
    return value;
  }
  // Empty for None too.
  Value state(std::string_view key, Need need) {
    known_.push_back(key);
    const Value value = dict_.find(key);
    if (value && !value.is_null()) {
      has_state_ = true;
      return value;
    }
    if (need == Need::kRequired) refuse(key, "is missing");
    return {};
  }
  Value sequence(std::string_view key) {
    const Value value = state(key, Need::kOptional);
    if (!value || value.is(ValueKind::kList) || value.is(ValueKind::kTuple)) return value;
    refuse(key, "is no list");
    return {};
  }
  std::optional<double> number(std::string_view key, Value value) {
    if (value.is(ValueKind::kInt)) return static_cast<double>(value.as_int());
    if (value.is(ValueKind::kFloat)) return value.as_float();
    if (const Tensor* tensor = tensors_.at(value); tensor != nullptr && tensor->elements() == 1) {
      const auto as_double = cast(*tensor, DType::kFloat64);
      const auto read = as_double ? as_double->read<double>() : Result<std::vector<double>>(as_double.error());
      if (read) return read->front();
      refuse(key, read.error());
      return std::nullopt;
    }
    refuse(key, "is no number");
    return std::nullopt;
  }
  std::optional<std::int64_t> whole(std::string_view key, Value value) {
    if (value.is(ValueKind::kInt)) return value.as_int();
    const auto read = number(key, value);
    if (!read) return std::nullopt;
    if (!(*read >= -9e15 && *read <= 9e15) || *read != static_cast<double>(static_cast<std::int64_t>(*read))) {
      refuse(key, "is no whole number");
      return std::nullopt;
    }
    return static_cast<std::int64_t>(*read);
  }
  Shape row_shape() const { return {static_cast<std::uint64_t>(elements_)}; }
  void want(std::string_view key, Value value, at::Tensor& own, const Shape& shape) {
    const Tensor* tensor = tensors_.at(value);
    if (tensor == nullptr) return refuse(key, "is no tensor");
    if (tensor->shape() != shape) {
      return refuse(key, "is of shape " + to_string(tensor->shape()) + ", " + to_string(shape) + " is the parameter's");
    }
    tensors_.want(*tensor, own, *parameter_);
  }
  void want_scalar(std::string_view key, Value value, at::Tensor& own) {
    if (value.is(ValueKind::kTensor)) return want(key, value, own, {});
    if (const auto read = number(key, value)) own = at::scalar_tensor(*read, parameter_->options().requires_grad(false));
  }
  void refuse(std::string_view key, const std::string& what) {
    if (!fault_) fault_ = invalid_argument(place_ + "." + std::string(key) + " " + what);
  }
  void refuse(std::string_view key, const Error& error) {
    if (!fault_) fault_ = Error(error).with(place_ + "." + std::string(key));
  }

  Value dict_;
  std::string place_;
  OptimizerTensors& tensors_;
  const at::Tensor* parameter_;
  std::int64_t elements_;
  std::vector<std::string_view> known_;
  bool has_state_ = false;
  std::optional<Error> fault_;
};

}  // namespace holdall::libtorch::detail
