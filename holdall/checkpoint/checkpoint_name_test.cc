#include "holdall/checkpoint/checkpoint_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdall {
namespace {

std::string name_of(std::string_view pattern, const CheckpointLabel& label) {
  const auto parsed = CheckpointName::parse(pattern);
  if (!parsed) return parsed.error().to_string();
  const auto name = parsed->of(label);
  return name ? *name : name.error().to_string();
}

TEST(CheckpointName, SaysStepEpochAndMetrics) {
  const CheckpointLabel label{.step = 1000, .epoch = 3, .metrics = {{"loss", 0.12345}, {"acc", 97.5}}};
  EXPECT_EQ(name_of("checkpoint_epoch{epoch}_step{step}.pt", label), "checkpoint_epoch3_step1000.pt");
  EXPECT_EQ(name_of("{step:08}.pt", label), "00001000.pt");
  EXPECT_EQ(name_of("{step:8d}_{epoch:02d}", label), "    1000_03");
  EXPECT_EQ(name_of("s{step}_{loss:.3f}_{loss:.2e}_{acc:g}_{acc:07.2f}.pt", label), "s1000_0.123_1.23e-01_97.5_0097.50.pt");
  EXPECT_EQ(name_of("{step}_{loss}.pt", label), "1000_0.12345.pt");
}

TEST(CheckpointName, HasADefaultForTheEpochAndKeepsTheSign) {
  EXPECT_EQ(name_of("e{epoch}_s{step:06}.pt", {.step = -42}), "e0_s-00042.pt");
}

TEST(CheckpointName, ThatIsNoneOfAFileIsRefused) {
  for (const char* pattern : {"", "same.pt", "{step", "step}{step}", "{}{step}", "a/{step}.pt", "{a/b}{step}", ".{step}.pt",
                              "{step:x}.pt", "{step:.2f}", "{epoch:g}{step}", "{loss:d}{step}", "{step:99}", "{step:.}"}) {
    const auto parsed = CheckpointName::parse(pattern);
    ASSERT_FALSE(parsed) << pattern;
    EXPECT_EQ(parsed.error().code(), Code::kInvalidArgument) << pattern;
  }
  EXPECT_FALSE(CheckpointName::parse(std::string(300, 'x') + "{step}"));
  EXPECT_FALSE(CheckpointName::parse(std::string_view("a\0{step}", 8)));
}

TEST(CheckpointName, OfALabelThatCannotBeSaidIsRefused) {
  const auto parsed = CheckpointName::parse("s{step}_{loss:.3f}.pt");
  EXPECT_EQ(parsed->of({.step = 1}).error().code(), Code::kInvalidArgument);
  const auto dotted = CheckpointName::parse("{note}{step}");
  EXPECT_EQ(dotted->of({.step = 1, .metrics = {{"note", 0.5}}}).value_or(""), "0.51");
  const auto padded = CheckpointName::parse("{note:40.40f}{note:40.40f}{note:40.40f}{note:40.40f}{note:40.40f}{step}");
  EXPECT_EQ(padded->of({.step = 1, .metrics = {{"note", 0.5}}}).error().code(), Code::kInvalidArgument) << "longer than a name";
}

}  // namespace
}  // namespace holdall
