#include "holdall/checkpoint/retention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace holdall {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using Mode = BestRule::Mode;

constexpr std::int64_t kHour = 3'600'000'000'000;
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// Step i, saved i-th an hour after the one before, 10 bytes each.
std::vector<Checkpoint> folder_of(const std::vector<double>& losses, const std::string& run = "run") {
  std::vector<Checkpoint> list;
  for (const double loss : losses) {
    Checkpoint checkpoint;
    const auto number = static_cast<std::int64_t>(list.size()) + 1;
    checkpoint.label.step = number;
    checkpoint.name = run + std::to_string(number);
    checkpoint.label.metrics = {{"loss", loss}};
    checkpoint.run = run;
    checkpoint.sequence = static_cast<std::uint64_t>(number);
    checkpoint.time = number * kHour;
    checkpoint.bytes = 10;
    list.push_back(checkpoint);
  }
  return list;
}

std::vector<std::int64_t> kept(const std::vector<Checkpoint>& list, const Rules& rules, std::int64_t now = 100 * kHour) {
  std::vector<std::int64_t> steps;
  for (const Fate& fate : fates_of(list, rules, now))
    if (!fate.goes) steps.push_back(fate.checkpoint->label.step);
  return steps;
}

TEST(Retention, WithoutRulesKeepsAll) {
  EXPECT_THAT(kept(folder_of({1, 2, 3}), {}), ElementsAre(1, 2, 3));
  EXPECT_TRUE(Rules{}.keep_all());
}

TEST(Retention, KeepRulesAddUp) {
  const auto list = folder_of({5, 1, 4, 3, 2, 6, 7});
  EXPECT_THAT(kept(list, {.last = 2}), ElementsAre(6, 7));
  EXPECT_THAT(kept(list, {.best = {{"loss", Mode::kMin, 2}}}), ElementsAre(2, 5, 7));
  EXPECT_THAT(kept(list, {.best = {{"loss", Mode::kMax, 1}}}), ElementsAre(7));
  EXPECT_THAT(kept(list, {.every = 3}), ElementsAre(3, 6, 7));
  EXPECT_THAT(kept(list, {.last = 1, .best = {{"loss"}}, .every = 4}), ElementsAre(2, 4, 7));
  EXPECT_THAT(kept(list, {.last = 100}), ElementsAre(1, 2, 3, 4, 5, 6, 7));
}

TEST(Retention, AgeAndBytesTakeFromWhatIsKeptAndNeverWhatAlwaysStays) {
  const auto list = folder_of({5, 1, 4, 3, 2});
  EXPECT_THAT(kept(list, {.age = 2 * kHour}, 5 * kHour), ElementsAre(3, 4, 5));
  EXPECT_THAT(kept(list, {.age = kHour}, 1000 * kHour), ElementsAre(5)) << "the newest stays however old it is";
  EXPECT_THAT(kept(list, {.best = {{"loss"}}, .age = kHour}, 1000 * kHour), ElementsAre(2, 5));
  EXPECT_THAT(kept(list, {.bytes = 30}), ElementsAre(3, 4, 5));
  EXPECT_THAT(kept(list, {.bytes = 29}), ElementsAre(4, 5));
  EXPECT_THAT(kept(list, {.bytes = 1}), ElementsAre(5)) << "the newest stays however large it is";
  EXPECT_THAT(kept(list, {.last = 4, .best = {{"loss"}}, .bytes = 20}), ElementsAre(2, 5));
  EXPECT_THAT(kept(list, {.every = 1, .bytes = 1}), ElementsAre(1, 2, 3, 4, 5)) << "every n-th is for good";
}

TEST(Retention, NaNIsNeverTheBestAndTiesGoToTheEarlier) {
  EXPECT_THAT(kept(folder_of({kNone, 2, kNone, 3, kNone}), {.best = {{"loss", Mode::kMin, 1}}}), ElementsAre(2, 5));
  EXPECT_THAT(kept(folder_of({kNone, 2, kNone, 3, kNone}), {.best = {{"loss", Mode::kMax, 1}}}), ElementsAre(4, 5));
  EXPECT_THAT(kept(folder_of({2, 1, 1, 1}), {.best = {{"loss", Mode::kMin, 2}}}), ElementsAre(2, 3, 4));
  EXPECT_THAT(kept(folder_of({-HUGE_VAL, 1, HUGE_VAL, 0}), {.best = {{"loss", Mode::kMax, 1}}}), ElementsAre(3, 4));
  EXPECT_THAT(kept(folder_of({kNone, kNone}), {.best = {{"accuracy"}}}), ElementsAre(2)) << "nobody has it";
}

TEST(Retention, AClockThatGoesBackMakesNothingOldAndNothingNew) {
  auto list = folder_of({5, 4, 3, 2});
  for (Checkpoint& checkpoint : list) checkpoint.time = (10 - checkpoint.label.step) * kHour;
  EXPECT_THAT(kept(list, {.last = 1}), ElementsAre(4)) << "the order of saving counts, not the clock";
  EXPECT_THAT(kept(list, {.age = kHour}, 0), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(kept(list, {.age = 2 * kHour}, 10 * kHour), ElementsAre(1, 2, 4));
  list[0].time = std::numeric_limits<std::int64_t>::min();
  list[1].time = std::numeric_limits<std::int64_t>::max();
  EXPECT_THAT(kept(list, {.age = std::numeric_limits<std::int64_t>::max()}, 10 * kHour), ElementsAre(2, 3, 4));
}

TEST(Retention, ARunThatWentBackIsNewerThanWhatWasFurtherOn) {
  auto list = folder_of({1, 2, 3});
  Checkpoint back = list[0];
  back.label.step = 2;
  back.sequence = 4;
  list.push_back(back);
  EXPECT_EQ(newest_first(list).front()->sequence, 4u);
  const auto fates = fates_of(list, {.last = 1}, 0);
  EXPECT_FALSE(fates[3].goes);
  EXPECT_TRUE(fates[2].goes);
}

TEST(Retention, TheNewestOfEachRunStays) {
  auto list = folder_of({1, 2});
  for (const Checkpoint& other : folder_of({1, 2, 3, 4, 5}, "other")) list.push_back(other);
  EXPECT_EQ(newest_first(list).front()->name, "other5");
  std::vector<std::string> names;
  for (const Fate& fate : fates_of(list, {.last = 1}, 0))
    if (!fate.goes) names.push_back(fate.checkpoint->name + ": " + fate.why);
  EXPECT_THAT(names, ElementsAre("run2: newest of its run", "other5: newest"));
}

TEST(Retention, WhatIsNotACompleteCheckpointStaysAndCountsForNothing) {
  auto list = folder_of({1, 2, 3, 4});
  list[3].state = Checkpoint::State::kDamaged;
  list[2].state = Checkpoint::State::kFuture;
  list[0].state = Checkpoint::State::kForeign;
  EXPECT_THAT(kept(list, {.last = 1, .best = {{"loss"}}, .age = 1, .bytes = 1}), ElementsAre(1, 2, 3, 4));
  list.push_back(list[1]);
  list.back().label.step = list.back().label.step + 10;
  list.back().sequence = 10;
  const auto fates = fates_of(list, {.last = 1}, 0);
  EXPECT_TRUE(fates[1].goes);
  EXPECT_EQ(fates[3].why, "damaged");
}

TEST(Retention, EveryFateHasItsReason) {
  std::vector<std::pair<std::int64_t, std::string>> whys;
  const auto list = folder_of({1, 2, 3, 4, 5, 6});
  for (const Fate& fate : fates_of(list, {.last = 2, .best = {{"loss", Mode::kMin, 2}}, .every = 3}, 0))
    whys.emplace_back(fate.checkpoint->label.step, fate.why);
  EXPECT_THAT(whys, ElementsAre(Pair(1, "best loss"), Pair(2, "best 2 loss"), Pair(3, "every 3"), Pair(4, "no rule keeps it"),
                                Pair(5, "last 2"), Pair(6, "newest")));
  const auto two = folder_of({1, 2});
  const auto old = fates_of(two, {.age = 36 * kHour}, 100 * kHour);
  EXPECT_EQ(old[0].why, "older than 36 hours");
  EXPECT_THAT(fates_of(two, {.age = 72 * kHour}, 100 * kHour)[0].why, HasSubstr("3 days"));
}

TEST(Retention, AnEmptyFolderHasNoFates) {
  const std::vector<Checkpoint> none;
  EXPECT_THAT(fates_of(none, {.last = 1, .best = {{"loss"}}}, 0), IsEmpty());
}

TEST(Rules, ThatWouldKeepNothingAreRefused) {
  for (const Rules& rules :
       {Rules{.last = 0}, Rules{.every = 0}, Rules{.age = 0}, Rules{.age = -1}, Rules{.bytes = 0}, Rules{.every = UINT64_MAX},
        Rules{.best = {{""}}}, Rules{.best = {{"loss", Mode::kMin, 0}}}, Rules{.best = {{"loss"}, {"loss", Mode::kMax}}}}) {
    const Status checked = rules.check();
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code(), Code::kInvalidArgument);
  }
  EXPECT_TRUE((Rules{.last = 1, .best = {{"a"}, {"b"}}, .every = 1, .age = 1, .bytes = 1}.check()));
}

TEST(Rules, ComeBackFromTheJournalAsTheyWere) {
  const Rules rules{
      .last = 3, .best = {{"loss", Mode::kMin, 2}, {"odd:name", Mode::kMax, 1}}, .every = 1000, .age = kHour, .bytes = 5};
  const Rules back = parse_rules(rules_object(rules));
  EXPECT_EQ(rules_object(back), rules_object(rules));
  ASSERT_EQ(back.best.size(), 2u);
  EXPECT_EQ(back.best[1].metric, "odd:name");
  EXPECT_EQ(back.best[1].mode, Mode::kMax);
  EXPECT_TRUE(parse_rules("").keep_all());
  EXPECT_TRUE(parse_rules("{\"kind\":\"rules\",\"last\":-1,\"best\":[\"x\",7]}").keep_all());
}

TEST(Rules, ForTheBestAreSpelledInThreeWays) {
  EXPECT_EQ(parse_best_rule("loss")->mode, Mode::kMin);
  EXPECT_EQ(parse_best_rule("acc:max")->mode, Mode::kMax);
  EXPECT_EQ(parse_best_rule("acc:max:3")->keep, 3u);
  EXPECT_EQ(parse_best_rule("val:loss:min:2")->metric, "val:loss");
  for (const char* wrong : {"", ":min", "loss:low", "loss:min:0", "loss:min:x", "loss:min:3:4", "loss:"})
    EXPECT_FALSE(parse_best_rule(wrong)) << wrong;
}

}  // namespace
}  // namespace holdall
