// Power failures and kills at every step of a Checkpointer's life: the newest checkpoint that is found is whole, is what its
// label says, and is nothing older than what was reported; the rules never took the best; the next process goes on.
#include <gtest/gtest.h>

#include "holdall/checkpoint/checkpoint_test_states.h"
#include "tests/faults/checkpoint_lives.h"

namespace holdall {
namespace {

constexpr int kStates = 10'000;  // at least, for each life

class CheckpointCrash : public testing::TestWithParam<CheckpointLife> {};

// Samples the states that a crash at this moment may leave.
class Sampler {
 public:
  Sampler(const CheckpointLife& life, int per_step) : life_(life), per_step_(per_step) {}

  void step(const SimulatedSystem& system, const Reported& reported) {
    for (int i = 0; i < per_step_ && !testing::Test::HasFatalFailure(); ++i) {
      constexpr double kKept[] = {0.5, 0.9, 0.1, 0.0, 1.0};
      const auto after = i == 0 ? system.kill() : system.crash(random_, kKept[i % 5]);
      check_folder(*after, reported);
      ++states_;
      if (testing::Test::HasFatalFailure()) return;
      if (i % 20 == 7) check_next_life(life_, *after, reported);
      if (i % 40 == 9) crash_in_next_life(*after, reported);
    }
  }
  int states() const { return states_; }

 private:
  // The machine fails again while the next process opens the folder and saves.
  void crash_in_next_life(SimulatedSystem& first, Reported reported) {
    CheckpointLife next = life_;
    next.saves = {{60, 60, 0.02}};
    std::vector<std::pair<std::unique_ptr<SimulatedSystem>, Reported>> seconds;
    first.before_change = [&] {
      if (chance(random_)) seconds.emplace_back(first.crash(random_, 0.5), reported);
    };
    ASSERT_TRUE(live(next, first, reported));
    for (const auto& [second, then] : seconds) {
      check_folder(*second, then);
      ++states_;
      if (testing::Test::HasFatalFailure()) return;
    }
    if (!seconds.empty()) check_next_life(life_, *seconds.back().first, seconds.back().second);
  }
  static bool chance(std::mt19937& random) { return random() % 3 == 0; }

  const CheckpointLife& life_;
  int per_step_;
  int states_ = 0;
  std::mt19937 random_{25};
};

int count_steps(const CheckpointLife& life) {
  SimulatedSystem system;
  Reported reported = set_up(life, system);
  int steps = 0;
  system.before_change = [&] { ++steps; };
  EXPECT_TRUE(live(life, system, reported));
  return steps;
}

TEST_P(CheckpointCrash, LeavesTheNewestWholeAndTheRulesTookNothingElse) {
  const CheckpointLife& life = GetParam();
  const int steps = count_steps(life) + 1;
  Sampler sampler(life, (kStates + steps - 1) / steps);
  SimulatedSystem system;
  Reported reported = set_up(life, system);
  ASSERT_FALSE(HasFatalFailure());
  system.before_change = [&] {
    if (!HasFatalFailure()) sampler.step(system, reported);
  };
  const Status lived = live(life, system, reported);
  system.before_change = nullptr;
  ASSERT_TRUE(lived) << lived.error().to_string();
  ASSERT_FALSE(HasFatalFailure());
  ASSERT_EQ(reported.done, life.before.size() + life.saves.size());
  sampler.step(system, reported);
  EXPECT_GE(sampler.states(), kStates);
  RecordProperty("states", sampler.states());
  check_next_life(life, system, reported);
}

INSTANTIATE_TEST_SUITE_P(Lives, CheckpointCrash, testing::ValuesIn(checkpoint_lives()),
                         [](const auto& parameter) { return test_name(parameter.param); });

// The test must be able to fail: with syncing switched off, what was reported is lost now and then.
TEST(CheckpointCrashSimulator, CatchesACheckpointerThatDoesNotSync) {
  CheckpointLife life = checkpoint_lives()[1];
  life.options.durable = false;
  SimulatedSystem system;
  Reported reported = set_up(life, system);
  ASSERT_TRUE(live(life, system, reported));
  std::mt19937 random(1);
  int lost = 0;
  for (int i = 0; i < 200; ++i) {
    const auto after = system.crash(random, 0.5);
    const auto contents = CheckpointFolder::read(kRunFolder, *after);
    if (!contents || contents->at_step(6) == nullptr) ++lost;
  }
  EXPECT_GT(lost, 50);
}

}  // namespace
}  // namespace holdall
