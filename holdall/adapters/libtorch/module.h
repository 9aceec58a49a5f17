// Modules: torch::nn::Module to and from the state_dict() that Python has of it.
//
// Thread-safety: one thread a module. Ownership: what is put into a StateDict looks at the module's own memory until it is
// saved.
#pragma once

#include <ATen/MemoryOverlap.h>
#include <c10/core/InferenceMode.h>
#include <torch/nn/module.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdall/adapters/libtorch/loading.h"
#include "holdall/ops/convert.h"
#include "holdall/ops/fit.h"

namespace holdall::libtorch {

struct LoadIntoOptions {
  // kRequired: anything missing, unexpected or of another shape is an error, and nothing is loaded.
  enum class Fitting : std::uint8_t { kRequired, kReported } fitting = Fitting::kRequired;
  std::vector<std::pair<std::string, std::string>> rename = {};  // FitOptions::rename
  std::string prefix = {};                                       // FitOptions::prefix
  enum class Mode : std::uint8_t { kLeft, kEval, kTrain } mode = Mode::kLeft;
  LoadOptions load = {};
};

namespace detail {

// Parameters, buffers, submodules, as Python's state_dict() walks them: a module met twice has its entries twice.
inline void add_entries(const torch::nn::Module& module, const std::string& prefix, NamedTensors& entries) {
  for (const auto& parameter : module.named_parameters(false))
    entries.emplace_back(prefix + parameter.key(), parameter.value());
  for (const auto& buffer : module.named_buffers(false)) entries.emplace_back(prefix + buffer.key(), buffer.value());
  for (const auto& child : module.named_children()) add_entries(*child.value(), prefix + child.key() + ".", entries);
}

inline NamedTensors entries_of(const torch::nn::Module& module) {
  NamedTensors entries;
  add_entries(module, "", entries);
  return entries;
}

inline Result<Fit> fit_into(const NamedTensors& own, const Model& model, const LoadIntoOptions& options) {
  std::vector<FitEntry> entries;
  entries.reserve(own.size());
  for (const auto& [name, tensor] : own) {
    Shape shape = shape_of(tensor);
    const auto dtype = dtype_of(tensor.scalar_type());
    if (dtype == DType::kFloat4E2M1 && !shape.empty()) shape.back() *= 2;
    entries.push_back({name, std::move(shape), dtype});
  }
  return fit(model, entries, {.rename = options.rename, .prefix = options.prefix});
}

// Whether copying into it can be refused by LibTorch half way through a module.
inline Status check_target(const std::string& name, const at::Tensor& target, const at::Tensor& source) {
  const auto fault = [&](const char* what) { return unsupported(what).with("entry '" + name + "' of the module"); };
  if (target.is_meta()) return fault("it is on the meta device: give the module memory first (to_empty)");
  if (target.layout() != at::kStrided) return fault("only dense (strided) entries can be filled");
  if (at::has_internal_overlap(target) == at::MemOverlap::Yes) return fault("its elements share memory with each other");
  if (target.is_quantized() != source.is_quantized()) {
    return fault(target.is_quantized() ? "it is quantized, the file's tensor is not"
                                       : "it is not quantized, the file's tensor is");
  }
  return {};
}

// As `target` is: what remains is a copy of bytes, which nothing refuses.
inline at::Tensor matched(at::Tensor source, const at::Tensor& target) {
  if (source.is_quantized()) return source.to(target.device());
  return source.to(target.device(), target.scalar_type());
}

inline Status fill(const NamedTensors& own, const Model& model, const std::vector<Fit::Pair>& pairs, const LoadOptions& load) {
  std::vector<std::size_t> entries;
  entries.reserve(pairs.size());
  for (const Fit::Pair& pair : pairs) entries.push_back(pair.tensor);
  HOLDALL_ASSIGN(std::vector<at::Tensor> loaded, load_entries(model, entries, {.load = load}));
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto& [name, target] = own[pairs[i].entry];
    HOLDALL_TRY(check_target(name, target, loaded[i]));
    loaded[i] = matched(std::move(loaded[i]), target);
  }
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    at::Tensor target = own[pairs[i].entry].second;
    std::optional<c10::InferenceMode> inference;
    if (target.is_inference()) inference.emplace();
    target.copy_(loaded[i]);
  }
  return {};
}

}  // namespace detail

// What load_into() would do; nothing is read but the file's structure, nothing changes. Errors: those of fit().
inline Result<FitReport> fit(const torch::nn::Module& module, const Model& model, const LoadIntoOptions& options = {}) {
  return detail::guarded([&]() -> Result<FitReport> {
    HOLDALL_ASSIGN(Fit made, detail::fit_into(detail::entries_of(module), model, options));
    return std::move(made.report);
  });
}

// Loads a file's tensors into a module's parameters and buffers by name, casting where dtypes differ. Prefixes that wrappers
// add (module., _orig_mod., model.) and the place of the weights in a checkpoint are found by themselves and reported.
// Everything is read, checked and cast before the first entry changes: after an error the module is as it was. Memory: the
// tensors once more. Errors: those of open(); of fit_error() with Fitting::kRequired, saying what fit() reports; corrupt, io;
// unsupported for dtypes that LibTorch lacks and for entries without memory (the meta device).
inline Result<FitReport> load_into(torch::nn::Module& module, const Model& model, const LoadIntoOptions& options = {}) {
  return detail::guarded([&]() -> Result<FitReport> {
    const NamedTensors own = detail::entries_of(module);
    HOLDALL_ASSIGN(Fit made, detail::fit_into(own, model, options));
    if (options.fitting == LoadIntoOptions::Fitting::kRequired && !made.report.complete()) return fit_error(made.report, model);
    Status filled = detail::fill(own, model, made.pairs, options.load);
    if (!filled) return std::move(filled).error().in(model.origin().path);
    if (options.mode != LoadIntoOptions::Mode::kLeft) module.train(options.mode == LoadIntoOptions::Mode::kTrain);
    return std::move(made.report);
  });
}
inline Result<FitReport> load_into(torch::nn::Module& module, const std::string& path, const LoadIntoOptions& options = {}) {
  HOLDALL_ASSIGN(const Model model, open_model(path));
  return load_into(module, model, options);
}

// Puts a module's parameters and buffers into a dict under the names of Python's state_dict(): tied ones share memory. Errors:
// those of put() of a tensor.
inline Status put(StateDict dict, const torch::nn::Module& module) {
  return detail::guarded([&]() -> Status {
    Storages storages;
    for (const auto& [name, tensor] : detail::entries_of(module)) {
      Status status = put(dict, name, tensor.detach(), storages);
      if (!status) return std::move(status).error().with("entry '" + name + "' of the module");
    }
    dict.set_framework("pt");
    return {};
  });
}

// Writes a module's state_dict, whole or not at all; the extension or SaveOptions::to chooses the format. In Python:
// module.load_state_dict(torch.load(path)). Errors: those of put() and of save_model().
inline Status save(const torch::nn::Module& module, const std::string& path, const SaveOptions& options = {}) {
  StateDict state;
  HOLDALL_TRY(put(state, module));
  HOLDALL_ASSIGN(const Model model, state.model());
  return save_model(model, path, options);
}

}  // namespace holdall::libtorch
