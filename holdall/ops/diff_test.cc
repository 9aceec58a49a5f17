#include "holdall/ops/diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "holdall/ops/ops_test_models.h"

namespace holdall {
namespace {

using testing::ElementsAre;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

DiffReport diff_of(const Tensor& a, const Tensor& b, const DiffOptions& options = {}) {
  return *diff_models(flat_model({{"w", a}}), flat_model({{"w", b}}), options);
}

TEST(Diff, NamesOnEitherSideAreListed) {
  const DiffReport report =
      *diff_models(flat_model({{"x", floats({1})}, {"y", floats({1})}}), flat_model({{"y", floats({1})}, {"z", floats({1})}}));
  EXPECT_FALSE(report.same);
  EXPECT_THAT(report.only_a, ElementsAre("x"));
  EXPECT_THAT(report.only_b, ElementsAre("z"));
  EXPECT_EQ(report.compared, 1u);
  EXPECT_TRUE(report.changed.empty());
}

TEST(Diff, ChangedValuesAreMeasured) {
  const DiffReport report = diff_of(floats({1, 2, 3, 4}), floats({1, 2, 3, 5}));
  ASSERT_EQ(report.changed.size(), 1u);
  EXPECT_DOUBLE_EQ(*report.changed[0].max_abs, 1);
  EXPECT_DOUBLE_EQ(*report.changed[0].max_rel, 0.2);
  EXPECT_NEAR(*report.changed[0].cosine, 34 / std::sqrt(30.0 * 39.0), 1e-12);
  EXPECT_EQ(report.changed[0].differing, 1u);
}

TEST(Diff, TolerancesForgiveButOnlySoMuch) {
  DiffOptions options;
  options.atol = 0.5;
  EXPECT_TRUE(diff_of(floats({1, 2}), floats({1.5, 2}), options).same);
  EXPECT_FALSE(diff_of(floats({1, 2}), floats({1.75, 2}), options).same);
  options = {};
  options.rtol = 0.01;
  EXPECT_TRUE(diff_of(floats({100}), floats({101}), options).same);
  EXPECT_FALSE(diff_of(floats({100}), floats({102}), options).same);
  options.rtol = std::nan("");
  EXPECT_FALSE(diff_models(flat_model({}), flat_model({}), options));
}

TEST(Diff, NansAgreeWithEachOtherAndWithNothingElse) {
  EXPECT_TRUE(diff_of(floats({kNan, kInf}), floats({kNan, kInf})).same);
  const DiffReport report = diff_of(floats({kNan, 1}), floats({1, 1}));
  ASSERT_EQ(report.changed.size(), 1u);
  EXPECT_EQ(report.changed[0].max_abs, std::nullopt);
  EXPECT_EQ(report.changed[0].max_rel, std::nullopt);
  EXPECT_EQ(report.changed[0].cosine, std::nullopt);
  EXPECT_EQ(report.changed[0].differing, 1u);
}

TEST(Diff, WhatNoNumberSaysIsNull) {
  const auto document = [](const DiffReport& report) {
    JsonWriter writer;
    write_difference(writer, report);
    return std::move(writer).take();
  };
  const std::string against_infinity = document(diff_of(floats({1, 2}), floats({kInf, 2})));
  EXPECT_NE(against_infinity.find(R"("max_abs":null,"max_rel":null,"cosine":null,"differing":1)"), std::string::npos)
      << against_infinity;
  // Both have the NaN: what differs is measured, the angle is not.
  const std::string beside_nan = document(diff_of(floats({kNan, 1}), floats({kNan, 2})));
  EXPECT_NE(beside_nan.find(R"("max_abs":1.0,"max_rel":0.5,"cosine":null)"), std::string::npos) << beside_nan;
  const std::string opposite = document(diff_of(floats({kInf}), floats({-kInf})));
  EXPECT_NE(opposite.find(R"("max_abs":null,"max_rel":null,"cosine":null,"differing":1)"), std::string::npos) << opposite;
}

TEST(Diff, ZerosHaveNoDirection) {
  const DiffReport one = diff_of(floats({0, 0}), floats({1, 2}));
  EXPECT_EQ(one.changed.at(0).cosine, std::nullopt);
  EXPECT_DOUBLE_EQ(*one.changed.at(0).max_abs, 2);
  const DiffReport both = diff_of(floats({0}), tensor_of<double>(DType::kFloat64, {1}, {0}));
  EXPECT_EQ(both.changed.at(0).cosine, std::nullopt);
  EXPECT_EQ(*diff_of(floats({1, 0}), floats({0, 1})).changed.at(0).cosine, 0);
}

TEST(Diff, ZerosOfBothSignsDifferWithoutATolerance) {
  EXPECT_FALSE(diff_of(floats({0.F}), floats({-0.F})).same);
  DiffOptions options;
  options.atol = 1e-9;
  EXPECT_TRUE(diff_of(floats({0.F}), floats({-0.F}), options).same);
}

TEST(Diff, LongIntegersAreToldApartBeyondFloat64) {
  const std::int64_t large = (std::int64_t{1} << 62) + 1;
  const DiffReport report =
      diff_of(tensor_of<std::int64_t>(DType::kInt64, {1}, {large}), tensor_of<std::int64_t>(DType::kInt64, {1}, {large + 1}));
  ASSERT_EQ(report.changed.size(), 1u);
  EXPECT_DOUBLE_EQ(*report.changed[0].max_abs, 1);
}

TEST(Diff, ADtypeThatDiffersCountsEvenWhereValuesAgree) {
  const DiffReport report = diff_of(floats({1, 2}), tensor_of<double>(DType::kFloat64, {2}, {1, 2}));
  ASSERT_EQ(report.changed.size(), 1u);
  EXPECT_DOUBLE_EQ(*report.changed[0].max_abs, 0);
  EXPECT_EQ(report.changed[0].differing, 0u);
}

TEST(Diff, OtherShapesAreNotMeasured) {
  const DiffReport report = diff_of(floats({1, 2}), floats({1, 2, 3}));
  ASSERT_EQ(report.changed.size(), 1u);
  EXPECT_EQ(report.changed[0].max_abs, std::nullopt);
}

TEST(Diff, LargeTensorsAreComparedInPiecesToTheLastElement) {
  std::vector<float> values(40'000'000, 1.0F);
  const Tensor a = floats(values);
  values.back() = 3.0F;
  const DiffReport report = diff_of(a, floats(std::move(values)));
  ASSERT_EQ(report.changed.size(), 1u);
  EXPECT_DOUBLE_EQ(*report.changed[0].max_abs, 2);
  EXPECT_EQ(report.changed[0].differing, 1u);
}

Model with_value(std::string_view key, NodeId (*make)(Arena&)) {
  ModelBuilder builder;
  builder.tree = builder.arena->dict();
  builder.arena->set_item(builder.tree, "w", builder.arena->tensor({.index = builder.add(floats({1}))}));
  builder.arena->set_item(builder.tree, key, make(*builder.arena));
  return *std::move(builder).named_by_tree();
}

TEST(Diff, ChangesOfTheTreeAreNamedByPointer) {
  const Model a = with_value("a/b", [](Arena& arena) { return arena.list({arena.integer(1), arena.integer(2)}); });
  const Model b =
      with_value("a/b", [](Arena& arena) { return arena.list({arena.integer(1), arena.integer(3), arena.null()}); });
  const DiffReport report = *diff_models(a, b);
  ASSERT_EQ(report.tree.size(), 2u);
  EXPECT_EQ(report.tree[0].path, "/a~1b/1");
  EXPECT_EQ(report.tree[0].kind, TreeDifference::Kind::kChanged);
  EXPECT_EQ(report.tree[0].a, "2");
  EXPECT_EQ(report.tree[0].b, "3");
  EXPECT_EQ(report.tree[1].path, "/a~1b/2");
  EXPECT_EQ(report.tree[1].kind, TreeDifference::Kind::kOnlyB);
}

TEST(Diff, KindsOfContainersCountWhereBothKeepThem) {
  const auto list = [](Arena& arena) { return arena.list({arena.integer(1)}); };
  const auto tuple = [](Arena& arena) { return arena.tuple({arena.integer(1)}); };
  EXPECT_FALSE(diff_models(with_value("x", list), with_value("x", tuple))->same);
  EXPECT_TRUE(diff_models(with_value("x", list), with_value("x", list))->same);
}

TEST(Diff, ACallOfAClassIsNoMakingByItsNew) {
  const auto object = [](Arena& arena, bool is_new) {
    ObjectParts parts;
    parts.callee = arena.global("m", "C");
    parts.args = arena.tuple();
    parts.new_object = is_new;
    return arena.object(std::move(parts));
  };
  ModelBuilder called, made;
  called.tree = object(*called.arena, false);
  made.tree = object(*made.arena, true);
  const DiffReport report = *diff_models(*std::move(called).named_by_tree(), *std::move(made).named_by_tree());
  ASSERT_EQ(report.tree.size(), 1u);
  EXPECT_EQ(report.tree[0].path, "/$new");
}

TEST(Diff, CyclesEnd) {
  const auto cycle = [](Arena& arena) {
    const NodeId list = arena.list();
    arena.append(list, list);
    return list;
  };
  EXPECT_TRUE(diff_models(with_value("x", cycle), with_value("x", cycle))->same);
}

TEST(Diff, AFlatFileSaysNothingAboutKindsOfDicts) {
  ModelBuilder builder;  // OrderedDict([("w", tensor)])
  Arena& arena = *builder.arena;
  const NodeId tensor = arena.tensor({.index = builder.add(floats({1}))});
  ObjectParts parts;
  parts.callee = arena.global("collections", "OrderedDict");
  parts.pairs = {arena.string("w"), tensor};
  builder.tree = arena.object(std::move(parts));
  const Model ordered = *std::move(builder).named_by_tree();
  EXPECT_TRUE(diff_models(ordered, flat_model({{"w", floats({1})}}))->same);
}

// A key of a megabyte above a hundred thousand values would make a hundred gigabytes of pointers.
TEST(Diff, ALongKeyAboveManyValuesIsCutWhereItIsShownAndTakesItsMemoryOnce) {
  const auto make = [](std::int64_t last) {
    ModelBuilder builder;
    Arena& arena = *builder.arena;
    const NodeId values = arena.list();
    for (std::int64_t i = 0; i < 100'000; ++i) arena.append(values, arena.integer(i < 99'999 ? i : last));
    builder.tree = arena.dict();
    arena.set_item(builder.tree, std::string(1'000'000, 'k'), values);
    return *std::move(builder).named_by_tree();
  };
  EXPECT_TRUE(diff_models(make(1), make(1), {})->same);
  const DiffReport report = *diff_models(make(1), make(2), {});
  ASSERT_EQ(report.tree.size(), 1u);
  EXPECT_EQ(report.tree[0].path, "/" + std::string(200, 'k') + "…/99999");
  EXPECT_EQ(report.tree[0].b, "2");
}

TEST(Diff, PathsThatOnlyLookAlikeAreNotOne) {
  const auto make = [](bool number) {
    ModelBuilder builder;
    Arena& arena = *builder.arena;
    builder.tree = arena.dict();
    const std::string key(300, 'k');
    arena.set_item(builder.tree, key + "a", arena.integer(number ? 1 : 2));
    arena.set_item(builder.tree, key + "b", arena.integer(number ? 2 : 1));
    arena.set_item(builder.tree, "text", number ? arena.integer(1) : arena.string("1"));
    return *std::move(builder).named_by_tree();
  };
  const DiffReport report = *diff_models(make(true), make(false), {});
  ASSERT_EQ(report.tree.size(), 3u);
  EXPECT_EQ(report.tree[2].a, "1");
  EXPECT_EQ(report.tree[2].b, "\"1\"");
}

}  // namespace
}  // namespace holdall
