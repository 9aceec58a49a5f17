#include "cli/checkpoint_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/checkpoint_rules.h"
#include "cli/style.h"

namespace holdall::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::int64_t kNow = 2'000'000'000'000'000'000;
constexpr std::int64_t kHour = 3'600'000'000'000;

Checkpoint complete(std::int64_t step, double loss, std::int64_t hours) {
  Checkpoint checkpoint;
  checkpoint.name = "step" + std::to_string(step) + ".pt";
  checkpoint.label = {step, step / 10, {{"loss", loss}}};
  checkpoint.bytes = 1'000'000;
  checkpoint.run = "r";
  checkpoint.sequence = static_cast<std::uint64_t>(step);
  checkpoint.time = kNow - hours * kHour;
  return checkpoint;
}

Checkpoint foreign(const std::string& name) {
  Checkpoint checkpoint;
  checkpoint.name = name;
  checkpoint.state = Checkpoint::State::kForeign;
  checkpoint.why = "it has no stamp of Holdall's";
  return checkpoint;
}

// A listing of checkpoints that are in no folder.
struct Shown {
  explicit Shown(std::vector<Checkpoint> all, const Rules& rules) : checkpoints(std::move(all)) {
    listing = {&folder, rules, kNow, fates_of(checkpoints, rules, kNow)};
  }
  std::vector<Checkpoint> checkpoints;
  CheckpointFolder folder;
  Listing listing;
};

std::string lines_of(const Shown& shown) {
  Console console(Console::Settings{});
  print_lines(console, shown.listing);
  return console.pending();
}

std::string page_of(const Shown& shown, unsigned width) {
  Console console(Console::Settings{.out_terminal = true, .width = width});
  print_page(console, shown.listing);
  return console.pending();
}

TEST(CheckpointViewTest, ALineHasEveryFieldWhole) {
  const Shown shown({complete(10, 0.123456789, 2), complete(20, 1e-9, 1)}, {.last = 1});
  EXPECT_EQ(lines_of(shown),
            "10\t1\tloss=0.123456789\t1000000\t7200\tcomplete\tgoes\tno rule keeps it\t/step10.pt\n"
            "20\t2\tloss=1e-09\t1000000\t3600\tcomplete\tkept\tnewest\t/step20.pt\n");
}

TEST(CheckpointViewTest, WhatIsNotHoldallsIsTheLastToBeTouched) {
  const Shown shown({complete(10, 0.5, 2), foreign("no\ttes.txt")}, {.last = 1});
  EXPECT_THAT(lines_of(shown), HasSubstr("-\t-\t-\t0\t-\tforeign\tkept\tit has no stamp of Holdall's\t/no\\ttes.txt\n"));
  EXPECT_THAT(page_of(shown, 100), HasSubstr("it has no stamp of Holdall's"));
}

TEST(CheckpointViewTest, APageSaysWhatTheRulesDoAndHowMuchGoes) {
  const Shown shown({complete(10, 0.5, 200), complete(20, 0.6, 100), complete(30, 0.7, 1)},
                    {.last = 1, .best = {{"loss", BestRule::Mode::kMin, 1}}});
  const std::string page = page_of(shown, 100);
  EXPECT_THAT(page, HasSubstr("last 1, best 1 by loss (min)"));
  EXPECT_THAT(page, HasSubstr("kept: best loss"));
  EXPECT_THAT(page, HasSubstr("goes: no rule keeps it"));
  EXPECT_THAT(page, HasSubstr("4 d"));
  EXPECT_THAT(page, HasSubstr("3 complete checkpoints, 3.00 MB; the rules let 1 go, 1.00 MB"));
}

TEST(CheckpointViewTest, WithoutRulesNoColumnSpeaksOfThem) {
  EXPECT_THAT(page_of(Shown({complete(10, 0.5, 2)}, {}), 100), Not(HasSubstr("kept")));
}

TEST(CheckpointViewTest, ManyMetricsShareAColumn) {
  Checkpoint checkpoint = complete(10, 0.5, 2);
  for (const char* metric : {"a", "b", "c", "d"}) checkpoint.label.metrics.emplace_back(metric, 1.5);
  EXPECT_THAT(page_of(Shown({checkpoint}, {}), 160), HasSubstr("loss 0.5, a 1.5, b 1.5, c 1.5, d 1.5"));
}

TEST(CheckpointRulesTest, ProtectingIsNoKeepingByItself) {
  const std::vector<Checkpoint> all = {complete(10, 0.1, 200), complete(20, 0.6, 100), complete(30, 0.7, 1)};
  Rules rules{.age = 50 * kHour};
  const auto goes = [&] {
    std::vector<bool> out;
    for (const Fate& fate : fates_of(all, rules, kNow)) out.push_back(fate.goes);
    return out;
  };
  EXPECT_EQ(goes(), (std::vector<bool>{true, true, false}));
  rules.protect = {{"loss", BestRule::Mode::kMin, 1}};
  EXPECT_EQ(goes(), (std::vector<bool>{false, true, false}));
  rules.age.reset();
  EXPECT_EQ(goes(), (std::vector<bool>{false, false, false}));
}

TEST(CheckpointRulesTest, OfManyRunsTheNewestComeInTheOrderOfTheirSteps) {
  std::vector<Checkpoint> all;
  for (std::int64_t i = 0; i < 1'000; ++i) {
    all.push_back(complete((i * 7919) % 1'000, 0.5, 1));
    all.back().run = "run" + std::to_string(i % 250);
    all.back().sequence = static_cast<std::uint64_t>(all.back().label.step + 1);
  }
  const auto order = newest_first(all);
  ASSERT_EQ(order.size(), all.size());
  for (std::size_t i = 1; i < order.size(); ++i) EXPECT_GT(order[i - 1]->label.step, order[i]->label.step);
}

TEST(StyleTest, AgesAreReadAndToldInOneUnit) {
  EXPECT_EQ(parse_age("7d").value_or(0), 7 * 24 * kHour);
  EXPECT_EQ(parse_age("1.5 h").value_or(0), kHour + kHour / 2);
  EXPECT_EQ(parse_age("90min").value_or(0), parse_age("90m").value_or(1));
  for (const char* bad : {"", "7", "d", "-1d", "0d", "7y", "7dd", "nan d", "1e300w"}) EXPECT_FALSE(parse_age(bad)) << bad;
  EXPECT_EQ(human_age(-5), "0 s");
  EXPECT_EQ(human_age(89), "89 s");
  EXPECT_EQ(human_age(7'200), "2 h");
}

TEST(StyleTest, ACountIsAWholeNumberOfAtLeastOne) {
  EXPECT_EQ(parse_count("12").value_or(0), 12u);
  for (const char* bad : {"", "0", "-1", "3x", "1.5", "99999999999999999999"}) EXPECT_FALSE(parse_count(bad)) << bad;
}

}  // namespace
}  // namespace holdall::cli
