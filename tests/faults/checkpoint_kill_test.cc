// Trainings killed with SIGKILL at random moments: what is found afterwards is the newest that was reported, or a newer one,
// bit for bit what was saved at its step. The oracle stands outside: a pipe, to which the training writes each save reported as
// done.
//
// HOLDALL_KILLS=1000 in the environment sets the number of kills of each kind; tens without it.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>

#include "holdall/checkpoint/checkpoint_test_states.h"

namespace holdall {
namespace {

constexpr std::size_t kFloats = 30'000;

int kills() {
  const char* wanted = std::getenv("HOLDALL_KILLS");
  return wanted == nullptr ? 20 : std::atoi(wanted);
}

struct KilledTraining {
  const char* name;
  CheckpointerOptions options;
  bool again = false;  // each step is saved twice
};

class CheckpointKill : public testing::TestWithParam<KilledTraining> {
 protected:
  std::string folder() const { return scratch_ / "run"; }

  // Goes on from what is found, saves step after step and reports each on `pipe` once it is on disk, until it is killed.
  [[noreturn]] void train(int pipe) const {
    std::int64_t step = 0;
    if (const auto contents = CheckpointFolder::read(folder()); contents && contents->latest() != nullptr)
      step = contents->latest()->label.step;
    auto checkpointer = Checkpointer::open(folder(), GetParam().options);
    if (!checkpointer) ::_exit(1);
    std::int64_t before = 0;
    while (true) {
      ++step;
      for (int time = 0; time < (GetParam().again ? 2 : 1); ++time) {
        const auto outcome =
            (*checkpointer)->save(state_of(step, kFloats), {.step = step, .metrics = {{"loss", 1.0 / double(step)}}});
        if (!outcome) ::_exit(2);
        // While one is written the next is made: a save is reported once a later call has waited for it.
        if (before != 0 && step % 3 == 0) {
          if (!(*checkpointer)->wait()) ::_exit(3);
          if (::write(pipe, &step, sizeof(step)) != sizeof(step)) ::_exit(4);
        }
      }
      before = step;
    }
  }

  // The step found by opening what is newest; 0 where there is nothing.
  std::int64_t found(std::int64_t reported) const {
    const auto contents = CheckpointFolder::read(folder());
    if (!contents || contents->latest() == nullptr) return 0;
    for (const Checkpoint& checkpoint : contents->all()) {
      const auto report = verify_checkpoint(folder(), checkpoint);
      EXPECT_TRUE(report && report->sound()) << checkpoint.name << (report ? report->faults.list.front().what : "");
      EXPECT_TRUE(holds_state_of(contents->path_of(checkpoint), checkpoint.label.step, kFloats)) << checkpoint.name;
    }
    std::vector<PassedOver> passed_over;
    const auto model = open_newest(folder(), &passed_over);
    EXPECT_TRUE(model) << "nothing opens, and step " << reported << " was reported";
    EXPECT_TRUE(passed_over.empty());
    const std::int64_t step = contents->latest()->label.step;
    EXPECT_TRUE(model && is_state_of(*model, step, kFloats));
    return step;
  }

  Scratch scratch_;
};

TEST_P(CheckpointKill, CostsNothingThatWasReported) {
  std::mt19937 random(5);
  std::int64_t last = 0;
  for (int i = 0; i < kills(); ++i) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(ends[0]);
      train(ends[1]);
    }
    ::close(ends[1]);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 60'000));
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the training failed by itself: " << WEXITSTATUS(status);
    std::int64_t reported = last;
    while (::read(ends[0], &reported, sizeof(reported)) == sizeof(reported)) last = reported;
    ::close(ends[0]);
    const std::int64_t step = found(last);
    ASSERT_GE(step, last) << "a reported checkpoint is lost after kill " << i;
    ASSERT_FALSE(HasFailure()) << "after kill " << i;
    last = step;
  }
  EXPECT_GT(last, 0);
  // The next process leaves nothing of the killed ones, and what the rules say.
  CheckpointerOptions options = GetParam().options;
  auto checkpointer = opened(folder(), options);
  ASSERT_TRUE(checkpointer->save(state_of(last + 1, kFloats), {.step = last + 1}));
  ASSERT_TRUE(checkpointer->close());
  EXPECT_EQ(temporaries_in(folder()), 0u);
  EXPECT_LE(names_in(folder()).size(), 4u);
  EXPECT_EQ(found(last), last + 1);
}

INSTANTIATE_TEST_SUITE_P(
    Trainings, CheckpointKill,
    testing::Values(KilledTraining{"Durable", {.rules = {.last = 2, .best = {{"loss"}}}}},
                    KilledTraining{"InPageCache", {.rules = {.last = 2}, .in_flight = 2, .durable = false}},
                    KilledTraining{
                        "StepsSavedAgain", {.name = "s{step}.safetensors", .rules = {.last = 3}, .durable = false}, true}),
    [](const auto& parameter) { return std::string(parameter.param.name); });

// Two processes want one folder: one gets it, the other is told who has it; it gets it once the first is killed.
TEST(CheckpointProcesses, TwoWantOneFolder) {
  const Scratch scratch;
  const std::string folder = scratch / "run";
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto checkpointer = Checkpointer::open(folder, {});
    const bool saved = checkpointer && (*checkpointer)->save(state_of(1), {.step = 1}) && (*checkpointer)->wait();
    // A child of the holder, which outlives it, holds nothing.
    const pid_t grandchild = ::fork();
    if (grandchild == 0) {
      ::sleep(60);
      ::_exit(0);
    }
    if (!saved || ::write(ends[1], &grandchild, sizeof(grandchild)) != sizeof(grandchild)) ::_exit(1);
    ::sleep(60);
    ::_exit(2);
  }
  pid_t grandchild = 0;
  ASSERT_EQ(::read(ends[0], &grandchild, sizeof(grandchild)), static_cast<ssize_t>(sizeof(grandchild)));
  ::close(ends[0]);
  ::close(ends[1]);
  const auto refused = Checkpointer::open(folder, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kConflict);
  EXPECT_NE(refused.error().message().find("process " + std::to_string(child)), std::string::npos) << refused.error().message();
  EXPECT_NE(refused.error().message().find("host " + System::local().host()), std::string::npos) << refused.error().message();
  EXPECT_TRUE(holds_state_of(folder + "/" + step_name(1), 1));
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ::waitpid(child, nullptr, 0);
  auto checkpointer = opened(folder);
  ASSERT_NE(checkpointer, nullptr);
  EXPECT_EQ(::kill(grandchild, SIGKILL), 0) << "it should have been alive all the time";
  save_steps(*checkpointer, {2});
  EXPECT_EQ(CheckpointFolder::read(folder)->latest()->sequence, 2u);
}

// Many start at once: exactly one has the folder at a time, and no save of any is lost.
TEST(CheckpointProcesses, ManyStartAtOnceAndOneAtATimeSaves) {
  const Scratch scratch;
  const std::string folder = scratch / "deep/in/run";
  std::vector<pid_t> children;
  for (std::int64_t number = 1; number <= 8; ++number) {
    const pid_t child = ::fork();
    if (child == 0) {
      while (true) {
        auto checkpointer = Checkpointer::open(folder, {.durable = false});
        if (!checkpointer && checkpointer.error().code() != Code::kConflict) ::_exit(1);
        if (!checkpointer) {
          ::usleep(1000);
          continue;
        }
        const bool saved = (*checkpointer)->save(state_of(number), {.step = number}) && (*checkpointer)->close();
        ::_exit(saved ? 0 : 2);
      }
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  const CheckpointFolder contents = *CheckpointFolder::read(folder);
  ASSERT_EQ(contents.all().size(), 8u);
  std::set<std::uint64_t> sequences;
  for (const Checkpoint& checkpoint : contents.all()) sequences.insert(checkpoint.sequence);
  EXPECT_EQ(sequences.size(), 8u) << "two saves bear one number";
}

// A full disk: a small file system in memory, which needs the right to mount one.
class FullDisk : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = scratch_ / "disk";
    std::filesystem::create_directory(folder_);
    if (::mount("tmpfs", folder_.c_str(), "tmpfs", 0, "size=4m") != 0)
      GTEST_SKIP() << "a small file system cannot be mounted here: " << std::strerror(errno);
    mounted_ = true;
  }
  void TearDown() override {
    if (mounted_) ::umount2(folder_.c_str(), MNT_DETACH);
  }

  Scratch scratch_;
  std::string folder_;
  bool mounted_ = false;
};

TEST_F(FullDisk, FailsTheSaveClearlyAndCostsNothing) {
  constexpr std::size_t kLarge = 250'000;  // 1.5 MB
  for (const std::string extension : {".pt", ".safetensors"}) {
    auto checkpointer = opened(folder_, {.name = "step{step}" + extension});
    ASSERT_NE(checkpointer, nullptr);
    const std::string first = "step1" + extension;
    ASSERT_TRUE(checkpointer->save(state_of(1, kLarge), {.step = 1}));
    ASSERT_TRUE(checkpointer->wait());
    spill(folder_ + "/filler", std::string(1'500'000, 'f'));
    for (int time = 0; time < 3; ++time) {
      ASSERT_TRUE(checkpointer->save(state_of(2, kLarge), {.step = 2}));
      const Status full = checkpointer->wait();
      ASSERT_FALSE(full);
      EXPECT_EQ(full.error().system_code(), ENOSPC);
      EXPECT_EQ(full.error().path(), folder_ + "/step2" + extension);
      EXPECT_NE(full.error().to_string().find("No space left on device"), std::string::npos) << full.error().to_string();
      EXPECT_EQ(temporaries_in(folder_), 0u);
      EXPECT_TRUE(open_newest(folder_) && is_state_of(*open_newest(folder_), 1, kLarge));
    }
    // Full to the last byte: not even the journal can grow.
    spill(folder_ + "/last", std::string(4'000'000, 'l'));
    ASSERT_TRUE(checkpointer->save(state_of(2, kLarge), {.step = 2}));
    EXPECT_EQ(checkpointer->wait().error().system_code(), ENOSPC);
    EXPECT_TRUE(open_newest(folder_) && is_state_of(*open_newest(folder_), 1, kLarge));
    std::filesystem::remove(folder_ + "/last");
    std::filesystem::remove(folder_ + "/filler");
    ASSERT_TRUE(checkpointer->save(state_of(2, kLarge), {.step = 2}));
    const Status freed = checkpointer->close();
    ASSERT_TRUE(freed) << freed.error().to_string();
    EXPECT_TRUE(is_state_of(*open_newest(folder_), 2, kLarge));
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) std::filesystem::remove_all(entry.path());
  }
}

// A run that goes on has what it saved, keeps others away, and saves again as soon as there is room.
TEST_F(FullDisk, IsNoReasonToRefuseARunItsFolder) {
  save_steps(*opened(folder_), {1});
  spill(folder_ + "/filler", std::string(5'000'000, 'f'));
  {
    auto checkpointer = opened(folder_, {.rules = {.last = 3}});
    ASSERT_NE(checkpointer, nullptr);
    EXPECT_TRUE(is_state_of(*open_newest(folder_), 1));
    EXPECT_EQ(Checkpointer::open(folder_, {}).error().code(), Code::kConflict);
    ASSERT_TRUE(checkpointer->save(state_of(2), {.step = 2}));
    EXPECT_EQ(checkpointer->wait().error().system_code(), ENOSPC);
    std::filesystem::remove(folder_ + "/filler");
    save_steps(*checkpointer, {2});
  }
  EXPECT_EQ(CheckpointFolder::read(folder_)->latest()->label.step, 2);
  EXPECT_EQ(CheckpointFolder::read(folder_)->rules().last, 3u) << "what the journal lacked is put in behind the first save";
}

}  // namespace
}  // namespace holdall
