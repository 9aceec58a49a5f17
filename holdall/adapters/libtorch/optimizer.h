// Optimizers: torch::optim to and from the dict that Python's optimizer.state_dict() is.
//
// {"state": {0: {"step", "exp_avg", …}}, "param_groups": [{"lr", …, "params": [0, 1]}]}; parameters are numbered in the order
// of the groups. SGD, Adam, AdamW, RMSprop, Adagrad, LBFGS. Thread-safety: one thread an optimizer. Ownership: what is put into
// a StateDict looks at the optimizer's own memory until it is saved.
#pragma once

#include <c10/core/InferenceMode.h>
#include <c10/util/Type.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>
#include <vector>

#include "holdall/adapters/libtorch/optimizer_reading.h"
#include "holdall/ops/open.h"

namespace holdall::libtorch {

struct LoadOptimizerOptions {
  // Where in the tree its dict is, components joined with '.': "optimizer_state_dict", "optimizers.0". Empty: the only such
  // dict that is the whole tree or stands in its first two levels.
  std::string at = {};
  LoadOptions load = {};
};

struct OptimizerReport {
  std::string place;                 // where in the tree it was found; empty for the whole of it
  std::size_t groups = 0;            // of parameters
  std::size_t states = 0;            // parameters that have state now
  std::vector<std::string> ignored;  // options for which LibTorch has no place ("param_groups.0.initial_lr")
};

namespace detail {

class FieldsWriter {
 public:
  FieldsWriter(StateDict dict, Storages& storages) : dict_(std::move(dict)), storages_(storages) {}

  void real(std::string_view key, double own) { dict_.set(key, own); }
  void integer(std::string_view key, std::int64_t own) { dict_.set(key, own); }
  void step(std::string_view key, std::int64_t own) { put_tensor(key, at::scalar_tensor(own, at::kFloat)); }
  void flag(std::string_view key, bool own) { dict_.set(key, own); }
  void pair(std::string_view key, const std::tuple<double, double>& own) {
    StateList both = dict_.tuple(key);
    both.append(std::get<0>(own));
    both.append(std::get<1>(own));
  }
  void maybe_integer(std::string_view key, const std::optional<std::int64_t>& own) {
    dict_.set(key, own ? StateValue(*own) : StateValue(nullptr));
  }
  void maybe_text(std::string_view key, const std::optional<std::string>& own) {
    dict_.set(key, own ? StateValue(*own) : StateValue(nullptr));
  }
  void fixed(std::string_view key, bool own) { dict_.set(key, own); }
  void way(std::string_view key, StateValue own) { dict_.set(key, std::move(own)); }
  // An undefined tensor is a key that Python does not have.
  void tensor(std::string_view key, const at::Tensor& own, Need) {
    if (own.defined()) put_tensor(key, own);
  }
  void row(std::string_view key, const at::Tensor& own, Need need) { tensor(key, own, need); }
  void scalar(std::string_view key, const at::Tensor& own, Need need) { tensor(key, own, need); }
  template <class Tensors>
  void rows(std::string_view key, const Tensors& own) {
    StateList list = dict_.list(key);
    for (const at::Tensor& tensor : own) append(list, tensor);
  }
  void scalars(std::string_view key, const std::deque<at::Tensor>& own) { rows(key, own); }
  void maybe_scalars(std::string_view key, const std::optional<std::vector<at::Tensor>>& own) {
    if (own) rows(key, *own);
  }
  Status status() const { return fault_ ? Status(*fault_) : Status(); }

 private:
  void put_tensor(std::string_view key, const at::Tensor& own) {
    if (Status status = put(dict_, key, own.detach(), storages_); !status && !fault_) fault_ = std::move(status).error();
  }
  void append(StateList& list, const at::Tensor& own) {
    if (!own.defined()) return list.append(nullptr);
    Result<Tensor> made = viewed(own.detach(), storages_);
    if (made) {
      list.append(std::move(*made));
    } else if (!fault_) {
      fault_ = std::move(made).error();
    }
  }

  StateDict dict_;
  Storages& storages_;
  std::optional<Error> fault_;
};

inline Error unknown_optimizer(const torch::optim::Optimizer& optimizer) {
  return unsupported("optimizers of the class " + c10::demangle(typeid(optimizer).name()) + " are not known");
}

// By which an optimizer knows a parameter.
inline void* identity(const at::Tensor& parameter) { return parameter.getIntrusivePtr().get(); }

// A parameter's number: its place among all, the first one where it is met twice.
inline std::vector<std::pair<const void*, std::size_t>> numbered(const torch::optim::Optimizer& optimizer) {
  std::vector<std::pair<const void*, std::size_t>> numbers;
  std::unordered_map<const void*, std::size_t> known;
  for (const auto& group : optimizer.param_groups())
    for (const at::Tensor& parameter : group.params()) {
      const void* const key = identity(parameter);
      numbers.emplace_back(key, known.try_emplace(key, numbers.size()).first->second);
    }
  return numbers;
}

template <class Of>
Status put_optimizer(StateDict& dict, const torch::optim::Optimizer& optimizer) {
  Storages storages;
  const auto numbers = numbered(optimizer);
  StateDict states = dict.dict("state");
  StateList groups = dict.list("param_groups");
  std::size_t next = 0;
  for (const auto& group : optimizer.param_groups()) {
    auto options = static_cast<const typename Of::Options&>(group.options());
    StateDict said = groups.dict();
    FieldsWriter writer(said, storages);
    Of::options(writer, options);
    StateList parameters = said.list("params");
    for (std::size_t i = 0; i < group.params().size(); ++i, ++next) {
      parameters.append(numbers[next].second);
      const auto held = optimizer.state().find(const_cast<void*>(numbers[next].first));
      if (held == optimizer.state().end() || held->second == nullptr || numbers[next].second != next) continue;
      auto state = static_cast<const typename Of::State&>(*held->second);
      FieldsWriter state_writer(states.dict(next), storages);
      Of::state(state_writer, state, options);
      HOLDALL_TRY(state_writer.status());
    }
  }
  return {};
}

inline bool is_optimizer(Value value) {
  return value.find("state").is(ValueKind::kDict) && value.find("param_groups").is(ValueKind::kList);
}

// A step down a path: a key, a number that is one, a place in a list.
inline Value below(Value value, std::string_view component) {
  if (const Value found = value.find(component)) return found;
  const bool is_number =
      !component.empty() && component.size() < 10 && component.find_first_not_of("0123456789") == component.npos;
  if (!is_number) return {};
  const std::int64_t number = std::stoll(std::string(component));
  if (value.is(ValueKind::kDict)) return value.find(number);
  const bool is_item =
      (value.is(ValueKind::kList) || value.is(ValueKind::kTuple)) && static_cast<std::size_t>(number) < value.size();
  return is_item ? value.item(static_cast<std::size_t>(number)) : Value();
}

inline std::vector<std::pair<std::string, Value>> optimizers_in(Value tree) {
  std::vector<std::pair<std::string, Value>> found;
  if (is_optimizer(tree)) return {{"", tree}};
  for (std::size_t i = 0; tree.is(ValueKind::kDict) && i < tree.size(); ++i) {
    if (!tree.key(i).is(ValueKind::kString)) continue;
    const std::string key(tree.key(i).as_string());
    const Value value = tree.mapped(i);
    if (is_optimizer(value)) {
      found.emplace_back(key, value);
    } else if (value.is(ValueKind::kList) || value.is(ValueKind::kTuple)) {
      for (std::size_t j = 0; j < value.size(); ++j)
        if (is_optimizer(value.item(j))) found.emplace_back(key + "." + std::to_string(j), value.item(j));
    } else if (value.is(ValueKind::kDict)) {
      for (std::size_t j = 0; j < value.size(); ++j)
        if (value.key(j).is(ValueKind::kString) && is_optimizer(value.mapped(j)))
          found.emplace_back(key + "." + std::string(value.key(j).as_string()), value.mapped(j));
    }
  }
  return found;
}

inline Result<std::pair<std::string, Value>> optimizer_at(const Model& model, const std::string& at) {
  if (!at.empty()) {
    Value value = model.tree();
    for (std::size_t from = 0; from <= at.size() && value;) {
      const std::size_t to = std::min(at.find('.', from), at.size());
      value = below(value, std::string_view(at).substr(from, to - from));
      from = to + 1;
    }
    if (is_optimizer(value)) return std::pair(at, value);
    return not_found("there is no optimizer's state at '" + at + "'").in(model.origin().path);
  }
  const auto found = optimizers_in(model.tree());
  if (found.size() == 1) return found.front();
  if (found.empty()) return not_found("there is no optimizer's state in it").in(model.origin().path);
  std::string places;
  for (const auto& [place, value] : found) places += (places.empty() ? "'" : ", '") + place + "'";
  return invalid_argument("there are several optimizers' states: " + places + "; say which").in(model.origin().path);
}

// What an optimizer will be, built beside it.
struct NewState {
  std::vector<std::unique_ptr<torch::optim::OptimizerOptions>> options;  // by group
  ska::flat_hash_map<void*, std::unique_ptr<torch::optim::OptimizerParamState>> states;
};

// The parameters by the numbers that the file gives them. Errors: invalid argument for groups of other sizes.
inline Result<std::map<std::int64_t, const at::Tensor*>> parameters_by_number(const torch::optim::Optimizer& optimizer,
                                                                              Value groups) {
  const auto& own = optimizer.param_groups();
  if (groups.size() != own.size()) {
    return invalid_argument("the file has " + std::to_string(groups.size()) + " parameter groups, the optimizer " +
                            std::to_string(own.size()));
  }
  std::map<std::int64_t, const at::Tensor*> parameters;
  for (std::size_t g = 0; g < own.size(); ++g) {
    const std::string place = "param_groups." + std::to_string(g);
    const Value numbers = groups.item(g).find("params");
    if (!numbers.is(ValueKind::kList)) return invalid_argument(place + ".params is no list");
    if (numbers.size() != own[g].params().size()) {
      return invalid_argument(place + " has " + std::to_string(numbers.size()) + " parameters in the file, " +
                              std::to_string(own[g].params().size()) + " in the optimizer");
    }
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      if (!numbers.item(i).is(ValueKind::kInt)) return invalid_argument(place + ".params holds what is no number");
      parameters[numbers.item(i).as_int()] = &own[g].params()[i];
    }
  }
  return parameters;
}

// As the optimizer's constructor checks them.
template <class Of>
Status check_options(const typename Of::Options& options) {
  const std::string fault = options_fault(options);
  if (!fault.empty()) return invalid_argument(fault);
  return guarded([&]() -> Status {
    const typename Of::Optimizer probe(std::vector<at::Tensor>{}, options);
    return {};
  });
}

template <class Of>
Result<NewState> read_optimizer(const torch::optim::Optimizer& optimizer, Value dict, OptimizerTensors& tensors,
                                OptimizerReport& report) {
  NewState made;
  const Value groups = dict.find("param_groups"), states = dict.find("state");
  HOLDALL_ASSIGN(const auto parameters, parameters_by_number(optimizer, groups));
  std::map<const void*, const typename Of::Options*> options_of;
  std::int64_t elements = 0;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const auto& own = optimizer.param_groups()[g];
    auto options = std::make_unique<typename Of::Options>(static_cast<const typename Of::Options&>(own.options()));
    FieldsReader reader(groups.item(g), "param_groups." + std::to_string(g), tensors);
    reader.knows("params");
    Of::options(reader, *options);
    HOLDALL_TRY(reader.status());
    HOLDALL_TRY(check_options<Of>(*options));
    for (std::string& key : reader.left()) report.ignored.push_back(std::move(key));
    for (const at::Tensor& parameter : own.params()) {
      options_of[identity(parameter)] = options.get();
      elements += parameter.numel();
    }
    made.options.push_back(std::move(options));
  }
  for (std::size_t i = 0; i < states.size(); ++i) {
    const Value key = states.key(i);
    const auto parameter = key.is(ValueKind::kInt) ? parameters.find(key.as_int()) : parameters.end();
    if (parameter == parameters.end())
      return invalid_argument("the file has state for a parameter that is in none of its groups");
    const std::string place = "state." + std::to_string(key.as_int());
    if (!states.mapped(i).is(ValueKind::kDict)) return invalid_argument(place + " is no dict");
    if (states.mapped(i).size() == 0) continue;
    void* const known_as = identity(*parameter->second);
    if (Of::kStates == States::kFirst && known_as != identity(optimizer.param_groups().front().params().front())) {
      return invalid_argument(place + " is not the first parameter's");
    }
    auto state = std::make_unique<typename Of::State>();
    FieldsReader reader(states.mapped(i), place, tensors, parameter->second, elements);
    Of::state(reader, *state, *options_of[known_as]);
    HOLDALL_TRY(reader.status());
    if (const auto left = reader.left(); !left.empty()) {
      return invalid_argument(left.front() + " is nothing that " + std::string(Of::kName) + " of LibTorch keeps");
    }
    if (const std::string fault = state_fault(*options_of[known_as], *state); !fault.empty()) {
      return invalid_argument(place + ": " + fault);
    }
    if (reader.has_state()) made.states[known_as] = std::move(state);
  }
  if (Of::kStates == States::kAll && made.states.size() != options_of.size()) {
    return invalid_argument("the file has state for " + std::to_string(made.states.size()) + " parameters, " +
                            std::string(Of::kName) + " needs that of all " + std::to_string(options_of.size()));
  }
  return made;
}

}  // namespace detail

// Puts an optimizer's state and options into a dict as Python's optimizer.state_dict() says them. Errors: those of put() of a
// tensor; unsupported for other classes of optimizers.
inline Status put(StateDict dict, const torch::optim::Optimizer& optimizer) {
  return detail::guarded([&] {
    return detail::with_fields_of(
        optimizer, [&]<class Of>() -> Status { return detail::put_optimizer<Of>(dict, optimizer); },
        [&]() -> Status { return detail::unknown_optimizer(optimizer); });
  });
}

// Loads the options and state of a file into an optimizer over the same parameters in the same order, as Python's
// load_state_dict() does. All is read before anything changes: after an error the optimizer is as it was. Errors: not found
// where the file has none; invalid argument for several, for groups, shapes or keys that are not this optimizer's, for options
// that LibTorch's has not (maximize); corrupt, io; unsupported for other classes of optimizers.
inline Result<OptimizerReport> load_into(torch::optim::Optimizer& optimizer, const Model& model,
                                         const LoadOptimizerOptions& options = {}) {
  return detail::guarded([&]() -> Result<OptimizerReport> {
    // State that is made in inference mode could not be trained with outside of it.
    const c10::InferenceMode ordinary(false);
    OptimizerReport report;
    HOLDALL_ASSIGN(const auto found, detail::optimizer_at(model, options.at));
    report.place = found.first;
    detail::OptimizerTensors tensors(model);
    auto made = detail::with_fields_of(
        optimizer, [&]<class Of>() { return detail::read_optimizer<Of>(optimizer, found.second, tensors, report); },
        [&]() -> Result<detail::NewState> { return detail::unknown_optimizer(optimizer); });
    if (!made) return std::move(made).error().with("optimizer '" + report.place + "'").in(model.origin().path);
    Status loaded = tensors.load(options.load);
    if (!loaded) return std::move(loaded).error().with("optimizer '" + report.place + "'").in(model.origin().path);
    report.groups = made->options.size();
    report.states = made->states.size();
    for (std::size_t g = 0; g < report.groups; ++g) optimizer.param_groups()[g].set_options(std::move(made->options[g]));
    optimizer.state() = std::move(made->states);
    return report;
  });
}
inline Result<OptimizerReport> load_into(torch::optim::Optimizer& optimizer, const std::string& path,
                                         const LoadOptimizerOptions& options = {}) {
  HOLDALL_ASSIGN(const Model model, open_model(path));
  return load_into(optimizer, model, options);
}

}  // namespace holdall::libtorch
