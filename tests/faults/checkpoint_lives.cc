#include "tests/faults/checkpoint_lives.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <unordered_map>

#include "holdall/checkpoint/checkpoint_test_states.h"
#include "holdall/io/system_source.h"

namespace holdall {
namespace {

using Save = CheckpointLife::Save;

constexpr std::size_t kFloats = 40;

// The states that files of these bytes hold, once verified: few distinct files come in very many states of a file system.
std::int64_t state_in(const std::string& content, const std::string& name) {
  static std::mutex mutex;
  static std::unordered_map<std::string, std::int64_t> known;
  const std::lock_guard lock(mutex);
  if (const auto found = known.find(content); found != known.end()) return found->second;
  const Bundle bundle = Bundle::of(memory_source(Bytes::copy(content), name));
  const auto report = verify_model(bundle);
  std::int64_t state = -1;
  if (report && report->sound()) {
    const auto model = open_model(bundle);
    for (std::int64_t i = 0; i < 100 && model; ++i)
      if (is_state_of(*model, i, kFloats)) state = i;
  }
  known[content] = state;
  return state;
}

// -1: what is there is not whole.
std::int64_t state_of_entry(System& system, const std::string& path) {
  const auto kind = system.kind(path);
  const std::string file = kind && *kind == System::Kind::kFolder ? path + "/model.safetensors" : path;
  const auto source = system_source(system, file);
  if (!source) return -1;
  const auto content = read_all(**source, 1u << 20);
  return content ? state_in(std::string(content->text()), file) : -1;
}

CheckpointLabel label_of(const Save& save) { return {.step = save.step, .metrics = {{"loss", save.loss}}}; }

SaveOptions save_options(const CheckpointLife& life) {
  SaveOptions options;
  options.to = life.to;
  return options;
}

bool is(const Checkpoint& checkpoint, const Save& save, std::int64_t state) {
  return save.state == state && checkpoint.label.step == save.step && checkpoint.metric("loss") == save.loss;
}

}  // namespace

std::vector<CheckpointLife> checkpoint_lives() {
  const BestRule best{"loss", BestRule::Mode::kMin, 1};
  std::vector<CheckpointLife> lives;
  const auto add = [&](CheckpointLife life) {
    life.options.threads = 1;
    lives.push_back(std::move(life));
  };
  const std::string safetensors = "step{step}.safetensors";
  add({.name = "the first save", .saves = {{1, 1, 0.5}}, .options = {.name = "step{step}.pt"}});
  add({.name = "saves and rules",
       .before = {{1, 1, 0.5}, {2, 2, 0.1}, {3, 3, 0.4}},
       .saves = {{4, 4, 0.3}, {5, 5, 0.2}, {6, 6, 0.05}},
       .options = {.name = safetensors, .rules = {.last = 1, .best = {best}}},
       .retains = true});
  add({.name = "a step saved again",
       .before = {{1, 1, 0.5}, {2, 2, 0.4}},
       .saves = {{2, 12, 0.3}, {2, 22, 0.2}},
       .options = {.name = safetensors}});
  add({.name = "a torn journal",
       .before = {{1, 1, 0.5}, {2, 2, 0.4}},
       .saves = {{3, 3, 0.3}},
       .options = {.name = safetensors, .rules = {.last = 2}},
       .damage = "0123456789abcdef {\"kind\":\"saved\",\"na",
       .retains = true});
  add({.name = "a run that goes back",
       .before = {{1, 1, 0.5}, {2, 2, 0.4}, {3, 3, 0.1}},
       .saves = {{2, 12, 0.3}, {3, 13, 0.2}},
       .options = {.name = safetensors, .rules = {.last = 2, .best = {best}}},
       .retains = true});
  add({.name = "folders",
       .before = {{1, 1, 0.5}, {2, 2, 0.4}},
       .saves = {{2, 12, 0.3}, {3, 3, 0.2}},
       .options = {.name = "step{step}", .rules = {.last = 1}},
       .to = "huggingface",
       .retains = true});
  return lives;
}

void PrintTo(const CheckpointLife& life, std::ostream* out) { *out << life.name; }

std::string test_name(const CheckpointLife& life) {
  std::string name;
  bool upper = true;
  for (const char c : life.name) {
    const bool letter = c >= 'a' && c <= 'z';
    if (letter) name += static_cast<char>(upper ? c - 'a' + 'A' : c);
    upper = !letter;
  }
  return name;
}

Status live(const CheckpointLife& life, System& system, Reported& reported) {
  CheckpointerOptions options = life.options;
  options.system = &system;
  HOLDALL_ASSIGN(const auto checkpointer, Checkpointer::open(kRunFolder, std::move(options)));
  Status first;
  for (const Save& save : life.saves) {
    reported.begun.push_back(save);
    const auto outcome = checkpointer->save(state_of(save.state, kFloats), label_of(save), save_options(life));
    Status status = outcome ? Status() : Status(outcome.error());
    // An error that was not of this save lets it be tried again.
    if (status) status = checkpointer->wait();
    if (status) {
      reported.done = reported.begun.size();
    } else {
      ++reported.errors;
      if (first) first = std::move(status);
      break;
    }
  }
  Status closed = checkpointer->close();
  if (!closed) ++reported.errors;
  return first ? std::move(closed) : std::move(first);
}

Reported set_up(const CheckpointLife& life, SimulatedSystem& system) {
  system.put("/runs/neighbour", "untouched");
  Reported reported;
  if (life.before.empty()) return reported;
  CheckpointLife earlier = life;
  earlier.saves = life.before;
  const Status lived = live(earlier, system, reported);
  EXPECT_TRUE(lived) << lived.error().to_string();
  const std::string path = std::string(kRunFolder) + "/" + std::string(kJournalFile);
  std::string journal = system.tree(path).at("") + life.damage;
  EXPECT_TRUE(system.remove(path));
  system.put(path, journal);  // and with it all else is on disk
  return reported;
}

std::size_t temporaries(const SimulatedSystem& system) {
  std::size_t found = 0;
  for (const auto& [name, content] : system.tree("/runs"))
    if (name.find(".holdall-") != std::string::npos) ++found;
  return found;
}

void check_folder(System& system, const Reported& reported) {
  const auto contents = CheckpointFolder::read(kRunFolder, system);
  if (!contents) {
    ASSERT_EQ(reported.done, 0u) << contents.error().to_string();
    return;
  }
  std::vector<std::int64_t> states;
  for (const Checkpoint& checkpoint : contents->all()) {
    if (!checkpoint.is_complete()) continue;
    const std::int64_t state = state_of_entry(system, contents->path_of(checkpoint));
    ASSERT_GE(state, 0) << checkpoint.name << " is listed as complete and is not whole";
    const bool right = std::any_of(reported.begun.begin(), reported.begun.end(),
                                   [&](const Save& save) { return is(checkpoint, save, state); });
    ASSERT_TRUE(right) << checkpoint.name << " holds state " << state << " and is listed as step " << checkpoint.label.step
                       << ", loss " << checkpoint.metric("loss").value_or(-1);
  }
  if (reported.done == 0) return;
  const Checkpoint* const newest = contents->latest();
  ASSERT_NE(newest, nullptr) << "nothing is left";
  const std::int64_t state = state_of_entry(system, contents->path_of(*newest));
  bool new_enough = false;
  for (std::size_t i = reported.done - 1; i < reported.begun.size(); ++i)
    new_enough = new_enough || is(*newest, reported.begun[i], state);
  ASSERT_TRUE(new_enough) << "the newest is step " << newest->label.step << " with state " << state << ", older than reported";
  // What was saved again under its name is gone, by the training's own will.
  double best = 1e9;
  for (std::size_t i = 0; i < reported.done; ++i) {
    const bool replaced = std::any_of(reported.begun.begin() + static_cast<std::ptrdiff_t>(i) + 1, reported.begun.end(),
                                      [&](const Save& later) { return later.step == reported.begun[i].step; });
    if (!replaced) best = std::min(best, reported.begun[i].loss);
  }
  ASSERT_LE(*contents->best("loss", BestRule::Mode::kMin)->metric("loss"), best) << "the best is gone";
}

void check_next_life(const CheckpointLife& life, SimulatedSystem& system, Reported reported) {
  CheckpointLife next = life;
  next.saves = {{50, 50, 0.01}};
  const Status lived = live(next, system, reported);
  ASSERT_TRUE(lived) << lived.error().to_string();
  check_folder(system, reported);
  if (testing::Test::HasFatalFailure()) return;
  ASSERT_EQ(temporaries(system), 0u) << "something is left behind";
  ASSERT_EQ(system.open_handles(), 0);
  ASSERT_EQ(system.tree("/runs/neighbour"), (std::map<std::string, std::string>{{"", "untouched"}}));
  const auto contents = CheckpointFolder::read(kRunFolder, system);
  ASSERT_EQ(contents->journal().bad_lines, 0u);
  for (const Checkpoint& checkpoint : contents->all()) ASSERT_TRUE(checkpoint.is_complete()) << checkpoint.why;
}

}  // namespace holdall
