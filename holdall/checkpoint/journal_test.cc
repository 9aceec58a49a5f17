#include "holdall/checkpoint/journal.h"

#include "holdall/checkpoint/checkpoint_test_states.h"

namespace holdall {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Checkpoint noted(std::int64_t step, std::uint64_t sequence) {
  Checkpoint checkpoint;
  checkpoint.name = step_name(step);
  checkpoint.label.step = step;
  checkpoint.label.metrics = {{"loss", 0.5}};
  checkpoint.run = "run";
  checkpoint.sequence = sequence;
  checkpoint.bytes = 1000;
  checkpoint.frame = "00112233445566778899aabbccddeeff";
  return checkpoint;
}

std::vector<std::int64_t> steps_of(const JournalContents& contents) {
  std::vector<std::int64_t> steps;
  for (const Checkpoint& checkpoint : contents.saved) steps.push_back(checkpoint.label.step);
  return steps;
}

TEST(Journal, SaysWhatItsLinesSay) {
  const std::string rules = "{\"kind\":\"rules\",\"last\":3}";
  const JournalContents contents =
      parse_journal(run_line("one") + rules_line(rules) + saved_line(noted(1, 1)) + saved_line(noted(2, 2)) + run_line("two"));
  EXPECT_EQ(contents.run, "two");
  EXPECT_EQ(contents.rules, rules);
  EXPECT_EQ(contents.lines, 5u);
  EXPECT_EQ(contents.bad_lines, 0u);
  EXPECT_TRUE(contents.ends_in_line);
  ASSERT_EQ(contents.saved.size(), 2u);
  const Checkpoint& first = contents.saved.front();
  EXPECT_EQ(first.name, step_name(1));
  EXPECT_EQ(first.bytes, 1000u);
  EXPECT_EQ(first.frame, noted(1, 1).frame);
  EXPECT_EQ(first.metric("loss"), 0.5);
}

TEST(Journal, TheLastWordOnANameCounts) {
  const JournalContents contents =
      parse_journal(saved_line(noted(1, 1)) + saved_line(noted(2, 2)) + removed_line(step_name(2)) + saved_line(noted(1, 3)) +
                    saved_line(noted(4, 4)) + removed_line(step_name(4)) + saved_line(noted(4, 5)));
  ASSERT_EQ(contents.saved.size(), 2u);
  EXPECT_EQ(contents.saved[0].sequence, 3u);
  EXPECT_EQ(contents.saved[1].sequence, 5u);
  EXPECT_EQ(contents.last_sequence, 5u);
  EXPECT_EQ(parse_journal(saved_line(noted(9, 9)) + removed_line(step_name(9))).last_sequence, 9u);
}

TEST(Journal, UnknownKindsArePassedOverAndHostileNamesAreNone) {
  Checkpoint hostile = noted(1, 1);
  hostile.name = "../../etc/passwd";
  const std::string journal = rules_line("{\"kind\":\"moved\",\"name\":[1,{}]}") + saved_line(hostile) +
                              saved_line(noted(2, 2)) + rules_line("[]") + rules_line("7") + "\n\n" + std::string(5000, 'x') +
                              "\n";
  const JournalContents contents = parse_journal(journal);
  EXPECT_THAT(steps_of(contents), ElementsAre(2));
  EXPECT_EQ(contents.bad_lines, 4u);
}

TEST(Journal, ATornTailSaysNothingAndIsWrittenBehind) {
  const Scratch scratch;
  const std::string folder = scratch / "";
  System& system = System::local();
  ASSERT_TRUE(append_journal(system, folder, saved_line(noted(1, 1)), true));
  const std::string path = scratch / std::string(kJournalFile);
  const std::string whole = slurp(path);
  const std::string line = saved_line(noted(2, 2));
  for (std::size_t size = 0; size < line.size(); ++size) {
    spill(path, whole + line.substr(0, size));
    ASSERT_TRUE(append_journal(system, folder, saved_line(noted(3, 3)), false));
    const auto contents = read_journal(system, folder);
    ASSERT_TRUE(contents);
    // A line without its end is whole once something stands behind it.
    if (size + 1 < line.size()) {
      ASSERT_THAT(steps_of(*contents), ElementsAre(1, 3)) << size;
      ASSERT_EQ(contents->bad_lines, size == 0 ? 0u : 1u) << size;
    } else {
      ASSERT_THAT(steps_of(*contents), ElementsAre(1, 2, 3));
    }
  }
}

TEST(Journal, AnyByteDamagedCostsItsLineAlone) {
  std::vector<std::string> lines = {run_line("run"), rules_line("{\"kind\":\"rules\"}")};
  for (std::int64_t step = 1; step <= 4; ++step) lines.push_back(saved_line(noted(step, static_cast<std::uint64_t>(step))));
  std::string journal;
  std::vector<std::size_t> line_of;  // by byte
  for (std::size_t i = 0; i < lines.size(); ++i) {
    journal += lines[i];
    line_of.insert(line_of.end(), lines[i].size(), i);
  }
  std::size_t damages = 0;
  for (std::size_t at = 0; at < journal.size(); ++at) {
    for (const char other : {'\0', '\n', ' ', static_cast<char>(journal[at] ^ 1), static_cast<char>(journal[at] ^ 0x80)}) {
      if (other == journal[at]) continue;
      std::string damaged = journal;
      damaged[at] = other;
      const JournalContents contents = parse_journal(damaged);
      // An end of line that is lost makes one line of two.
      const bool end = journal[at] == '\n';
      for (std::int64_t step = 1; step <= 4; ++step) {
        const std::size_t own = static_cast<std::size_t>(step) + 1;
        const bool hit = line_of[at] == own || (end && line_of[at] + 1 == own);
        const auto steps = steps_of(contents);
        ASSERT_EQ(std::count(steps.begin(), steps.end(), step), hit ? 0 : 1) << "byte " << at << ", step " << step;
      }
      ASSERT_GE(contents.bad_lines, 1u) << "byte " << at;
      ++damages;
    }
  }
  EXPECT_GT(damages, 4000u);
}

TEST(Journal, ThatIsMissingIsEmptyAndThatIsHugeIsRefused) {
  const Scratch scratch;
  const auto missing = read_journal(System::local(), scratch / "");
  ASSERT_TRUE(missing);
  EXPECT_THAT(missing->saved, IsEmpty());
  EXPECT_TRUE(missing->ends_in_line);
  spill(scratch / std::string(kJournalFile), "");
  std::filesystem::resize_file(scratch / std::string(kJournalFile), std::uintmax_t{2} << 30);
  EXPECT_EQ(read_journal(System::local(), scratch / "").error().code(), Code::kLimit);
}

TEST(Journal, OfThousandsOfLinesIsReadInOrder) {
  std::string journal;
  for (std::int64_t step = 1; step <= 5000; ++step) journal += saved_line(noted(step, static_cast<std::uint64_t>(step)));
  const std::vector<std::int64_t> steps = steps_of(parse_journal(journal));
  ASSERT_EQ(steps.size(), 5000u);
  EXPECT_TRUE(std::is_sorted(steps.begin(), steps.end()));
}

}  // namespace
}  // namespace holdall
