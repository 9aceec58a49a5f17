// Power failures at every step of every write path: whatever was not synced is lost, kept or torn, and still the old or the new
// stands at the path, whole.
#include <gtest/gtest.h>

#include "holdall/io/publish.h"
#include "tests/faults/write_paths.h"

namespace holdall {
namespace {

constexpr int kStates = 10'000;  // at least, for each write path

class Crash : public testing::TestWithParam<WritePath> {};

bool has_temporaries(const SimulatedSystem& system) {
  const Tree all = system.tree("/models");
  return std::any_of(all.begin(), all.end(),
                     [](const auto& entry) { return entry.first.find(".holdall-") != std::string::npos; });
}

// One state after a crash: before and after the next writer's sweep. `finished`: execute() had reported success.
void check_state(const WritePath& way, SimulatedSystem& after, bool finished) {
  const Tree found = after.tree(way.path);
  const bool missing = found.empty() && way.may_need_mending;
  ASSERT_TRUE(found == way.old || found == way.fresh || missing) << "neither the old nor the new";
  ASSERT_TRUE(!finished || found == way.fresh) << "reported as written, and lost";
  sweep(after, way.path);
  const Tree mended = after.tree(way.path);
  ASSERT_TRUE(mended == way.old || mended == way.fresh) << "not mended";
  ASSERT_TRUE(missing || mended == found) << "the sweep changed what was whole";
  ASSERT_FALSE(has_temporaries(after)) << "orphans are left";
  ASSERT_EQ(after.tree("/models/neighbour"), (Tree{{"", "untouched"}}));
}

// Samples the states that a crash at this moment may leave.
class Sampler {
 public:
  Sampler(const WritePath& way, int per_step) : way_(way), per_step_(per_step) {}

  void step(const SimulatedSystem& system, bool finished) {
    for (int i = 0; i < per_step_; ++i) {
      constexpr double kKept[] = {0.5, 0.9, 0.1, 0.0, 1.0};
      const auto after = system.crash(random_, kKept[i % 5]);
      check_state(way_, *after, finished);
      ++states_;
      if (testing::Test::HasFatalFailure()) return;
      // Now and then the sweep itself is cut short, or a whole next writer follows.
      if (i % 50 == 7) crash_in_sweep(*system.crash(random_, 0.5), finished);
      if (i % 50 == 8) crash_in_sweep(*system.kill(), finished);
      if (i % 50 == 9) write_again(system);
    }
  }
  int states() const { return states_; }

 private:
  // The machine fails while the next writer sweeps after a failure or a kill.
  void crash_in_sweep(SimulatedSystem& first, bool finished) {
    std::vector<std::unique_ptr<SimulatedSystem>> seconds;
    first.before_change = [&] {
      for (const double kept : {0.2, 0.5, 0.8}) seconds.push_back(first.crash(random_, kept));
    };
    sweep(first, way_.path);
    for (const auto& second : seconds) {
      check_state(way_, *second, finished);
      ++states_;
    }
  }

  void write_again(const SimulatedSystem& system) {
    const auto after = system.crash(random_, 0.5);
    ExecuteOptions options = way_.options;
    options.system = after.get();
    options.replace = true;
    const Status status = execute(way_.plan, way_.path, options);
    ASSERT_TRUE(status) << status.error().to_string();
    ASSERT_TRUE(after->tree(way_.path) == way_.fresh);
    ASSERT_FALSE(has_temporaries(*after));
  }

  const WritePath& way_;
  int per_step_;
  int states_ = 0;
  std::mt19937 random_{20};
};

int count_steps(const WritePath& way) {
  int steps = 0;
  SimulatedSystem system(way.abilities);
  way.set_up(system);
  system.before_change = [&] { ++steps; };
  ExecuteOptions options = way.options;
  options.system = &system;
  EXPECT_TRUE(execute(way.plan, way.path, options));
  return steps;
}

TEST_P(Crash, LeavesTheOldOrTheNewWhole) {
  const WritePath& way = GetParam();
  const int steps = count_steps(way) + 1;
  Sampler sampler(way, (kStates + steps - 1) / steps);
  SimulatedSystem system(way.abilities);
  way.set_up(system);
  system.before_change = [&] { sampler.step(system, false); };
  ExecuteOptions options = way.options;
  options.system = &system;
  const Status status = execute(way.plan, way.path, options);
  ASSERT_TRUE(status) << status.error().to_string();
  EXPECT_TRUE(system.tree(way.path) == way.fresh);
  EXPECT_FALSE(has_temporaries(system));
  sampler.step(system, true);
  EXPECT_GE(sampler.states(), kStates);
  RecordProperty("states", sampler.states());
}

INSTANTIATE_TEST_SUITE_P(WritePaths, Crash, testing::ValuesIn(write_paths()),
                         [](const auto& parameter) { return test_name(parameter.param); });

// The simulator must be able to catch a writer that forgets: without syncing, states are found that are neither old nor new.
TEST(CrashSimulator, CatchesAWriterThatDoesNotSync) {
  WritePath way = write_paths()[1];
  way.options.durable = false;
  SimulatedSystem system(way.abilities);
  way.set_up(system);
  ExecuteOptions options = way.options;
  options.system = &system;
  ASSERT_TRUE(execute(way.plan, way.path, options));
  std::mt19937 random(1);
  int broken = 0;
  for (int i = 0; i < 200; ++i) {
    const Tree found = system.crash(random, 0.5)->tree(way.path);
    if (found != way.old && found != way.fresh) ++broken;
  }
  EXPECT_GT(broken, 50);
}

// An index and its shards: never an index beside shards of another writing.
TEST(CrashOfSeveral, LeavesTheOldOrTheNewOrNoIndex) {
  const auto written = [](const std::string& content) {
    Plan plan;
    for (const char* name : {"m.json", "m_0", "m_1"}) {
      PlannedFile file;
      file.name = name;
      file.add(Bytes::copy(name + content));
      plan.files.push_back(std::move(file));
    }
    return plan;
  };
  const auto all = [](const std::string& content) {
    return Tree{{"m.json", "m.json" + content}, {"m_0", "m_0" + content}, {"m_1", "m_1" + content}};
  };
  std::mt19937 random(7);
  for (const bool replaces : {false, true}) {
    SimulatedSystem system;
    system.put("/models/neighbour", "untouched");
    ExecuteOptions options;
    options.system = &system;
    if (replaces) {
      ASSERT_TRUE(execute(written("old"), "/models/m.json", options));
    }
    int states = 0;
    bool finished = false;
    const auto check = [&] {
      for (int i = 0; i < 200; ++i) {
        Tree found = system.crash(random, i % 5 * 0.25)->tree("/models");
        std::erase_if(found, [](const auto& entry) { return !entry.first.starts_with('m'); });
        const bool whole = found == all("new") || (replaces && found == all("old"));
        ASSERT_TRUE(whole || !found.contains("m.json"));
        ASSERT_TRUE(!finished || found == all("new"));
        ++states;
      }
    };
    system.before_change = check;
    ASSERT_TRUE(execute(written("new"), "/models/m.json", options));
    finished = true;
    check();
    EXPECT_GT(states, 1'000);
  }
}

}  // namespace
}  // namespace holdall
