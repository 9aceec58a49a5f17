#include "holdall/ops/glob.h"

#include <gtest/gtest.h>

#include <vector>

namespace holdall {
namespace {

TEST(Glob, StarsQuestionMarksAndSetsFitWholeNames) {
  EXPECT_TRUE(glob_matches("*", ""));
  EXPECT_TRUE(glob_matches("encoder.*.weight", "encoder.layer.0.weight"));
  EXPECT_FALSE(glob_matches("encoder.*.weight", "encoder.layer.0.bias"));
  EXPECT_FALSE(glob_matches("encoder", "encoder.0"));
  EXPECT_TRUE(glob_matches("layer.?", "layer.7"));
  EXPECT_FALSE(glob_matches("layer.?", "layer.17"));
  EXPECT_TRUE(glob_matches("layer.[0-3]", "layer.2"));
  EXPECT_FALSE(glob_matches("layer.[!0-3]", "layer.2"));
  EXPECT_TRUE(glob_matches("w\\*", "w*"));
  EXPECT_FALSE(glob_matches("w\\*", "wx"));
  EXPECT_TRUE(glob_matches("a[b", "a[b"));
  EXPECT_TRUE(glob_matches("[]]", "]"));
}

TEST(Glob, ManyStarsDoNotTakeForever) {
  const std::string name(5000, 'a');
  EXPECT_FALSE(glob_matches("a*a*a*a*a*a*a*a*a*a*a*a*b", name));
}

TEST(Rename, TheFirstRuleThatFitsCarriesTheStarOver) {
  const std::vector<std::pair<std::string, std::string>> rules = {
      {"exact", "other"}, {"model.*.w", "*.weight"}, {"*", "all.*"}};
  EXPECT_EQ(renamed(rules, "exact"), "other");
  EXPECT_EQ(renamed(rules, "model.layer.0.w"), "layer.0.weight");
  EXPECT_EQ(renamed(rules, "rest"), "all.rest");
  EXPECT_EQ(renamed(std::span(rules).first(2), "rest"), std::nullopt);
  EXPECT_EQ(renamed(std::vector<std::pair<std::string, std::string>>{{"ab*bc", "*"}}, "abc"), std::nullopt);
}

TEST(Rename, RulesWithUnequalStarsAreFaults) {
  using Rules = std::vector<std::pair<std::string, std::string>>;
  EXPECT_TRUE(check_rules(Rules{{"a.*", "b.*"}, {"a", "b"}}));
  for (const Rules& rules : {Rules{{"a.*", "b"}}, Rules{{"a", "b"}, {"*.*", "*.*"}}, Rules{{"", "b"}}}) {
    const Status checked = check_rules(rules);
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code(), Code::kInvalidArgument);
  }
}

}  // namespace
}  // namespace holdall
