// What Python calls the options and the state of each optimizer: said once, for reading and for writing.
//
// `fields` is a reader or a writer; it is given each name with the C++ member behind it, in the order of Python's dicts
// (torch/optim of torch 2.13). Thread-safety and ownership: nothing is kept.
#pragma once

#include <torch/optim/adagrad.h>
#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/lbfgs.h>
#include <torch/optim/rmsprop.h>
#include <torch/optim/sgd.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace holdall::libtorch::detail {

// A state's tensor is there, may be missing, or stands in for None.
enum class Need : bool { kOptional, kRequired };
// Which parameters have state.
enum class States : std::uint8_t { kAny, kAll, kFirst };

// way(): an option of Python's that says how it computes, not what, with what it is by default. Nothing in C++ corresponds.

struct SgdFields {
  static constexpr std::string_view kName = "SGD";
  static constexpr States kStates = States::kAny;
  using Optimizer = torch::optim::SGD;
  using Options = torch::optim::SGDOptions;
  using State = torch::optim::SGDParamState;
  template <class Fields>
  static void options(Fields& fields, Options& own) {
    fields.real("lr", own.lr());
    fields.real("momentum", own.momentum());
    fields.real("dampening", own.dampening());
    fields.real("weight_decay", own.weight_decay());
    fields.flag("nesterov", own.nesterov());
    fields.fixed("maximize", false);
    fields.way("foreach", nullptr);
    fields.way("differentiable", false);
    fields.way("fused", nullptr);
  }
  template <class Fields>
  static void state(Fields& fields, State& own, const Options&) {
    fields.tensor("momentum_buffer", own.momentum_buffer(), Need::kOptional);
  }
};

template <class Own, class OwnOptions, class OwnState, bool kDecoupled>
struct AdamLikeFields {
  static constexpr std::string_view kName = kDecoupled ? "AdamW" : "Adam";
  static constexpr States kStates = States::kAny;
  using Optimizer = Own;
  using Options = OwnOptions;
  using State = OwnState;
  template <class Fields>
  static void options(Fields& fields, Options& own) {
    fields.real("lr", own.lr());
    fields.pair("betas", own.betas());
    fields.real("eps", own.eps());
    fields.real("weight_decay", own.weight_decay());
    fields.flag("amsgrad", own.amsgrad());
    fields.fixed("maximize", false);
    fields.way("foreach", nullptr);
    fields.way("capturable", false);
    fields.way("differentiable", false);
    fields.way("fused", nullptr);
    fields.fixed("decoupled_weight_decay", kDecoupled);
  }
  template <class Fields>
  static void state(Fields& fields, State& own, const Options& options) {
    fields.step("step", own.step());
    fields.tensor("exp_avg", own.exp_avg(), Need::kRequired);
    fields.tensor("exp_avg_sq", own.exp_avg_sq(), Need::kRequired);
    fields.tensor("max_exp_avg_sq", own.max_exp_avg_sq(), Need{options.amsgrad()});
  }
};
using AdamFields = AdamLikeFields<torch::optim::Adam, torch::optim::AdamOptions, torch::optim::AdamParamState, false>;
using AdamWFields = AdamLikeFields<torch::optim::AdamW, torch::optim::AdamWOptions, torch::optim::AdamWParamState, true>;

struct RmspropFields {
  static constexpr std::string_view kName = "RMSprop";
  static constexpr States kStates = States::kAny;
  using Optimizer = torch::optim::RMSprop;
  using Options = torch::optim::RMSpropOptions;
  using State = torch::optim::RMSpropParamState;
  template <class Fields>
  static void options(Fields& fields, Options& own) {
    fields.real("lr", own.lr());
    fields.real("momentum", own.momentum());
    fields.real("alpha", own.alpha());
    fields.real("eps", own.eps());
    fields.flag("centered", own.centered());
    fields.real("weight_decay", own.weight_decay());
    fields.way("capturable", false);
    fields.way("foreach", nullptr);
    fields.fixed("maximize", false);
    fields.way("differentiable", false);
  }
  template <class Fields>
  static void state(Fields& fields, State& own, const Options& options) {
    fields.step("step", own.step());
    fields.tensor("square_avg", own.square_avg(), Need::kRequired);
    fields.tensor("momentum_buffer", own.momentum_buffer(), Need{options.momentum() > 0});
    fields.tensor("grad_avg", own.grad_avg(), Need{options.centered()});
  }
};

struct AdagradFields {
  static constexpr std::string_view kName = "Adagrad";
  static constexpr States kStates = States::kAll;
  using Optimizer = torch::optim::Adagrad;
  using Options = torch::optim::AdagradOptions;
  using State = torch::optim::AdagradParamState;
  template <class Fields>
  static void options(Fields& fields, Options& own) {
    fields.real("lr", own.lr());
    fields.real("lr_decay", own.lr_decay());
    fields.real("eps", own.eps());
    fields.real("weight_decay", own.weight_decay());
    fields.real("initial_accumulator_value", own.initial_accumulator_value());
    fields.way("foreach", nullptr);
    fields.fixed("maximize", false);
    fields.way("differentiable", false);
    fields.way("fused", nullptr);
  }
  template <class Fields>
  static void state(Fields& fields, State& own, const Options&) {
    fields.step("step", own.step());
    fields.tensor("sum", own.sum(), Need::kRequired);
  }
};

// What is wrong between the fields of one state, on which LibTorch's step() would stumble; empty where nothing is.
template <class Options, class State>
std::string state_fault(const Options&, const State&) {
  return {};
}
inline std::string state_fault(const torch::optim::LBFGSOptions& options, const torch::optim::LBFGSParamState& state) {
  const std::size_t kept = state.old_dirs().size();
  const auto most = static_cast<std::size_t>(options.history_size());
  if (state.old_stps().size() != kept || state.ro().size() != kept) return "old_dirs, old_stps and ro are not of one length";
  if (kept > most) return "more old_dirs than history_size allows";
  if (state.al() && state.al()->size() != most) return "al is not of history_size";
  if (state.func_evals() < 0 || state.n_iter() < 0) return "a count is negative";
  return {};
}
// The same of options, beyond what the optimizer's own constructor checks.
template <class Options>
std::string options_fault(const Options&) {
  return {};
}
inline std::string options_fault(const torch::optim::LBFGSOptions& options) {
  if (options.history_size() < 1) return "history_size is not positive";
  if (options.line_search_fn() && *options.line_search_fn() != "strong_wolfe") return "line_search_fn is not strong_wolfe";
  return options.max_eval() ? "" : "max_eval is missing";
}

// One state for all parameters, under the first; directions and gradients are all parameters in one row.
struct LbfgsFields {
  static constexpr std::string_view kName = "LBFGS";
  static constexpr States kStates = States::kFirst;
  using Optimizer = torch::optim::LBFGS;
  using Options = torch::optim::LBFGSOptions;
  using State = torch::optim::LBFGSParamState;
  template <class Fields>
  static void options(Fields& fields, Options& own) {
    fields.real("lr", own.lr());
    fields.integer("max_iter", own.max_iter());
    fields.maybe_integer("max_eval", own.max_eval());
    fields.real("tolerance_grad", own.tolerance_grad());
    fields.real("tolerance_change", own.tolerance_change());
    fields.integer("history_size", own.history_size());
    fields.maybe_text("line_search_fn", own.line_search_fn());
  }
  template <class Fields>
  static void state(Fields& fields, State& own, const Options&) {
    fields.integer("func_evals", own.func_evals());
    fields.integer("n_iter", own.n_iter());
    const Need need{own.n_iter() > 0};
    fields.maybe_scalars("al", own.al());
    fields.row("d", own.d(), need);
    fields.real("t", own.t());
    fields.rows("old_dirs", own.old_dirs());
    fields.rows("old_stps", own.old_stps());
    fields.scalars("ro", own.ro());
    fields.scalar("H_diag", own.H_diag(), need);
    fields.row("prev_flat_grad", own.prev_flat_grad(), need);
    fields.real("prev_loss", own.prev_loss());
  }
};

// Calls `work.operator()<Fields>()` with those of the optimizer's class, or `otherwise()`.
template <class Work, class Otherwise>
auto with_fields_of(const torch::optim::Optimizer& optimizer, const Work& work, const Otherwise& otherwise) {
  if (dynamic_cast<const torch::optim::SGD*>(&optimizer) != nullptr) return work.template operator()<SgdFields>();
  if (dynamic_cast<const torch::optim::Adam*>(&optimizer) != nullptr) return work.template operator()<AdamFields>();
  if (dynamic_cast<const torch::optim::AdamW*>(&optimizer) != nullptr) return work.template operator()<AdamWFields>();
  if (dynamic_cast<const torch::optim::RMSprop*>(&optimizer) != nullptr) return work.template operator()<RmspropFields>();
  if (dynamic_cast<const torch::optim::Adagrad*>(&optimizer) != nullptr) return work.template operator()<AdagradFields>();
  if (dynamic_cast<const torch::optim::LBFGS*>(&optimizer) != nullptr) return work.template operator()<LbfgsFields>();
  return otherwise();
}

}  // namespace holdall::libtorch::detail
