#include "holdall/objects/judge_members.h"

#include "holdall/base/among.h"
#include "holdall/base/text.h"
#include "holdall/core/children.h"
#include "holdall/objects/interpretation.h"
#include "holdall/objects/judge_arguments.h"

namespace holdall {
namespace {

using Offence = std::optional<std::string>;

// Attributes of scikit-learn's estimators by which they call a method of another object by its name, whatever it is, and the
// methods that are meant.
constexpr std::string_view kNamesOfMethods[] = {"_response_method", "chain_method", "chain_method_",
                                                "response_method",  "stack_method", "stack_method_"};
constexpr std::string_view kPredictions[] = {"auto",          "decision_function", "predict", "predict_log_proba",
                                             "predict_proba", "score_samples"};
// Attributes of DataLoader that it calls for each batch.
constexpr std::string_view kCalledForBatches[] = {"collate_fn", "worker_init_fn"};
// Where torch.nn.Module looks for what is no attribute of its own.
constexpr std::string_view kRegistries[] = {"_buffers", "_modules", "_parameters"};

bool names_predictions(Value value) {
  if (value.is(ValueKind::kString)) return is_among(kPredictions, value.as_string());
  if (!is_sequence(value.kind())) return value.is_null();
  for (std::size_t i = 0; i < value.size(); ++i)
    if (is_sequence(value.item(i).kind()) || !names_predictions(value.item(i))) return false;
  return true;
}

std::string spelled(const GlobalRow& row) { return text("{}.{}", row.module, row.name); }

// A dict, or one that collections makes.
bool is_dict(Value value) {
  if (value.is(ValueKind::kDict)) return true;
  const GlobalRow* row = inert_row(value);
  return row != nullptr && (row->builder == Builder::kOrderedDict || row->builder == Builder::kDefaultDict);
}

// torch.optim.Optimizer.__setstate__ goes through these.
Offence of_optimizer(std::string_view name, Value value) {
  if (name == "state" || name == "defaults") return is_dict(value) ? Offence() : text("what is no dict as '{}'", name);
  if (name != "param_groups") return {};
  if (!value.is(ValueKind::kList)) return "what is no list as 'param_groups'";
  for (std::size_t i = 0; i < value.size(); ++i) {
    const Value group = value.item(i);
    if (!group.is(ValueKind::kDict)) return "what is no dict in 'param_groups'";
    const Value parameters = group.find("params");
    if (parameters && !is_sequence(parameters.kind())) return "what is no list as 'params'";
  }
  return {};
}

// A module, a tensor, or what a stranger's class makes, which its import tells.
Offence registered(std::string_view key, Value value) {
  if (key.starts_with("__") && key.ends_with("__")) return text("'{}' among its modules", key);
  if (value.is_null() || value.is(ValueKind::kTensor)) return {};
  if (const GlobalRow* row = imported_row(value)) return text("{} among its modules", spelled(*row));
  const GlobalRow* row = inert_row(value);
  const bool is_kept = row == nullptr || row->builder == Builder::kModule || row->builder == Builder::kObject ||
                       (row->builder >= Builder::kTensor && row->builder <= Builder::kMemoryFormat);
  return is_kept ? Offence() : text("an object of {} among its modules", spelled(*row));
}

Offence of_registry(Value value) {
  if (!is_dict(value)) return {};
  for (const auto& [key, entry] : entries_of(value)) {
    if (!key.is(ValueKind::kString)) continue;
    if (Offence found = registered(key.as_string(), entry)) return found;
  }
  return {};
}

// What makes a batch of a list of examples and does no more.
bool is_for_batches(const GlobalRow& row) noexcept {
  constexpr std::string_view kOthers[] = {"list", "tuple", "_VariableFunctionsClass.cat", "_VariableFunctionsClass.stack"};
  const bool is_other = row.builder == Builder::kType || row.module == "torch._C";
  return row.builder == Builder::kFunction || (is_other && is_among(kOthers, row.name));
}

Offence of_loader(std::string_view name, Value value) {
  if (!is_among(kCalledForBatches, name)) return {};
  const GlobalRow* made = inert_row(value);
  if (made != nullptr && made->builder == Builder::kPartial) {
    const Value state = value.of(value.as_object().state);
    if (state.is(ValueKind::kTuple) && state.size() > 0) value = state.item(0);
  }
  const GlobalRow* row = imported_row(value);
  if (row == nullptr) row = ArgumentJudge::named_function(value);
  if (row != nullptr) return is_for_batches(*row) ? Offence() : text("{} as '{}'", spelled(*row), name);
  made = inert_row(value);
  return made == nullptr ? Offence() : text("an object of {} as '{}'", spelled(*made), name);
}

// Of scikit-learn's objects. What makes values of pandas is kept by nobody, and opens files as time zones.
Offence of_estimator(std::string_view name, Value value) {
  if (is_among(kNamesOfMethods, name) && !names_predictions(value)) return text("what names no prediction as '{}'", name);
  const GlobalRow* kept = imported_row(value);
  const bool makes = kept != nullptr && kept->builder == Builder::kPandas && kept->name != "NA";
  return makes ? text("{} as '{}'", spelled(*kept), name) : Offence();
}

// scipy.interpolate.interp1d calls this with itself: a function of its class.
Offence of_interpolation(std::string_view name, Value value) {
  if (name != "_call") return {};
  const GlobalRow* row = ArgumentJudge::named_function(value);
  if (row == nullptr) row = imported_row(value);
  const bool is_own = row != nullptr && row->builder == Builder::kReference && row->name.starts_with("interp1d._call_");
  return is_own ? Offence() : text("what is no function of its own as '{}'", name);
}

}  // namespace

std::optional<std::string> member_offence(const GlobalRow& row, std::string_view name, Value value) {
  // scikit-learn writes it into a warning: an object would be asked for its text.
  if (name == "_sklearn_version" && value.kind() >= ValueKind::kList) return text("what is no text as '{}'", name);
  if (row.builder == Builder::kSklearn)
    if (Offence found = of_estimator(name, value)) return found;
  if (row.name == "interp1d") return of_interpolation(name, value);
  if (row.builder != Builder::kModule) return {};
  if (row.name == "DataLoader") return of_loader(name, value);
  if (row.module.starts_with("torch.optim") && !row.module.starts_with("torch.optim.lr_scheduler"))
    if (Offence found = of_optimizer(name, value)) return found;
  return is_among(kRegistries, name) ? of_registry(value) : Offence();
}

}  // namespace holdall
