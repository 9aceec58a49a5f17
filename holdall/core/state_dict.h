// StateDict, StateList: a tree of tensors and plain values being made, as Python would save it.
//
//   StateDict checkpoint;
//   checkpoint.set("epoch", 3);
//   checkpoint.dict("model_state_dict").set("weight", tensor);
//   checkpoint.dict("optimizer_state_dict").dict("state").dict(0).set("step", 7);
//
// Thread-safety: one thread a tree. Ownership: a copy is another handle of the same dict or list; every handle keeps the whole
// tree.
#pragma once

#include <complex>
#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "holdall/core/model.h"

namespace holdall {

// A key of a dict: text or, as in an optimizer's state, an integer.
class StateKey {
 public:
  StateKey(std::string_view text) : key_(text) {}
  StateKey(const std::string& text) : key_(std::string_view(text)) {}
  StateKey(const char* text) : key_(std::string_view(text)) {}
  template <std::integral T>
    requires(!std::same_as<T, bool>)
  StateKey(T number) : key_(static_cast<std::int64_t>(number)) {}

 private:
  friend class StateDict;
  std::variant<std::string_view, std::int64_t> key_;
};

// A tensor as Python would see it.
struct StateTensor {
  Tensor tensor;
  bool requires_grad = false;
  bool parameter = false;  // torch.nn.Parameter
};

// What stands under a key or in a list: null, a bool, an integer, a float, a complex number, a text, a tensor. Texts are copied
// when the value is put into a tree.
class StateValue {
 public:
  StateValue(std::nullptr_t) {}
  StateValue(std::string_view text) : value_(text) {}
  StateValue(const std::string& text) : value_(std::string_view(text)) {}
  StateValue(const char* text) : value_(std::string_view(text)) {}
  StateValue(std::complex<double> number) : value_(number) {}
  StateValue(Tensor tensor) : value_(StateTensor{std::move(tensor)}) {}
  StateValue(StateTensor tensor) : value_(std::move(tensor)) {}
  template <std::same_as<bool> T>
  StateValue(T value) : value_(value) {}
  template <std::integral T>
    requires(!std::same_as<T, bool> && std::signed_integral<T>)
  StateValue(T value) : value_(static_cast<std::int64_t>(value)) {}
  template <std::unsigned_integral T>
    requires(!std::same_as<T, bool>)
  StateValue(T value) : value_(static_cast<std::uint64_t>(value)) {}
  template <std::floating_point T>
  StateValue(T value) : value_(static_cast<double>(value)) {}

 private:
  friend class StateTree;
  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::complex<double>, std::string_view, StateTensor>
      value_;
};

class StateTree;
class StateList;

class StateDict {
 public:
  StateDict();

  // A key that is there has its value replaced. Tensors over the same memory share a storage, as they do in Python.
  void set(const StateKey& key, StateValue value);
  // The dict, list or tuple under `key`, made anew; what stood there is replaced.
  StateDict dict(const StateKey& key);
  StateList list(const StateKey& key);
  StateList tuple(const StateKey& key);
  // Sets a tensor that is more than its values and returns the dict that says so (TensorNode::attributes): "quantizer", …
  StateDict set_with_attributes(const StateKey& key, StateTensor tensor);

  // Whose tensors these are, as safetensors' "format" says it ("pt"): Origin::framework of the whole.
  void set_framework(std::string_view framework);

  // The whole, from its outermost dict, as a model. It holds what has been set until now.
  Result<Model> model() const;

 private:
  friend class StateList;
  StateDict(std::shared_ptr<StateTree> tree, NodeId node) : tree_(std::move(tree)), node_(node) {}
  void put(const StateKey& key, NodeId value);

  std::shared_ptr<StateTree> tree_;
  NodeId node_;
};

// A list or a tuple of a StateDict.
class StateList {
 public:
  void append(StateValue value);
  // A dict, list or tuple behind what is there.
  StateDict dict();
  StateList list();
  StateList tuple();

 private:
  friend class StateDict;
  StateList(std::shared_ptr<StateTree> tree, NodeId node) : tree_(std::move(tree)), node_(node) {}
  NodeId appended(NodeId item);

  std::shared_ptr<StateTree> tree_;
  NodeId node_;
};

}  // namespace holdall
