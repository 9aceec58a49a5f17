#include "holdall/formats/value_groups.h"

#include <gtest/gtest.h>

namespace holdall {
namespace {

TEST(ValueGroups, AreMadeOnceAsPathsAskForThem) {
  Arena arena;
  ValueGroups groups(arena);
  groups.add("a/b/one", 1);
  groups.add("two", 2);
  groups.add("a/b/three", 3);
  EXPECT_EQ(groups.at(""), groups.root());
  const Value root = arena.at(groups.root());
  ASSERT_EQ(root.size(), 2u);
  EXPECT_EQ(root.find("a").find("b").find("one").as_tensor().index, 1u);
  EXPECT_EQ(root.find("a").find("b").find("three").as_tensor().index, 3u);
  EXPECT_EQ(root.find("two").as_tensor().index, 2u);
  EXPECT_EQ(groups.at("a/b"), root.find("a").find("b").id());
}

}  // namespace
}  // namespace holdall
