#include "holdall/ops/fold.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdall {
namespace {

std::vector<std::string> patterns(const std::vector<std::string>& names, const std::vector<std::string>& kinds = {}) {
  std::vector<FoldItem> items;
  for (std::size_t i = 0; i < names.size(); ++i) items.push_back({names[i], kinds.empty() ? std::string_view() : kinds[i]});
  std::vector<std::string> result;
  for (const FoldedLine& line : fold(items)) result.push_back(line.pattern + " x" + std::to_string(line.members.size()));
  return result;
}

TEST(Fold, RepeatingBlocksShareALine) {
  EXPECT_THAT(patterns({"embed", "layer.0.w", "layer.0.b", "layer.1.w", "layer.1.b", "layer.2.w", "layer.2.b", "head"}),
              testing::ElementsAre("embed x1", "layer.{0..2}.w x3", "layer.{0..2}.b x3", "head x1"));
}

TEST(Fold, ExpertsOfLayersFoldTwice) {
  std::vector<std::string> names;
  for (int layer = 0; layer < 3; ++layer)
    for (int expert = 0; expert < 4; ++expert)
      names.push_back("l." + std::to_string(layer) + ".e." + std::to_string(expert) + ".w");
  EXPECT_THAT(patterns(names), testing::ElementsAre("l.{0..2}.e.{0..3}.w x12"));
}

TEST(Fold, GapsAndOtherShapesBreakARun) {
  EXPECT_THAT(patterns({"l.0", "l.1", "l.3"}), testing::ElementsAre("l.{0..1} x2", "l.3 x1"));
  EXPECT_THAT(patterns({"l.0", "l.1", "l.2"}, {"a", "b", "a"}), testing::ElementsAre("l.0 x1", "l.1 x1", "l.2 x1"));
}

TEST(Fold, NumbersInsideOfWordsAndWithLeadingZerosStay) {
  EXPECT_THAT(patterns({"conv1", "conv2", "a.00", "a.01"}), testing::ElementsAre("conv1 x1", "conv2 x1", "a.00 x1", "a.01 x1"));
}

TEST(Fold, MembersStandInTheOrderOfTheirNumbers) {
  const std::vector<FoldItem> items = {{"h/10/k", ""}, {"h/9/k", ""}, {"h/8/k", ""}};
  const std::vector<FoldedLine> lines = fold(items);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].pattern, "h/{8..10}/k");
  EXPECT_THAT(lines[0].members, testing::ElementsAre(2, 1, 0));
}

}  // namespace
}  // namespace holdall
