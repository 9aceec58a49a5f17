// The Nth operation fails, for every N, once or from then on, in a whole life of a Checkpointer: what was reported is there,
// what is listed is whole, what failed is told, and the next process finds all in order.
#include <gtest/gtest.h>

#include "holdall/checkpoint/checkpoint_test_states.h"
#include "tests/faults/checkpoint_lives.h"
#include "tests/faults/faulty_system.h"
#include "tests/faults/passing_system.h"

namespace holdall {
namespace {

class CheckpointFailure : public testing::TestWithParam<CheckpointLife> {};

int operations(const CheckpointLife& life) {
  SimulatedSystem below;
  Reported reported = set_up(life, below);
  FaultySystem system(below, {.removals_too = true});
  EXPECT_TRUE(live(life, system, reported));
  return system.operations();
}

// What became of the lives that a fault was put into.
struct Tally {
  int lives = 0;
  int told = 0;
};

void check_fault(const CheckpointLife& life, const SimulatedSystem& start, Reported reported, const FailurePlan& plan,
                 Tally& tally) {
  const auto copy = start.kill();
  SimulatedSystem& below = *copy;
  FaultySystem system(below, plan);
  const Status lived = live(life, system, reported);
  ++tally.lives;
  ASSERT_EQ(below.open_handles(), 0) << "descriptors are left open";
  if (!lived) {
    ++tally.told;
    ASSERT_TRUE(system.has_failed());
    // Where what stands at a name could not be read, the refusal to replace it says why.
    const bool refused = lived.error().code() == Code::kAlreadyExists;
    ASSERT_EQ(lived.error().system_code(), refused ? 0 : plan.code) << lived.error().to_string();
    ASSERT_NE(lived.error().to_string().find("fails by plan"), std::string::npos) << lived.error().to_string();
    ASSERT_EQ(lived.error().path().find("/runs"), 0u) << lived.error().to_string();
    ASSERT_EQ(lived.error().to_string().find(".holdall-"), std::string::npos)
        << "names a temporary, of which its reader knows nothing: " << lived.error().to_string();
  } else {
    ASSERT_EQ(reported.done, life.before.size() + life.saves.size()) << "a save failed and nobody was told";
  }
  const auto later = below.kill();
  check_folder(*later, reported);
  if (testing::Test::HasFatalFailure()) return;
  check_next_life(life, *later, reported);
}

TEST_P(CheckpointFailure, OfAnyOperationIsToldAndCostsNothingThatWasReported) {
  const CheckpointLife& life = GetParam();
  const int count = operations(life);
  ASSERT_GT(count, 40);
  SimulatedSystem start;
  const Reported reported = set_up(life, start);
  Tally tally;
  for (int at = 1; at <= count; ++at) {
    for (const bool forever : {false, true}) {
      for (const bool removals : {false, true}) {
        const int code = (at + forever) % 2 == 0 ? EIO : ENOSPC;
        check_fault(life, start, reported, {at, forever, removals, code}, tally);
        if (HasFatalFailure())
          FAIL() << "operation " << at << " of " << count << (forever ? " and all after it" : "")
                 << (removals ? ", removals too" : "") << ", errno " << code;
      }
    }
  }
  EXPECT_GT(tally.told, count);
  RecordProperty("operations", count);
  RecordProperty("lives", tally.lives);
  RecordProperty("told", tally.told);
}

INSTANTIATE_TEST_SUITE_P(Lives, CheckpointFailure, testing::ValuesIn(checkpoint_lives()),
                         [](const auto& parameter) { return test_name(parameter.param); });

// A training that goes on after a failure: later saves succeed, and nothing of the failed one stays.
TEST(CheckpointOutage, IsOverOnceTheDiskIsBack) {
  const CheckpointLife life = checkpoint_lives()[1];
  SimulatedSystem below;
  Reported reported = set_up(life, below);
  // Writing of the second save: everything fails for a while.
  class Outage final : public PassingSystem {
   public:
    using PassingSystem::PassingSystem;
    std::atomic<bool> out = false;
    Status sync(Handle handle) override { return out ? Status(io_error("out", EIO)) : PassingSystem::sync(handle); }
  } system(below);
  CheckpointerOptions options = life.options;
  options.system = &system;
  auto checkpointer = Checkpointer::open(kRunFolder, options);
  ASSERT_TRUE(checkpointer);
  for (std::int64_t step = 10; step < 30; ++step) {
    system.out = step % 3 == 0;
    const bool failing = system.out;
    ASSERT_TRUE((*checkpointer)->save(state_of(step, 40), {.step = step, .metrics = {{"loss", 0.5}}}));
    const Status waited = (*checkpointer)->wait();
    ASSERT_EQ(waited.has_value(), !failing) << step;
    const auto contents = CheckpointFolder::read(kRunFolder, below);
    ASSERT_TRUE(contents);
    ASSERT_GE(contents->latest()->label.step, failing ? step - 1 : step);
    ASSERT_EQ(temporaries(below), 0u);
  }
  EXPECT_TRUE((*checkpointer)->close());
}

}  // namespace
}  // namespace holdall
