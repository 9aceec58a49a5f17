// States of a training that the tests of checkpoints save: what is in them follows from the step.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "holdall/checkpoint/checkpointer.h"
#include "holdall/ops/ops_test_models.h"

namespace holdall {

// `floats` numbers that no other step has.
inline std::vector<float> numbers_of(std::int64_t step, std::size_t floats) {
  std::vector<float> numbers(floats);
  auto seed = static_cast<std::uint32_t>(step * 2654435761u + 1);
  for (float& number : numbers) {
    seed = seed * 1664525u + 1013904223u;
    number = static_cast<float>(seed >> 8);
  }
  return numbers;
}

// {"model":{"w":[floats],"b":[3]},"optimizer":{"step":step,"m":[floats / 2]}}
inline Model state_of(std::int64_t step, std::size_t floats = 100) {
  ModelBuilder builder;
  Arena& arena = *builder.arena;
  const auto tensor = [&](std::int64_t seed, std::size_t count) {
    const std::vector<float> numbers = numbers_of(seed, count);
    return arena.tensor({.index = builder.add(tensor_of(DType::kFloat32, {numbers.size()}, numbers))});
  };
  const NodeId weights = arena.dict();
  arena.set_item(weights, "w", tensor(step, floats));
  arena.set_item(weights, "b", tensor(-step, 3));
  const NodeId optimizer = arena.dict();
  arena.set_item(optimizer, "step", arena.integer(step));
  arena.set_item(optimizer, "m", tensor(step + 1'000'000, floats / 2));
  builder.tree = arena.dict();
  arena.set_item(builder.tree, "model", weights);
  arena.set_item(builder.tree, "optimizer", optimizer);
  return *std::move(builder).named_by_tree();
}

// Whether a model holds the state of a step, bit for bit.
inline bool is_state_of(const Model& model, std::int64_t step, std::size_t floats = 100) {
  const Model wanted = state_of(step, floats);
  if (model.tensors().size() != wanted.tensors().size()) return false;
  for (const NamedTensor& entry : wanted.tensors()) {
    const NamedTensor* const found = model.find(entry.name);
    if (found == nullptr) return false;
    const auto bytes = found->tensor.read_bytes();
    if (!bytes || bytes->text() != entry.tensor.read_bytes()->text()) return false;
  }
  return true;
}

inline bool holds_state_of(const std::string& path, std::int64_t step, std::size_t floats = 100) {
  const auto model = open_model(path);
  return model && is_state_of(*model, step, floats);
}

inline std::string slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void spill(const std::string& path, std::string_view content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

// Entries of a folder whose names do not start with '.', sorted.
inline std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::string name = entry.path().filename().string();
    if (!name.starts_with('.')) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Temporaries that writers left.
inline std::size_t temporaries_in(const std::string& folder) {
  std::size_t found = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().filename().string().find(".holdall-") != std::string::npos) ++found;
  return found;
}

inline std::string step_name(std::int64_t step, const std::string& extension = ".pt") {
  return "checkpoint_epoch0_step" + std::to_string(step) + extension;
}

inline std::unique_ptr<Checkpointer> opened(const std::string& folder, CheckpointerOptions options = {}) {
  auto checkpointer = Checkpointer::open(folder, std::move(options));
  EXPECT_TRUE(checkpointer) << checkpointer.error().to_string();
  return checkpointer ? std::move(*checkpointer) : nullptr;
}

// Saves states of these steps, one after the other.
inline void save_steps(Checkpointer& checkpointer, const std::vector<std::int64_t>& steps) {
  for (const std::int64_t step : steps) {
    const auto outcome = checkpointer.save(state_of(step), {.step = step, .metrics = {{"loss", 1.0 / double(step + 1)}}});
    ASSERT_TRUE(outcome) << outcome.error().to_string();
    const Status waited = checkpointer.wait();
    ASSERT_TRUE(waited) << waited.error().to_string();
  }
}

}  // namespace holdall
