#include "holdall/ops/training.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <span>

#include "holdall/base/text.h"
#include "holdall/core/children.h"
#include "holdall/ops/json_members.h"

namespace holdall {
namespace {

// What a report shows of each: a file may hold as many as it likes.
constexpr std::size_t kMostReports = 64;
constexpr std::size_t kMostGroups = 256;
constexpr std::size_t kMostSettings = 64;
constexpr std::size_t kMostItems = 16;
constexpr std::size_t kMostText = 128;
constexpr std::size_t kMostPath = 1024;
// Parameters whose steps are read, of all optimizers together.
constexpr std::size_t kMostStates = 4096;

// What tells a class: settings of its groups that are there ("key", "key=true", "key=false"), settings that are not, and what
// it keeps for each parameter once it has made a step. The first row that fits is the answer.
struct Signature {
  std::string_view kind, has, lacks, keeps;
};
// Held to torch 2.13 by a test that makes each; rows without `decoupled_weight_decay` are those of torch before 2.7.
constexpr Signature kOptimizers[] = {
    {"LBFGS", "max_iter tolerance_grad history_size", "", ""},
    {"ASGD", "lambd alpha t0", "", ""},
    {"Rprop", "etas step_sizes", "", ""},
    {"Adafactor", "beta2_decay d", "", ""},
    {"Muon", "ns_coefficients ns_steps", "", ""},
    {"RMSprop", "alpha centered", "", ""},
    {"Adadelta", "rho eps", "", ""},
    {"Adagrad", "lr_decay", "betas", ""},
    {"NAdam", "betas momentum_decay", "", ""},
    {"AdamW", "betas amsgrad decoupled_weight_decay=true", "", ""},
    {"Adam", "betas amsgrad decoupled_weight_decay=false", "", ""},
    {"Adam or AdamW", "betas eps amsgrad", "decoupled_weight_decay", "exp_avg exp_avg_sq"},
    {"RAdam", "betas eps weight_decay decoupled_weight_decay", "", "exp_avg_sq"},
    {"Adamax", "betas eps weight_decay", "", "exp_inf"},
    {"RAdam", "betas eps weight_decay", "", "exp_avg_sq"},
    {"SparseAdam", "betas eps", "weight_decay", "exp_avg_sq"},
    {"Lion", "betas weight_decay", "eps", "exp_avg"},
    {"SGD", "momentum dampening nesterov", "", ""},
};
constexpr Signature kSchedulers[] = {
    {"StepLR", "step_size gamma", "", ""},
    {"MultiStepLR", "milestones gamma", "", ""},
    {"SWALR", "anneal_epochs", "", ""},
    {"CyclicLR", "max_lrs total_size", "", ""},
    {"OneCycleLR", "total_steps cycle_momentum", "", ""},
    {"CosineAnnealingWarmRestarts", "T_0 T_mult", "", ""},
    {"CosineAnnealingLR", "T_max eta_min", "", ""},
    {"ReduceLROnPlateau", "patience threshold_mode num_bad_epochs", "", ""},
    {"PolynomialLR", "power total_iters", "", ""},
    {"LinearLR", "start_factor end_factor", "", ""},
    {"ConstantLR", "factor total_iters", "", ""},
    {"LambdaLR or MultiplicativeLR", "lr_lambdas", "", ""},
    {"SequentialLR", "_milestones _schedulers", "", ""},
    {"ChainedScheduler", "_schedulers", "_milestones", ""},
    {"ExponentialLR", "gamma", "", ""},
};

// A dict, or an object that is filled like one (an OrderedDict, a defaultdict).
class Mapping {
 public:
  explicit Mapping(Value value) : value_(value) {}
  explicit operator bool() const {
    return value_.is(ValueKind::kDict) || (value_.is(ValueKind::kObject) && !value_.as_object().pairs.empty());
  }
  std::size_t size() const {
    if (value_.is(ValueKind::kDict)) return value_.size();
    return value_.is(ValueKind::kObject) ? value_.as_object().pairs.size() / 2 : 0;
  }
  Value key(std::size_t i) const {
    return value_.is(ValueKind::kDict) ? value_.key(i) : value_.of(value_.as_object().pairs[2 * i]);
  }
  Value at(std::size_t i) const {
    return value_.is(ValueKind::kDict) ? value_.mapped(i) : value_.of(value_.as_object().pairs[2 * i + 1]);
  }
  Value find(std::string_view key) const {
    if (value_.is(ValueKind::kDict)) return value_.find(key);
    for (std::size_t i = 0; i < size(); ++i)
      if (this->key(i).is(ValueKind::kString) && this->key(i).as_string() == key) return at(i);
    return {};
  }

 private:
  Value value_;
};

bool has_items(Value value) { return value && is_sequence(value.kind()); }

// Whether `use` is true of every word.
template <class Use>
bool all_words(std::string_view words, const Use& use) {
  while (!words.empty()) {
    const std::size_t end = std::min(words.find(' '), words.size());
    if (!use(words.substr(0, end))) return false;
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return true;
}

bool has(const Mapping& group, std::string_view word) {
  const std::size_t at = word.find('=');
  if (at == std::string_view::npos) return bool(group.find(word));
  const Value value = group.find(word.substr(0, at));
  return value.is(ValueKind::kBool) && value.as_bool() == (word.substr(at + 1) == "true");
}

std::string_view kind_of(std::span<const Signature> rows, const Mapping& group, const Mapping& state) {
  for (const Signature& row : rows) {
    if (!all_words(row.has, [&](std::string_view word) { return has(group, word); })) continue;
    if (!all_words(row.lacks, [&](std::string_view word) { return !group.find(word); })) continue;
    if (state && !all_words(row.keeps, [&](std::string_view word) { return bool(state.find(word)); })) continue;
    return row.kind;
  }
  return {};
}

class Reader {
 public:
  explicit Reader(const Model& model) : model_(model), seen_(model.arena().size()) {}

  TrainingReport read() {
    push(model_.tree(), kNone, {});
    for (std::size_t at = 0; at < places_.size(); ++at) look(at);
    return std::move(report_);
  }

 private:
  static constexpr std::size_t kNone = SIZE_MAX;
  // A container of the tree: what it is called in the one above.
  struct Place {
    NodeId node;
    std::size_t above;
    Value key;             // of a dict
    std::size_t item = 0;  // of a list
  };

  void push(Value value, std::size_t above, Value key, std::size_t item = 0) {
    if (!value || (!has_items(value) && !value.is(ValueKind::kDict) && !value.is(ValueKind::kObject))) return;
    if (value.id() >= seen_.size() || seen_[value.id()]) return;
    seen_[value.id()] = true;
    places_.push_back({value.id(), above, key, item});
  }

  void look(std::size_t at) {
    const Value value = model_.tree().of(places_[at].node);
    if (has_items(value)) {
      for (std::size_t i = 0; i < value.size(); ++i) push(value.item(i), at, {}, i);
      return;
    }
    if (value.is(ValueKind::kObject)) {
      const ObjectParts& parts = value.as_object();
      const Value state = value.of(parts.state);
      if (state && take(at, Mapping(state), value.of(parts.callee))) return;
      // An object's state adds nothing to the path.
      push_entries(Mapping(state), at);
    }
    if (take(at, Mapping(value), {})) return;
    push_entries(Mapping(value), at);
  }

  void push_entries(const Mapping& mapping, std::size_t at) {
    for (std::size_t i = 0; i < mapping.size(); ++i) push(mapping.at(i), at, mapping.key(i), i);
  }

  std::string path(std::size_t at) const {
    std::vector<std::string> keys;
    std::size_t size = 0;
    for (; at != kNone && places_[at].above != kNone && size < kMostPath; at = places_[at].above) {
      const Place& place = places_[at];
      std::string key = text("{}", place.item);
      if (place.key.is(ValueKind::kString)) key = place.key.as_string().substr(0, kMostPath);
      if (place.key.is(ValueKind::kInt)) key = text("{}", place.key.as_int());
      size += key.size() + 1;
      keys.push_back(std::move(key));
    }
    std::string joined;
    for (auto key = keys.rbegin(); key != keys.rend(); ++key) joined += (joined.empty() ? "" : ".") + *key;
    return joined;
  }

  // Whether it is the state dict of an optimizer or a scheduler, which then is in the report.
  bool take(std::size_t at, const Mapping& mapping, Value callee) {
    if (!mapping) return false;
    const Value groups = mapping.find("param_groups");
    const Value state = mapping.find("state");
    if (state && has_items(groups) && groups.size() > 0 && Mapping(groups.item(0)).find("params")) {
      if (report_.optimizers.size() < kMostReports) report_.optimizers.push_back(optimizer(at, groups, Mapping(state), callee));
      return true;
    }
    if (callee || !(mapping.find("last_epoch") || mapping.find("_schedulers"))) return false;
    const std::string_view kind = kind_of(kSchedulers, mapping, Mapping({}));
    if (kind.empty()) return false;
    if (report_.schedulers.size() < kMostReports) report_.schedulers.push_back(scheduler(at, mapping, kind));
    return true;
  }

  OptimizerReport optimizer(std::size_t at, Value groups, const Mapping& state, Value callee) {
    OptimizerReport made;
    made.where = path(at);
    const std::size_t shown = std::min(groups.size(), kMostGroups);
    for (std::size_t i = 0; i < shown; ++i) made.groups.push_back(group(Mapping(groups.item(i))));
    made.more_groups = groups.size() - shown;
    Value first;
    for (std::size_t i = 0; i < state.size() && states_ < kMostStates; ++i, ++states_) {
      const Mapping own(state.at(i));
      if (!own) continue;
      if (!first) first = state.at(i);
      const Value step = own.find("step");
      const auto steps = number(step ? step : own.find("n_iter"));
      if (!steps) continue;
      made.least_step = std::min(made.least_step.value_or(*steps), *steps);
      made.step = std::max(made.step.value_or(*steps), *steps);
    }
    made.kind = callee.is(ValueKind::kGlobal) ? callee.global_name().substr(0, kMostText)
                                              : kind_of(kOptimizers, Mapping(groups.item(0)), Mapping(first));
    return made;
  }

  ParameterGroup group(const Mapping& mapping) {
    ParameterGroup made;
    for (std::size_t i = 0; i < mapping.size() && made.settings.size() < kMostSettings; ++i) {
      const Value key = mapping.key(i), value = mapping.at(i);
      if (!key.is(ValueKind::kString) || key.as_string().size() > kMostText) continue;
      if (std::ranges::any_of(made.settings, [&](const Setting& own) { return own.key == key.as_string(); })) continue;
      if (key.as_string() == "params") {
        made.parameters = has_items(value) ? value.size() : 0;
      } else if (value.is(ValueKind::kTensor)) {
        if (const auto read = number(value)) made.settings.push_back({std::string(key.as_string()), value, read});
      } else if (is_plain(value) || (has_items(value) && value.size() <= kMostItems && all_plain(value))) {
        made.settings.push_back({std::string(key.as_string()), value, {}});
      }
    }
    return made;
  }

  static bool is_plain(Value value) {
    if (value.is(ValueKind::kString)) return value.as_string().size() <= kMostText;
    return value.is_null() || value.is(ValueKind::kBool) || value.is(ValueKind::kInt) || value.is(ValueKind::kFloat);
  }
  static bool all_plain(Value list) {
    for (std::size_t i = 0; i < list.size(); ++i)
      if (!is_plain(list.item(i))) return false;
    return true;
  }

  SchedulerReport scheduler(std::size_t at, const Mapping& mapping, std::string_view kind) {
    SchedulerReport made;
    made.where = path(at);
    made.kind = kind;
    if (const Value epoch = mapping.find("last_epoch"); epoch.is(ValueKind::kInt)) made.last_epoch = epoch.as_int();
    const Value rates = mapping.find("_last_lr");
    for (std::size_t i = 0; has_items(rates) && i < std::min(rates.size(), kMostGroups); ++i) {
      if (const auto rate = number(rates.item(i))) made.lr.push_back(*rate);
    }
    return made;
  }

  std::optional<double> number(Value value) {
    if (value.is(ValueKind::kInt)) return static_cast<double>(value.as_int());
    if (value.is(ValueKind::kFloat)) return value.as_float();
    if (!value.is(ValueKind::kTensor)) return std::nullopt;
    const Tensor* tensor = tensor_at(value.as_tensor().index);
    if (tensor == nullptr || tensor->elements() != 1) return std::nullopt;
    switch (tensor->dtype()) {
      case DType::kFloat32:
        return as_spelled(first_of<float>(*tensor));
      case DType::kFloat64:
        return first_of<double>(*tensor);
      case DType::kInt64:
        return first_of<std::int64_t>(*tensor);
      case DType::kInt32:
        return first_of<std::int32_t>(*tensor);
      default:
        return std::nullopt;
    }
  }

  template <class T>
  static std::optional<double> first_of(const Tensor& tensor) {
    const Result<std::vector<T>> values = tensor.read<T>();
    if (!values || values->empty()) return std::nullopt;
    return static_cast<double>(values->front());
  }

  // The number that the shortest spelling of a float32 says: 0.01, and not 0.009999999776482582.
  static std::optional<double> as_spelled(std::optional<double> read) {
    if (!read || !std::isfinite(*read) || std::floor(*read) == *read) return read;
    std::array<char, 32> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), static_cast<float>(*read)).ptr;
    double spelled = *read;
    std::from_chars(digits.data(), end, spelled);
    return spelled;
  }

  const Tensor* tensor_at(std::uint32_t index) {
    if (entries_.empty()) {
      for (std::uint32_t i = 0; i < model_.tensors().size(); ++i) {
        const std::uint32_t own = model_.tensors()[i].index;
        if (own >= entries_.size()) entries_.resize(own + 1, kNoNode);
        entries_[own] = i;
      }
    }
    if (index >= entries_.size() || entries_[index] == kNoNode) return nullptr;
    return &model_.tensors()[entries_[index]].tensor;
  }

  const Model& model_;
  std::vector<bool> seen_;
  std::vector<Place> places_;
  std::vector<std::uint32_t> entries_;  // by TensorNode::index
  std::size_t states_ = 0;              // that were looked at
  TrainingReport report_;
};

// A whole number without a point.
void write_number(JsonWriter& writer, std::optional<double> number) {
  constexpr double kExact = 9007199254740992;  // 2^53
  if (!number) {
    writer.null();
  } else if (std::abs(*number) < kExact && std::floor(*number) == *number) {
    writer.integer(static_cast<std::int64_t>(*number));
  } else {
    writer.number(*number);
  }
}

void write_plain(JsonWriter& writer, Value value) {
  if (value.is(ValueKind::kBool)) {
    writer.boolean(value.as_bool());
  } else if (value.is(ValueKind::kInt)) {
    writer.integer(value.as_int());
  } else if (value.is(ValueKind::kFloat)) {
    write_float(writer, value);
  } else if (value.is(ValueKind::kString)) {
    writer.string(value.as_string());
  } else {
    writer.null();
  }
}

void write_group(JsonWriter& writer, const ParameterGroup& group) {
  writer.begin_object().key("parameters").unsigned_integer(group.parameters);
  for (const Setting& setting : group.settings) {
    if (setting.key == "parameters") continue;
    writer.key(setting.key);
    if (setting.number) {
      writer.number(*setting.number);
    } else if (has_items(setting.value)) {
      writer.begin_array();
      for (std::size_t i = 0; i < setting.value.size(); ++i) write_plain(writer, setting.value.item(i));
      writer.end_array();
    } else {
      write_plain(writer, setting.value);
    }
  }
  writer.end_object();
}

}  // namespace

TrainingReport training_of(const Model& model) { return Reader(model).read(); }

void write_training(JsonWriter& writer, const TrainingReport& report) {
  writer.key("optimizers").begin_array();
  for (const OptimizerReport& optimizer : report.optimizers) {
    std::uint64_t parameters = 0;
    for (const ParameterGroup& group : optimizer.groups) parameters += group.parameters;
    writer.begin_object().key("where").string(optimizer.where);
    write_text(writer, "class", optimizer.kind);
    write_number(writer.key("step"), optimizer.step);
    if (optimizer.least_step != optimizer.step) {
      writer.key("steps").begin_array();
      write_number(writer, optimizer.least_step);
      write_number(writer, optimizer.step);
      writer.end_array();
    }
    writer.key("parameters").unsigned_integer(parameters).key("groups").begin_array();
    for (const ParameterGroup& group : optimizer.groups) write_group(writer, group);
    writer.end_array();
    if (optimizer.more_groups > 0) writer.key("more_groups").unsigned_integer(optimizer.more_groups);
    writer.end_object();
  }
  writer.end_array().key("schedulers").begin_array();
  for (const SchedulerReport& scheduler : report.schedulers) {
    writer.begin_object().key("where").string(scheduler.where);
    write_text(writer, "class", scheduler.kind);
    writer.key("last_epoch");
    if (scheduler.last_epoch) {
      writer.integer(*scheduler.last_epoch);
    } else {
      writer.null();
    }
    writer.key("lr").begin_array();
    for (const double rate : scheduler.lr) writer.number(rate);
    writer.end_array().end_object();
  }
  writer.end_array();
}

}  // namespace holdall
