// Training: the optimizers and learning-rate schedulers of a checkpoint, told by what their state dicts hold.
//
// Thread-safety: may be called from several threads. Ownership: a report's values are the model's, the rest is its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdall/codec/json.h"
#include "holdall/core/model.h"

namespace holdall {

// A setting that is a number or holds plain values.
struct Setting {
  std::string key;
  Value value;
  // Of a tensor of one element (a learning rate on a device), read; of a float32 one what its shortest spelling says: 0.01.
  std::optional<double> number;
};

struct ParameterGroup {
  std::uint64_t parameters = 0;   // tensors that it moves
  std::vector<Setting> settings;  // in the file's order; without what is no plain value
};

struct OptimizerReport {
  std::string where;  // the path of keys, joined by '.'
  std::string kind;   // the class's likely name in torch.optim; empty: none that is known
  // The fewest and the most steps that a parameter has made; empty where none counts them.
  std::optional<double> least_step, step;
  std::vector<ParameterGroup> groups;
  std::uint64_t more_groups = 0;  // that are not listed
};

struct SchedulerReport {
  std::string where;
  std::string kind;  // in torch.optim.lr_scheduler
  std::optional<std::int64_t> last_epoch;
  std::vector<double> lr;  // the last, a group each
};

struct TrainingReport {
  std::vector<OptimizerReport> optimizers;
  std::vector<SchedulerReport> schedulers;
};

// State dicts of optimizers and schedulers wherever they stand in the tree, and pickled optimizers themselves. Reads steps
// and learning rates where they are tensors, a few bytes each; what cannot be read is left out.
TrainingReport training_of(const Model& model);

// "optimizers":[{"where","class","step","steps":[fewest,most] where they
// differ,"parameters","groups":[{"parameters",settings…}]}], "schedulers":[{"where","class","last_epoch","lr"}], into an open
// object.
void write_training(JsonWriter& writer, const TrainingReport& report);

}  // namespace holdall
