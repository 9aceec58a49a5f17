#include "cli/outline.h"

#include <gtest/gtest.h>

#include "cli/style.h"

namespace holdall::cli {
namespace {

class OutlineTest : public ::testing::Test {
 protected:
  // {"epoch": 3, "loss": 0.25, "name": "a\tb", "model": {"w": tensor, "b": tensor},
  //  "optimizer": {"state": {0: {"exp_avg": tensor}}, "param_groups": [{"lr": 0.001, "betas": (0.9, 0.999), "params": [0 …
  //  47]}]}}
  Value checkpoint() {
    const NodeId model = arena.dict();
    arena.set_item(model, "w", arena.tensor({.index = 0}));
    arena.set_item(model, "b", arena.tensor({.index = 1}));
    const NodeId group = arena.dict();
    arena.set_item(group, "lr", arena.real(0.001));
    arena.set_item(group, "betas", arena.tuple({arena.real(0.9), arena.real(0.999)}));
    std::vector<NodeId> numbers;
    for (int i = 0; i < 48; ++i) numbers.push_back(arena.integer(i));
    arena.set_item(group, "params", arena.list(numbers));
    const NodeId moments = arena.dict();
    arena.set_item(moments, "exp_avg", arena.tensor({.index = 2}));
    const NodeId state = arena.dict();
    arena.set_item(state, arena.integer(0), moments);
    const NodeId optimizer = arena.dict();
    arena.set_item(optimizer, "state", state);
    arena.set_item(optimizer, "param_groups", arena.list({group}));
    const NodeId root = arena.dict();
    arena.set_item(root, "epoch", arena.integer(3));
    arena.set_item(root, "loss", arena.real(0.25));
    arena.set_item(root, "name", arena.string("a\tb"));
    arena.set_item(root, "model", model);
    arena.set_item(root, "optimizer", optimizer);
    return arena.at(root);
  }

  std::string outline(Value value, unsigned width) {
    Console console(Console::Settings{.out_terminal = true, .width = width});
    print_outline(console, value, 2);
    return console.pending();
  }

  Arena arena;
};

TEST_F(OutlineTest, LinesThatFitStayLinesAndTheRestOpens) {
  EXPECT_EQ(outline(checkpoint(), 80),
            "  epoch      3\n"
            "  loss       0.25\n"
            "  name       \"a\\tb\"\n"
            "  model      2 tensors\n"
            "  optimizer\n"
            "    state         1 tensor\n"
            "    param_groups\n"
            "      0  lr 0.001   betas (0.9, 0.999)   params [0, 1, 2, 3, … 48 items]\n");
}

TEST_F(OutlineTest, NoLineIsWiderThanTheTerminal) {
  const Value value = checkpoint();
  for (unsigned width = 30; width < 120; ++width) {
    const std::string page = outline(value, width);
    for (std::string_view rest = page; !rest.empty(); rest.remove_prefix(rest.find('\n') + 1)) {
      EXPECT_LE(display_width(rest.substr(0, rest.find('\n'))), width) << page;
    }
  }
}

TEST_F(OutlineTest, ManyTensorsOfALevelAreANumber) {
  const NodeId dict = arena.dict();
  for (std::uint32_t i = 0; i < 9; ++i) arena.set_item(dict, "w" + std::to_string(i), arena.tensor({.index = i}));
  arena.set_item(dict, "epoch", arena.integer(1));
  EXPECT_EQ(outline(arena.at(dict), 80), "  epoch  1\n  9 tensors\n");
}

TEST_F(OutlineTest, AttributesOfAnOrderedDictAreNoValues) {
  ObjectParts parts;
  parts.callee = arena.global("collections", "OrderedDict");
  parts.pairs = {arena.string("w"), arena.tensor({})};
  const NodeId state = arena.dict();
  arena.set_item(state, "_metadata", arena.string("versions"));
  parts.state = state;
  EXPECT_FALSE(holds_plain_values(arena.at(arena.object(parts))));
  EXPECT_EQ(brief(arena.at(arena.object(parts)), 60), "1 tensor");
}

TEST_F(OutlineTest, LongListsEndInTheirLength) {
  std::vector<NodeId> numbers;
  for (int i = 0; i < 1'000'000; ++i) numbers.push_back(arena.integer(i));
  const std::string line = brief(arena.at(arena.list(numbers)), 40);
  EXPECT_EQ(line.substr(0, 7), "[0, 1, ");
  EXPECT_TRUE(line.ends_with("… 1,000,000 items]")) << line;
  EXPECT_LE(display_width(line), 40U);
}

TEST_F(OutlineTest, CyclesAndSharingEnd) {
  const NodeId cycle = arena.list();
  arena.append(cycle, cycle);
  EXPECT_LE(display_width(brief(arena.at(cycle), 30)), 30U);
  NodeId bomb = arena.list({arena.integer(1), arena.integer(2)});
  for (int i = 0; i < 64; ++i) bomb = arena.list({bomb, bomb, bomb});
  EXPECT_LE(display_width(brief(arena.at(bomb), 30)), 30U);
  EXPECT_TRUE(holds_plain_values(arena.at(bomb)));
  const NodeId dict = arena.dict();
  arena.set_item(dict, "self", dict);
  arena.set_item(dict, "x", arena.integer(1));
  std::vector<std::string> pointers;
  for_each_leaf(arena.at(dict), [&](std::string_view pointer, Value) { pointers.emplace_back(pointer); });
  EXPECT_EQ(pointers, std::vector<std::string>{"/x"});
}

TEST_F(OutlineTest, TreesOfTensorsAloneHoldNoPlainValues) {
  const NodeId dict = arena.dict();
  arena.set_item(dict, "w", arena.tensor({}));
  EXPECT_FALSE(holds_plain_values(arena.at(dict)));
  EXPECT_TRUE(holds_plain_values(checkpoint()));
}

TEST_F(OutlineTest, ObjectsShowTheirClassAndWhatTheyHold) {
  ObjectParts parts;
  parts.callee = arena.global("argparse", "Namespace");
  const NodeId state = arena.dict();
  arena.set_item(state, "lr", arena.real(0.1));
  parts.state = state;
  EXPECT_EQ(brief(arena.at(arena.object(parts)), 60), "argparse.Namespace(lr: 0.1)");
}

TEST_F(OutlineTest, LeavesHavePointersAndTensorsAreNone) {
  std::vector<std::string> pointers;
  for_each_leaf(checkpoint(), [&](std::string_view pointer, Value) { pointers.emplace_back(pointer); });
  EXPECT_EQ(pointers, (std::vector<std::string>{"/epoch", "/loss", "/name", "/optimizer/param_groups"}));
}

}  // namespace
}  // namespace holdall::cli
