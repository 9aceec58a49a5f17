#include "holdall/checkpoint/folder.h"

#include <sys/stat.h>

#include "holdall/checkpoint/checkpoint_test_states.h"
#include "tests/faults/passing_system.h"

namespace holdall {
namespace {

using State = Checkpoint::State;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

class FolderTest : public testing::Test {
 protected:
  std::string folder() const { return scratch_ / "run"; }
  std::string at(const std::string& name) const { return folder() + "/" + name; }
  CheckpointFolder read() const {
    auto contents = CheckpointFolder::read(folder());
    EXPECT_TRUE(contents) << contents.error().to_string();
    return contents ? *std::move(contents) : CheckpointFolder();
  }
  void save(const std::vector<std::int64_t>& steps) const { save_steps(*opened(folder()), steps); }
  // What a list says, in a form to be compared; `frame` is known by the journal alone.
  static std::vector<std::string> said(const CheckpointFolder& contents) {
    std::vector<std::string> lines;
    for (const Checkpoint& checkpoint : contents.all()) {
      Checkpoint plain = checkpoint;
      plain.frame.clear();
      lines.push_back(std::string(name(checkpoint.state)) + " " + saved_line(plain));
    }
    return lines;
  }
  State state_of_name(const std::string& name) const {
    const CheckpointFolder contents = read();
    const Checkpoint* const found = contents.find(name);
    EXPECT_NE(found, nullptr) << name;
    return found == nullptr ? State::kForeign : found->state;
  }

  Scratch scratch_;
};

TEST_F(FolderTest, FindsTheNewestTheBestAndAStep) {
  save({3, 1, 2});
  const CheckpointFolder contents = read();
  EXPECT_EQ(contents.latest()->label.step, 2);
  EXPECT_EQ(contents.best("loss", BestRule::Mode::kMin)->label.step, 3);
  EXPECT_EQ(contents.best("accuracy", BestRule::Mode::kMax), nullptr);
  EXPECT_EQ(contents.at_step(1)->name, step_name(1));
  EXPECT_EQ(contents.at_step(9), nullptr);
  std::vector<std::int64_t> steps;
  for (const Checkpoint& checkpoint : contents.all()) steps.push_back(checkpoint.label.step);
  EXPECT_THAT(steps, ElementsAre(1, 2, 3));
}

TEST_F(FolderTest, ThatIsMissingOrNoneIsAnError) {
  EXPECT_EQ(CheckpointFolder::read(folder()).error().code(), Code::kNotFound);
  spill(folder(), "a file");
  EXPECT_FALSE(CheckpointFolder::read(folder()));
  EXPECT_FALSE(Checkpointer::open(folder(), {}));
  EXPECT_EQ(slurp(folder()), "a file");
}

TEST_F(FolderTest, IsTheSameWithoutItsJournal) {
  save({1, 2, 3});
  const auto before = said(read());
  std::filesystem::remove(at(std::string(kJournalFile)));
  EXPECT_EQ(said(read()), before);
  EXPECT_EQ(read().latest()->label.step, 3);
  save({4});
  EXPECT_EQ(read_journal(System::local(), folder())->saved.size(), 4u) << "it is made anew from the files";
}

TEST_F(FolderTest, TakesFilesThatCameAndWentByHand) {
  save({1, 2, 3});
  std::filesystem::remove(at(step_name(3)));
  std::filesystem::rename(at(step_name(1)), at("renamed.pt"));
  std::filesystem::create_directory(scratch_ / "other");
  save_steps(*opened(scratch_ / "other"), {7});
  std::filesystem::copy(scratch_ / ("other/" + step_name(7)), at(step_name(7)));
  const CheckpointFolder contents = read();
  ASSERT_EQ(contents.all().size(), 3u);
  EXPECT_EQ(contents.at_step(1)->name, "renamed.pt");
  EXPECT_EQ(contents.at_step(3), nullptr);
  EXPECT_EQ(contents.latest()->label.step, 7);
  std::vector<PassedOver> passed_over;
  EXPECT_TRUE(is_state_of(*open_newest(folder(), &passed_over), 7));
  EXPECT_TRUE(passed_over.empty());
}

TEST_F(FolderTest, ForeignAndBrokenEntriesAreWhatTheyAre) {
  save({1, 2});
  const std::string whole = slurp(at(step_name(1)));
  ASSERT_TRUE(save_model(state_of(9), at("plain.pt")));
  spill(at("empty.pt"), "");
  spill(at("cut.pt"), whole.substr(0, whole.size() / 2));
  spill(at("notes.txt"), "remember the milk");
  spill(at("noise.dat"), std::string(10'000, '\x7f'));
  std::filesystem::create_directory(at("logs"));
  spill(at("logs/events"), "x");
  std::filesystem::create_symlink("nowhere", at("dangling.pt"));
  std::filesystem::create_symlink("circle", at("circle"));
  std::filesystem::create_symlink(step_name(2), at("latest.pt"));
  ASSERT_EQ(::mkfifo(at("pipe").c_str(), 0600), 0);
  spill(at(".hidden.pt"), "");
  std::vector<std::pair<std::string, std::string>> states;
  const CheckpointFolder contents = read();
  for (const Checkpoint& checkpoint : contents.all()) {
    states.emplace_back(checkpoint.name, name(checkpoint.state));
    EXPECT_EQ(checkpoint.is_complete(), checkpoint.why.empty()) << checkpoint.name;
  }
  EXPECT_THAT(states, testing::UnorderedElementsAre(
                          Pair(step_name(1), "complete"), Pair(step_name(2), "complete"), Pair("latest.pt", "complete"),
                          Pair("plain.pt", "foreign"), Pair("empty.pt", "damaged"), Pair("cut.pt", "damaged"),
                          Pair("notes.txt", "foreign"), Pair("noise.dat", "foreign"), Pair("logs", "foreign"),
                          Pair("circle", "damaged"), Pair("pipe", "foreign")));
  // Whatever the rules and however often: what Holdall did not write is there afterwards.
  const auto before = names_in(folder());
  auto checkpointer = opened(folder(), {.rules = {.last = 1, .age = 1, .bytes = 1}});
  save_steps(*checkpointer, {3, 4});
  ASSERT_TRUE(checkpointer->close());
  for (const std::string& name : before) {
    if (name == step_name(1) || name == step_name(2) || name == "latest.pt") continue;
    EXPECT_NE(std::filesystem::symlink_status(at(name)).type(), std::filesystem::file_type::not_found) << name;
  }
  EXPECT_TRUE(is_state_of(*open_newest(folder()), 4));
}

TEST_F(FolderTest, AFolderInTheNameOfACheckpointIsNoCheckpoint) {
  save({1, 2});
  std::filesystem::remove(at(step_name(2)));
  std::filesystem::create_directory(at(step_name(2)));
  spill(at(step_name(2) + "/file"), "x");
  EXPECT_EQ(state_of_name(step_name(2)), State::kForeign);
  EXPECT_EQ(read().latest()->label.step, 1);
}

TEST_F(FolderTest, AStampOfTheFutureIsNeverChosen) {
  save({1});
  ModelBuilder builder;
  builder.add(floats({1}));
  builder.metadata = builder.arena->dict();
  builder.arena->set_item(builder.metadata, kStampKey, builder.arena->string(R"({"version":2,"step":{"global":5}})"));
  ASSERT_TRUE(save_model(*std::move(builder).named({"w"}), at("later.safetensors")));
  EXPECT_EQ(state_of_name("later.safetensors"), State::kFuture);
  EXPECT_EQ(read().latest()->label.step, 1);
}

TEST_F(FolderTest, ANewestThatCannotBeLoadedIsPassedOverWithItsReason) {
  save({1, 2, 3, 4});
  std::string bytes = slurp(at(step_name(4)));
  bytes[bytes.find("\x80\x02")] ^= 1;  // the same size: the list knows nothing of it
  spill(at(step_name(4)), bytes);
  spill(at(step_name(3)), slurp(at(step_name(3))).substr(0, 1000));
  EXPECT_EQ(read().latest()->label.step, 4);
  EXPECT_EQ(state_of_name(step_name(3)), State::kDamaged);
  std::vector<PassedOver> passed_over;
  const auto model = open_newest(folder(), &passed_over);
  ASSERT_TRUE(model);
  EXPECT_TRUE(is_state_of(*model, 2));
  ASSERT_EQ(passed_over.size(), 1u);
  EXPECT_EQ(passed_over.front().checkpoint.label.step, 4);
  EXPECT_FALSE(passed_over.front().why.empty());
  for (const std::int64_t step : {1, 2}) spill(at(step_name(step)), "");
  EXPECT_EQ(open_newest(folder()).error().code(), Code::kNotFound);
}

TEST_F(FolderTest, AnyByteOfACheckpointDamagedIsFound) {
  save({1});
  const std::string whole = slurp(at(step_name(1)));
  const Checkpoint checkpoint = *read().latest();
  for (std::size_t at_byte = 0; at_byte < whole.size(); ++at_byte) {
    std::string damaged = whole;
    damaged[at_byte] ^= static_cast<char>(1 << at_byte % 8);
    spill(at(step_name(1)), damaged);
    const auto report = verify_checkpoint(folder(), checkpoint);
    ASSERT_TRUE(!report || !report->sound()) << "byte " << at_byte << " of " << whole.size();
  }
}

TEST_F(FolderTest, AnotherFileUnderTheNameIsNotWhatWasWritten) {
  save({1, 2});
  const Checkpoint written = *read().at_step(1);
  std::filesystem::copy(at(step_name(2)), at(step_name(1)), std::filesystem::copy_options::overwrite_existing);
  const auto report = verify_checkpoint(folder(), written);
  ASSERT_TRUE(report);
  ASSERT_FALSE(report->sound());
  EXPECT_THAT(report->faults.list.front().what, HasSubstr("another checkpoint"));
}

TEST_F(FolderTest, AnyByteOfTheJournalDamagedChangesNothing) {
  auto checkpointer = opened(folder(), {.rules = {.last = 3}});
  save_steps(*checkpointer, {1, 2});
  // Saved again: an older line on the same name, of a file of the same size, is in the journal.
  ASSERT_TRUE(checkpointer->save(state_of(12), {.step = 2, .metrics = {{"loss", 0.25}}}));
  ASSERT_TRUE(checkpointer->close());
  const auto before = said(read());
  const std::string path = at(std::string(kJournalFile));
  const std::string journal = slurp(path);
  for (std::size_t i = 0; i < journal.size(); ++i) {
    std::string damaged = journal;
    damaged[i] = journal[i] == '\n' || i % 2 == 0 ? static_cast<char>(journal[i] ^ (1 << i % 7)) : '\n';
    spill(path, damaged);
    ASSERT_EQ(said(read()), before) << "byte " << i << " of " << journal.size();
    if (i % 100 != 0) continue;
    ASSERT_TRUE(opened(folder(), {.rules = {.last = 3}})->close());
    ASSERT_EQ(read().journal().bad_lines, 0u) << "byte " << i;
    ASSERT_EQ(read().rules().last, 3u);
    ASSERT_EQ(said(read()), before);
  }
}

// Counts what is read through it.
class CountingSystem final : public PassingSystem {
 public:
  std::atomic<std::uint64_t> bytes = 0;
  Status read_at(Handle handle, std::uint64_t offset, std::span<std::byte> out) override {
    bytes += out.size();
    return PassingSystem::read_at(handle, offset, out);
  }
};

TEST_F(FolderTest, HugeForeignFilesAreNotReadWhole) {
  save({1});
  for (const char* name : {"huge.bin", "huge.pt", "huge.safetensors", "huge.npz", "huge.pkl", "huge"}) {
    spill(at(name), "");
    std::filesystem::resize_file(at(name), std::uintmax_t{1} << 40);
  }
  CountingSystem system;
  const auto contents = CheckpointFolder::read(folder(), system);
  ASSERT_TRUE(contents);
  EXPECT_EQ(contents->all().size(), 7u);
  EXPECT_EQ(contents->latest()->label.step, 1);
  EXPECT_LT(system.bytes, 32u << 20);
}

TEST_F(FolderTest, AFileThatTheJournalKnowsIsNotOpened) {
  save({1, 2, 3});
  CountingSystem system;
  ASSERT_TRUE(CheckpointFolder::read(folder(), system));
  EXPECT_EQ(system.bytes, std::filesystem::file_size(at(std::string(kJournalFile))));
}

TEST_F(FolderTest, PruningSaysWhatWouldGoAndThenRemovesIt) {
  save({1, 2, 3});
  const CheckpointFolder contents = read();
  EXPECT_EQ(prune(System::local(), contents, {.last = 0}, true).error().code(), Code::kInvalidArgument);
  const auto dry = prune(System::local(), contents, {.last = 1}, true);
  ASSERT_TRUE(dry);
  EXPECT_THAT(dry->removed, ElementsAre(step_name(1), step_name(2)));
  EXPECT_EQ(names_in(folder()).size(), 3u);
  {
    const auto reader = open_model(at(step_name(1)));
    const auto pruned = prune(System::local(), contents, {.last = 1}, false);
    ASSERT_TRUE(pruned);
    EXPECT_THAT(pruned->removed, ElementsAre(step_name(2)));
    EXPECT_THAT(pruned->held, ElementsAre(step_name(1)));
    EXPECT_TRUE(pruned->failures.empty());
  }
  ASSERT_TRUE(prune(System::local(), contents, {.last = 1}, false));
  EXPECT_THAT(names_in(folder()), ElementsAre(step_name(3)));
  EXPECT_EQ(read().latest()->label.step, 3);
}

TEST_F(FolderTest, CheckpointsThatAreFoldersAreKeptAndRemovedWhole) {
  auto checkpointer = opened(folder(), {.name = "step{step}", .rules = {.last = 2}});
  SaveOptions options;
  options.to = "huggingface";
  for (const std::int64_t step : {1, 2, 3, 3}) {
    const auto outcome = checkpointer->save(state_of(step), {.step = step}, options);
    ASSERT_TRUE(outcome) << outcome.error().to_string();
    const Status waited = checkpointer->wait();
    ASSERT_TRUE(waited) << waited.error().to_string();
  }
  ASSERT_TRUE(checkpointer->close());
  EXPECT_THAT(names_in(folder()), ElementsAre("step2", "step3"));
  EXPECT_EQ(temporaries_in(folder()), 0u);
  EXPECT_TRUE(is_state_of(*open_newest(folder()), 3));
  EXPECT_EQ(read().latest()->sequence, 4u);
}

// The clock of the machine is set back by years between two saves.
TEST_F(FolderTest, AClockThatGoesBackCostsNothing) {
  class Clock final : public PassingSystem {
   public:
    std::int64_t time = 1'700'000'000'000'000'000;
    std::int64_t now() override { return time; }
  } clock;
  const BestRule best{"loss", BestRule::Mode::kMin, 1};
  for (const Rules& rules : {Rules{.last = 1}, Rules{.best = {best}}, Rules{.every = 2}, Rules{.age = 1}, Rules{.bytes = 1}}) {
    clock.time = 1'700'000'000'000'000'000;
    auto checkpointer = opened(folder(), {.rules = rules, .system = &clock});
    for (const std::int64_t step : {1, 2, 3}) {
      ASSERT_TRUE(checkpointer->save(state_of(step), {.step = step, .metrics = {{"loss", 1.0 / double(step)}}}));
      ASSERT_TRUE(checkpointer->wait());
      EXPECT_EQ(read().latest()->label.step, step);
      clock.time -= std::int64_t{365} * 24 * 3'600'000'000'000 * 5;
    }
    ASSERT_TRUE(checkpointer->close());
    EXPECT_TRUE(is_state_of(*open_newest(folder()), 3));
    // And the next process, whose clock is right again.
    clock.time = 1'800'000'000'000'000'000;
    auto later = opened(folder(), {.rules = rules, .system = &clock});
    ASSERT_TRUE(later->prune());
    EXPECT_EQ(read().latest()->label.step, 3);
    later.reset();
    std::filesystem::remove_all(folder());
  }
}

}  // namespace
}  // namespace holdall
