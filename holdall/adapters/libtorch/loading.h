// A model's tensors as LibTorch's, quantizers and all.
//
// Thread-safety: functions may be called from several threads. Ownership: what is made keeps its bytes.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "holdall/adapters/libtorch/tensor.h"
#include "holdall/core/children.h"
#include "holdall/ops/open.h"

namespace holdall::libtorch {

namespace detail {

// By TensorNode::index: what the tree says of how a tensor is quantized; no value where it is not.
inline std::vector<Value> quantizers_of(const Model& model) {
  std::vector<Value> found;
  std::vector<bool> seen(model.arena().size());
  std::vector<Value> open = {model.tree()};
  while (!open.empty()) {
    const Value value = open.back();
    open.pop_back();
    if (!is_container(value.kind()) || seen[value.id()]) continue;
    seen[value.id()] = true;
    for_each_child(value, [&](Value child) { open.push_back(child); });
    if (!value.is(ValueKind::kTensor)) continue;
    const TensorNode& node = value.as_tensor();
    const Value quantizer = value.of(node.attributes).find("quantizer");
    if (!quantizer) continue;
    if (found.size() <= node.index) found.resize(std::size_t{node.index} + 1);
    found[node.index] = quantizer;
  }
  return found;
}

// Scales or zero points: a tensor of the model, or a list of numbers.
inline Result<at::Tensor> numbers_of(const Model& model, Value value, at::ScalarType type) {
  if (value.is(ValueKind::kTensor)) {
    HOLDALL_ASSIGN(const Tensor tensor, model.tensor(value));
    return to_torch(tensor);
  }
  if (!value || !is_sequence(value.kind())) return corrupt("a quantizer without its numbers");
  std::vector<double> numbers;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const Value item = value.item(i);
    if (!item.is(ValueKind::kInt) && !item.is(ValueKind::kFloat)) return corrupt("a quantizer's number is none");
    numbers.push_back(item.is(ValueKind::kInt) ? static_cast<double>(item.as_int()) : item.as_float());
  }
  return at::tensor(numbers, type);
}

// The integers of a quantized tensor with their quantizer.
inline Result<at::Tensor> quantized(const Model& model, const Tensor& tensor, const at::Tensor& integers, Value quantizer) {
  const auto type = at::TensorOptions(*scalar_type(tensor.dtype())).device(integers.device());
  const auto placed = [&](at::Tensor made) {
    return made.set_(integers.storage(), integers.storage_offset(), integers.sizes(), integers.strides());
  };
  if (quantizer.find("shape")) return unsupported("LibTorch builds no tensors of quantized elements smaller than a byte");
  if (const auto scale = quantizer.find_number("scale")) {
    return placed(at::_empty_affine_quantized(integers.sizes(), type, *scale, quantizer.find_int("zero_point").value_or(0)));
  }
  HOLDALL_ASSIGN(const at::Tensor scales, numbers_of(model, quantizer.find("scales"), at::kDouble));
  HOLDALL_ASSIGN(const at::Tensor zero_points, numbers_of(model, quantizer.find("zero_points"), at::kLong));
  const std::int64_t axis = quantizer.find_int("axis").value_or(0);
  return placed(at::_empty_per_channel_affine_quantized(integers.sizes(), scales, zero_points, axis, type));
}

// Entries of model.tensors() by their indices, in that order.
inline Result<std::vector<at::Tensor>> load_entries(const Model& model, const std::vector<std::size_t>& entries,
                                                    const TorchOptions& options) {
  std::vector<Tensor> tensors;
  tensors.reserve(entries.size());
  for (const std::size_t i : entries) {
    const NamedTensor& entry = model.tensors()[i];
    if (!scalar_type(entry.tensor.dtype()) || !entry.tensor.logical().empty()) {
      Status told = Placement().add(entry.tensor);
      return std::move(told).error().with("tensor '" + entry.name + "'").in(model.origin().path);
    }
    tensors.push_back(entry.tensor);
  }
  HOLDALL_ASSIGN(std::vector<at::Tensor> made, to_torch(tensors, options));
  const std::vector<Value> quantizers = quantizers_of(model);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const NamedTensor& entry = model.tensors()[entries[i]];
    if (entry.index >= quantizers.size() || !quantizers[entry.index]) continue;
    HOLDALL_ASSIGN(made[i], quantized(model, entry.tensor, made[i], quantizers[entry.index]));
  }
  return made;
}

}  // namespace detail

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

// All tensors of a model or a file by name, shared storages kept shared. Errors: those of open() and to_torch().
inline Result<NamedTensors> load_tensors(const Model& model, const TorchOptions& options = {}) {
  return detail::guarded([&]() -> Result<NamedTensors> {
    std::vector<std::size_t> entries(model.tensors().size());
    for (std::size_t i = 0; i < entries.size(); ++i) entries[i] = i;
    HOLDALL_ASSIGN(std::vector<at::Tensor> tensors, detail::load_entries(model, entries, options));
    NamedTensors made;
    made.reserve(entries.size());
    for (const std::size_t i : entries) made.emplace_back(model.tensors()[i].name, std::move(tensors[i]));
    return made;
  });
}
inline Result<NamedTensors> load_tensors(const std::string& path, const TorchOptions& options = {}) {
  HOLDALL_ASSIGN(const Model model, open_model(path));
  return load_tensors(model, options);
}

}  // namespace holdall::libtorch
