// Saves a folder of checkpoints, for the tests of `holdall checkpoint` and its number.
//
// make_checkpoints FOLDER [last=K] [every=N] [best=NAME:MODE:K]… [name=TEMPLATE]; a line of standard input is a save: "STEP
// EPOCH [METRIC=VALUE]…". Each is {"step": STEP, "model_state_dict": {"weight": four float32 of STEP}}.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>

#include "holdall/checkpoint/checkpointer.h"
#include "holdall/holdall.h"

namespace {

using namespace holdall;

Result<CheckpointerOptions> options_of(int count, char** words) {
  CheckpointerOptions options;
  options.durable = false;
  for (int i = 0; i < count; ++i) {
    const std::string word = words[i];
    const std::string value = word.substr(word.find('=') + 1);
    if (word.starts_with("last=")) options.rules.last = std::stoull(value);
    if (word.starts_with("every=")) options.rules.every = std::stoull(value);
    if (word.starts_with("name=")) options.name = value;
    if (!word.starts_with("best=")) continue;
    HOLDALL_ASSIGN(BestRule rule, parse_best_rule(value));
    options.rules.best.push_back(std::move(rule));
  }
  return options;
}

CheckpointLabel label_of(const std::string& line) {
  CheckpointLabel label;
  std::istringstream words(line);
  std::int64_t epoch = 0;
  words >> label.step >> epoch;
  label.epoch = epoch;
  for (std::string metric; words >> metric;) {
    const std::size_t equals = metric.find('=');
    label.metrics.emplace_back(metric.substr(0, equals), std::strtod(metric.c_str() + equals + 1, nullptr));
  }
  return label;
}

Status save_all(const std::string& folder, CheckpointerOptions options) {
  HOLDALL_ASSIGN(const auto checkpointer, Checkpointer::open(folder, std::move(options)));
  for (std::string line; std::getline(std::cin, line);) {
    const CheckpointLabel label = label_of(line);
    std::array<float, 4> weight;
    weight.fill(static_cast<float>(label.step));
    StateDict state;
    state.set("step", label.step);
    HOLDALL_ASSIGN(Tensor tensor, make_tensor<float>(weight, {4}));
    state.dict("model_state_dict").set("weight", std::move(tensor));
    HOLDALL_ASSIGN(const Model model, state.model());
    HOLDALL_TRY(checkpointer->save(model, label));
  }
  return checkpointer->close();
}

}  // namespace

int main(int count, char** words) {
  if (count < 2) return 2;
  auto options = options_of(count - 2, words + 2);
  const Status status = options ? save_all(words[1], *std::move(options)) : Status(options.error());
  if (!status) std::fprintf(stderr, "%s\n", status.error().to_string().c_str());
  return status ? 0 : 1;
}
