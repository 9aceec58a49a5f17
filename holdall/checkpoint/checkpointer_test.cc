#include "holdall/checkpoint/checkpointer.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>

#include "holdall/checkpoint/checkpoint_test_states.h"
#include "holdall/checkpoint/lease.h"
#include "tests/faults/passing_system.h"

namespace holdall {
namespace {

using Busy = CheckpointerOptions::Busy;
using Kind = CheckpointEvent::Kind;
using Outcome = Checkpointer::Outcome;
using testing::ElementsAre;
using testing::HasSubstr;

// A system whose new files are not made while the gate is shut.
class GatedSystem final : public PassingSystem {
 public:
  void shut() {
    const std::lock_guard lock(mutex_);
    shut_ = true;
  }
  void open_gate() {
    const std::lock_guard lock(mutex_);
    shut_ = false;
    changed_.notify_all();
  }
  // Until a writer stands at the gate.
  void await_writer() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ > 0; });
  }

  Result<Handle> open(const std::string& path, Open how) override {
    if (how == Open::kCreateNew) {
      std::unique_lock lock(mutex_);
      ++waiting_;
      changed_.notify_all();
      changed_.wait(lock, [&] { return !shut_; });
      --waiting_;
    }
    return PassingSystem::open(path, how);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool shut_ = false;
  int waiting_ = 0;
};

// A system on which new files cannot be made while `broken`.
class BreakingSystem final : public PassingSystem {
 public:
  std::atomic<bool> broken = false;
  Result<Handle> open(const std::string& path, Open how) override {
    if (broken && how == Open::kCreateNew) return io_error("broken by plan", EIO).in(path);
    return PassingSystem::open(path, how);
  }
};

std::vector<Kind> kinds_of(Checkpointer& checkpointer) {
  std::vector<Kind> kinds;
  for (const CheckpointEvent& event : checkpointer.events()) kinds.push_back(event.kind);
  return kinds;
}

class CheckpointerTest : public testing::Test {
 protected:
  std::string folder() const { return scratch_ / "run"; }
  std::string at(const std::string& name) const { return folder() + "/" + name; }
  std::vector<std::string> names() const { return names_in(folder()); }

  Scratch scratch_;
  GatedSystem gated_;
};

struct FileKind {
  std::string extension;
  std::size_t floats;
};

class CheckpointerFiles : public CheckpointerTest, public testing::WithParamInterface<FileKind> {};

TEST_P(CheckpointerFiles, AreOrdinaryWholeAndAsTheJournalSays) {
  const auto& [extension, floats] = GetParam();
  auto checkpointer = opened(folder(), {.name = "step{step}" + extension});
  ASSERT_NE(checkpointer, nullptr);
  for (const std::int64_t step : {1, 2}) {
    const auto outcome = checkpointer->save(state_of(step, floats), {.step = step, .epoch = 7, .metrics = {{"loss", 0.5}}});
    ASSERT_TRUE(outcome) << outcome.error().to_string();
    EXPECT_EQ(*outcome, Outcome::kQueued);
  }
  ASSERT_TRUE(checkpointer->close());
  for (const std::int64_t step : {1, 2}) {
    const std::string path = at("step" + std::to_string(step) + extension);
    EXPECT_TRUE(holds_state_of(path, step, floats));
    const auto report = verify_model(path);
    ASSERT_TRUE(report) << report.error().to_string();
    EXPECT_TRUE(report->sound()) << report->faults.list.front().what;
  }
  const auto contents = CheckpointFolder::read(folder());
  ASSERT_TRUE(contents);
  ASSERT_EQ(contents->all().size(), 2u);
  for (const Checkpoint& checkpoint : contents->all()) {
    EXPECT_EQ(checkpoint.bytes, std::filesystem::file_size(contents->path_of(checkpoint)));
    EXPECT_EQ(checkpoint.label.epoch, 7);
    const auto bundle = Bundle::open(contents->path_of(checkpoint), {});
    const auto frame = frame_of(*open_model(*bundle), *bundle);
    ASSERT_TRUE(frame);
    EXPECT_EQ(checkpoint.frame, *frame);
    EXPECT_EQ(frame->size(), 32u);
    const auto report = verify_checkpoint(folder(), checkpoint);
    ASSERT_TRUE(report && report->sound());
    EXPECT_GT(report->faults.digests, 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, CheckpointerFiles,
                         testing::Values(FileKind{".pt", 10}, FileKind{".pt", 300'000}, FileKind{".pt", 20'000'000},
                                         FileKind{".safetensors", 10}, FileKind{".safetensors", 20'000'000}),
                         [](const auto& parameter) {
                           return parameter.param.extension.substr(1) + "Of" + std::to_string(parameter.param.floats);
                         });

TEST_F(CheckpointerTest, WhatChangesAfterTheSaveIsNotInTheFile) {
  std::vector<float> live(100'000, 1.0f);
  const auto bytes = std::as_bytes(std::span(live));
  const Tensor tensor = *Tensor::dense(DType::kFloat32, {live.size()}, Blob::memory(Bytes::share(nullptr, bytes), "live"));
  auto checkpointer = opened(folder(), {.system = &gated_});
  gated_.shut();
  ASSERT_TRUE(checkpointer->save(flat_model({{"w", tensor}}), {.step = 5}));
  std::fill(live.begin(), live.end(), 2.0f);
  gated_.open_gate();
  ASSERT_TRUE(checkpointer->close());
  const auto saved = open_model(at(step_name(5)))->tensor("w")->read<float>();
  ASSERT_TRUE(saved);
  EXPECT_EQ(*saved, std::vector<float>(100'000, 1.0f));
}

TEST_F(CheckpointerTest, ASaveWaitsForTheOneBeforeIt) {
  auto checkpointer = opened(folder(), {.busy = Busy::kWait, .system = &gated_});
  gated_.shut();
  ASSERT_TRUE(checkpointer->save(state_of(1), {.step = 1}));
  gated_.await_writer();
  std::thread opener([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    gated_.open_gate();
  });
  const auto second = checkpointer->save(state_of(2), {.step = 2});
  opener.join();
  ASSERT_TRUE(second);
  EXPECT_EQ(*second, Outcome::kQueued);
  EXPECT_TRUE(std::filesystem::exists(at(step_name(1)))) << "it did not wait";
  ASSERT_TRUE(checkpointer->wait());
  const auto events = checkpointer->events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].checkpoint.label.step, 2);
  EXPECT_GT(events[1].waited, 0.04);
}

TEST_F(CheckpointerTest, ASaveIsSkippedWhileAnotherIsBeingWritten) {
  auto checkpointer = opened(folder(), {.busy = Busy::kSkip, .system = &gated_});
  gated_.shut();
  ASSERT_TRUE(checkpointer->save(state_of(1), {.step = 1}));
  EXPECT_EQ(*checkpointer->save(state_of(2), {.step = 2}), Outcome::kSkipped);
  gated_.open_gate();
  ASSERT_TRUE(checkpointer->wait());
  EXPECT_EQ(*checkpointer->save(state_of(3), {.step = 3}), Outcome::kQueued);
  ASSERT_TRUE(checkpointer->close());
  EXPECT_THAT(names(), ElementsAre(step_name(1), step_name(3)));
  EXPECT_THAT(kinds_of(*checkpointer), ElementsAre(Kind::kSkipped, Kind::kSaved, Kind::kSaved));
}

TEST_F(CheckpointerTest, ASaveTakesThePlaceOfOneThatHasNotBeenBegun) {
  auto checkpointer = opened(folder(), {.busy = Busy::kReplace, .in_flight = 2, .system = &gated_});
  gated_.shut();
  ASSERT_TRUE(checkpointer->save(state_of(1), {.step = 1}));
  gated_.await_writer();
  for (const std::int64_t step : {2, 3, 4}) EXPECT_EQ(*checkpointer->save(state_of(step), {.step = step}), Outcome::kQueued);
  gated_.open_gate();
  ASSERT_TRUE(checkpointer->close());
  EXPECT_THAT(names(), ElementsAre(step_name(1), step_name(4)));
  EXPECT_TRUE(holds_state_of(at(step_name(4)), 4));
  EXPECT_THAT(kinds_of(*checkpointer), ElementsAre(Kind::kReplaced, Kind::kReplaced, Kind::kSaved, Kind::kSaved));
}

TEST_F(CheckpointerTest, AFailureIsToldOnceByTheNextCall) {
  BreakingSystem system;
  auto checkpointer = opened(folder(), {.system = &system});
  system.broken = true;
  ASSERT_TRUE(checkpointer->save(state_of(1), {.step = 1}));
  const Status waited = checkpointer->wait();
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error().system_code(), EIO);
  EXPECT_EQ(waited.error().path(), at(step_name(1)));
  EXPECT_TRUE(checkpointer->check());
  system.broken = false;
  ASSERT_TRUE(checkpointer->save(state_of(2), {.step = 2}));
  EXPECT_TRUE(checkpointer->close());
  EXPECT_THAT(names(), ElementsAre(step_name(2)));
  EXPECT_THAT(kinds_of(*checkpointer), ElementsAre(Kind::kFailed, Kind::kSaved));
}

TEST_F(CheckpointerTest, AFailureIsToldByTheNextSaveWhichSavesNothing) {
  BreakingSystem system;
  auto checkpointer = opened(folder(), {.system = &system});
  system.broken = true;
  ASSERT_TRUE(checkpointer->save(state_of(1), {.step = 1}));
  // Waits for the writer without asking what came of it.
  while (checkpointer->events().empty()) std::this_thread::yield();
  system.broken = false;
  EXPECT_EQ(checkpointer->save(state_of(2), {.step = 2}).error().system_code(), EIO);
  EXPECT_TRUE(checkpointer->save(state_of(3), {.step = 3}));
  EXPECT_TRUE(checkpointer->close());
  EXPECT_THAT(names(), ElementsAre(step_name(3)));
}

TEST_F(CheckpointerTest, AFailureIsToldByClose) {
  BreakingSystem system;
  auto checkpointer = opened(folder(), {.system = &system});
  system.broken = true;
  ASSERT_TRUE(checkpointer->save(state_of(1), {.step = 1}));
  EXPECT_EQ(checkpointer->close().error().system_code(), EIO);
  EXPECT_TRUE(checkpointer->close());
}

TEST_F(CheckpointerTest, WhatDoesNotFitTheBoundIsWrittenFromTheLiveTensors) {
  constexpr std::uint64_t kBound = 1u << 20;
  auto checkpointer = opened(folder(), {.rules = {.last = 2}, .in_flight = 3, .memory = kBound});
  std::int64_t step = 0;
  for (const std::size_t floats : {1'000, 2'000'000, 50'000, 100'000, 1'000'000, 10, 150'000}) {
    ++step;
    const auto outcome = checkpointer->save(state_of(step, floats), {.step = step});
    ASSERT_TRUE(outcome) << outcome.error().to_string();
    EXPECT_EQ(*outcome, floats >= 1'000'000 ? Outcome::kWritten : Outcome::kQueued) << floats;
    EXPECT_LE(checkpointer->memory(), kBound);
    if (*outcome == Outcome::kWritten) {
      EXPECT_TRUE(holds_state_of(at(step_name(step)), step, floats));
    }
  }
  ASSERT_TRUE(checkpointer->close());
  EXPECT_THAT(names(), ElementsAre(step_name(6), step_name(7)));
  EXPECT_TRUE(holds_state_of(at(step_name(7)), 7, 150'000));
}

TEST_F(CheckpointerTest, WithoutMemoryForACopyItWritesFromTheLiveTensors) {
  auto checkpointer = opened(folder(), {.threads = 1});  // each thread takes address space
  ASSERT_NE(checkpointer, nullptr);
  const Model large = state_of(1, 50'000'000);
  std::uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  struct rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_AS, &before), 0);
  struct rlimit tight = before;
  tight.rlim_cur = pages * 4096 + (250u << 20);
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &tight), 0);
  const auto outcome = checkpointer->save(large, {.step = 1});
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &before), 0);
  ASSERT_TRUE(outcome) << outcome.error().to_string();
  EXPECT_EQ(*outcome, Outcome::kWritten);
  EXPECT_TRUE(holds_state_of(at(step_name(1)), 1, 50'000'000));
  EXPECT_EQ(*checkpointer->save(state_of(2), {.step = 2}), Outcome::kQueued);
  EXPECT_TRUE(checkpointer->close());
  EXPECT_THAT(names(), ElementsAre(step_name(1), step_name(2)));
}

TEST_F(CheckpointerTest, MemoryIsAtHandBeforeTheFirstSaveWhateverTheName) {
  auto checkpointer = opened(folder(), {.name = "step{step}_{loss:.3f}.pt"});
  const Model state = state_of(1, 1'000'000);
  const Status prepared = checkpointer->prepare(state);
  ASSERT_TRUE(prepared) << prepared.error().to_string();
  while (checkpointer->memory() == 0) std::this_thread::yield();
  const std::uint64_t memory = checkpointer->memory();
  EXPECT_GT(memory, 6'000'000u);
  ASSERT_TRUE(checkpointer->save(state, {.step = 1, .metrics = {{"loss", 0.25}}}));
  ASSERT_TRUE(checkpointer->wait());
  EXPECT_EQ(checkpointer->memory(), memory) << "what was at hand is what was used";
  EXPECT_THAT(names(), ElementsAre("step1_0.250.pt"));
}

TEST_F(CheckpointerTest, RulesKeepTheLastAndTheBestAndTellWhatWent) {
  auto checkpointer = opened(folder(), {.rules = {.last = 2, .best = {{"loss", BestRule::Mode::kMin, 1}}}});
  const double losses[] = {0.5, 0.1, 0.4, 0.3, 0.2};
  for (std::int64_t step = 0; step < 5; ++step) {
    ASSERT_TRUE(checkpointer->save(state_of(step), {.step = step, .metrics = {{"loss", losses[step]}}}));
    ASSERT_TRUE(checkpointer->wait());
  }
  EXPECT_THAT(names(), ElementsAre(step_name(1), step_name(3), step_name(4)));
  EXPECT_EQ(std::ranges::count(kinds_of(*checkpointer), Kind::kRemoved), 2);
}

TEST_F(CheckpointerTest, ACheckpointThatIsOpenIsNotRemoved) {
  auto checkpointer = opened(folder(), {.rules = {.last = 1}});
  save_steps(*checkpointer, {1});
  {
    const auto reader = open_model(at(step_name(1)));
    ASSERT_TRUE(reader);
    save_steps(*checkpointer, {2});
    EXPECT_THAT(names(), ElementsAre(step_name(1), step_name(2)));
    EXPECT_EQ(kinds_of(*checkpointer).back(), Kind::kHeld);
    EXPECT_TRUE(is_state_of(*reader, 1));
  }
  save_steps(*checkpointer, {3});
  EXPECT_THAT(names(), ElementsAre(step_name(3)));
}

TEST_F(CheckpointerTest, WhatHoldallDidNotWriteIsNotOverwritten) {
  std::filesystem::create_directory(folder());
  ASSERT_TRUE(save_model(state_of(1), at(step_name(1))));
  spill(at(step_name(2)), "");
  Checkpoint later;
  later.label.step = 3;
  std::string stamp = stamp_of(later);
  stamp.replace(stamp.find(":1"), 2, ":9");
  ModelBuilder builder;
  builder.add(floats({1}));
  builder.metadata = builder.arena->dict();
  builder.arena->set_item(builder.metadata, kStampKey, builder.arena->string(stamp));
  ASSERT_TRUE(save_model(*std::move(builder).named({"w"}), at(step_name(3))));
  auto checkpointer = opened(folder(), {.rules = {.last = 1}});
  for (const std::int64_t step : {1, 2, 3}) {
    const std::string before = slurp(at(step_name(step)));
    const auto refused = checkpointer->save(state_of(step), {.step = step});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::kAlreadyExists) << refused.error().to_string();
    EXPECT_THAT(refused.error().to_string(), HasSubstr(step_name(step)));
    EXPECT_EQ(slurp(at(step_name(step))), before);
  }
  save_steps(*checkpointer, {4, 5});
  EXPECT_THAT(names(), ElementsAre(step_name(1), step_name(2), step_name(3), step_name(5)));
}

TEST_F(CheckpointerTest, AStepSavedAgainReplacesIt) {
  auto checkpointer = opened(folder());
  ASSERT_TRUE(checkpointer->save(state_of(1), {.step = 1, .metrics = {{"loss", 0.5}}}));
  ASSERT_TRUE(checkpointer->wait());
  ASSERT_TRUE(checkpointer->save(state_of(11), {.step = 1, .metrics = {{"loss", 0.4}}}));
  ASSERT_TRUE(checkpointer->close());
  EXPECT_TRUE(holds_state_of(at(step_name(1)), 11));
  const auto contents = CheckpointFolder::read(folder());
  ASSERT_EQ(contents->all().size(), 1u);
  EXPECT_EQ(contents->latest()->metric("loss"), 0.4);
  EXPECT_TRUE(verify_checkpoint(folder(), *contents->latest())->sound());
}

TEST_F(CheckpointerTest, OneRunAtATimeHasTheFolder) {
  auto first = opened(folder());
  const auto second = Checkpointer::open(folder(), {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Code::kConflict);
  ASSERT_TRUE(first->close());
  EXPECT_TRUE(Checkpointer::open(folder(), {}));
}

TEST_F(CheckpointerTest, WhatTheHolderBeforeLeftGoesWhoeverHasItsNumberNow) {
  const std::string own = System::local().owner();
  for (const std::string& owner : {own, std::string("77-ffffffff-000000")}) {
    ASSERT_TRUE(opened(folder())->close());
    JsonWriter writer;
    writer.begin_object().key("owner").string(owner).key("process").integer(77).key("alive").integer(0).end_object();
    spill(at(std::string(kLeaseFile)), writer.text());
    spill(at(".step7.pt.holdall-" + owner + "-0011223344556677.tmp"), "half");
    spill(at(".step8.pt.holdall-78-ffffffff-000000-0011223344556677.tmp"), "of another, who may be alive");
    auto checkpointer = opened(folder());
    EXPECT_EQ(temporaries_in(folder()), 1u) << owner;
    ASSERT_TRUE(checkpointer->close());
    std::filesystem::remove_all(folder());
  }
}

TEST_F(CheckpointerTest, ClosedMeansClosedHoweverOften) {
  auto checkpointer = opened(folder());
  save_steps(*checkpointer, {1});
  EXPECT_TRUE(checkpointer->close());
  EXPECT_TRUE(checkpointer->close());
  EXPECT_EQ(checkpointer->save(state_of(2), {.step = 2}).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(checkpointer->prune().error().code(), Code::kInvalidArgument);
  EXPECT_TRUE(checkpointer->wait());
}

TEST_F(CheckpointerTest, AChildProcessSavesNothingAndDisturbsNothing) {
  auto checkpointer = opened(folder());
  save_steps(*checkpointer, {1});
  const pid_t child = ::fork();
  if (child == 0) {
    const bool refused = !checkpointer->save(state_of(2), {.step = 2});
    const bool calm = checkpointer->wait() && checkpointer->close();
    const auto own = Checkpointer::open(folder(), {});
    checkpointer.reset();
    ::_exit(refused && calm && !own && own.error().code() == Code::kConflict ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  save_steps(*checkpointer, {3});
  EXPECT_EQ(Checkpointer::open(folder(), {}).error().code(), Code::kConflict) << "the child let the lease go";
  ASSERT_TRUE(checkpointer->close());
  EXPECT_THAT(names(), ElementsAre(step_name(1), step_name(3)));
}

TEST_F(CheckpointerTest, ARunGoesOnWhereItWasAlsoWithoutItsJournal) {
  save_steps(*opened(folder()), {1, 2});
  const Checkpoint before = *CheckpointFolder::read(folder())->latest();
  save_steps(*opened(folder()), {1});  // a run that went back is further on than before
  std::filesystem::remove(at(std::string(kJournalFile)));
  const CheckpointFolder contents = *CheckpointFolder::read(folder());
  EXPECT_EQ(contents.latest()->label.step, 1);
  EXPECT_EQ(contents.latest()->sequence, before.sequence + 1);
  save_steps(*opened(folder(), {.rules = {.last = 1}}), {2});
  const CheckpointFolder after = *CheckpointFolder::read(folder());
  ASSERT_EQ(after.all().size(), 1u);
  EXPECT_EQ(after.latest()->run, before.run);
  EXPECT_EQ(after.latest()->sequence, before.sequence + 2);
}

TEST_F(CheckpointerTest, ACopiedFileThatIsFurtherOnDoesNotCostTheOneJustSaved) {
  save_steps(*opened(scratch_ / "other"), {1'000'000});
  auto checkpointer = opened(folder(), {.rules = {.last = 1}});
  std::filesystem::copy(scratch_ / ("other/" + step_name(1'000'000)), at(step_name(1'000'000)));
  save_steps(*checkpointer, {1, 2});
  EXPECT_THAT(names(), ElementsAre(step_name(1'000'000), step_name(2)));
}

TEST_F(CheckpointerTest, AJournalDoesNotGrowForEver) {
  auto checkpointer = opened(folder(), {.rules = {.last = 1}, .durable = false});
  for (std::int64_t step = 1; step <= 600; ++step) {
    ASSERT_TRUE(checkpointer->save(state_of(step, 2), {.step = step}));
    ASSERT_TRUE(checkpointer->wait());
  }
  EXPECT_LT(CheckpointFolder::read(folder())->journal().lines, 250u);
  ASSERT_TRUE(checkpointer->close());
  EXPECT_EQ(CheckpointFolder::read(folder())->latest()->sequence, 600u);
}

TEST_F(CheckpointerTest, OptionsThatContradictEachOtherAreRefused) {
  const auto refused = [&](CheckpointerOptions options) {
    const auto checkpointer = Checkpointer::open(folder(), std::move(options));
    return !checkpointer && checkpointer.error().code() == Code::kInvalidArgument;
  };
  EXPECT_TRUE(refused({.name = "same.pt"}));
  EXPECT_TRUE(refused({.name = "step{step}.docx"}));
  EXPECT_TRUE(refused({.name = ".hidden{step}.pt"}));
  EXPECT_TRUE(refused({.name = "a/{step}.pt"}));
  EXPECT_TRUE(refused({.rules = {.last = 0}}));
  EXPECT_TRUE(refused({.rules = {.best = {{"loss"}, {"loss", BestRule::Mode::kMax}}}}));
  EXPECT_TRUE(refused({.rules = {.best = {{"step"}}}}));
  EXPECT_TRUE(refused({.in_flight = 0}));
  EXPECT_TRUE(refused({.busy = Busy::kReplace, .in_flight = 1}));
  EXPECT_FALSE(std::filesystem::exists(folder()));
}

}  // namespace
}  // namespace holdall
