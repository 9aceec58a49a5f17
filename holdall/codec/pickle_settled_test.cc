// What the machine forgets of settled calls, and that nobody can tell.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "holdall/base/text.h"
#include "holdall/codec/pickle.h"

namespace holdall {
namespace {

bool is_tensor_call(Value object) {
  if (!object.is(ValueKind::kObject)) return false;
  const Value callee = object.of(object.as_object().callee);
  return callee.is_global("m", "tensor") && object.of(object.as_object().args).is(ValueKind::kTuple);
}

bool settle(Arena& arena, NodeId object) {
  if (!is_tensor_call(arena.at(object))) return false;
  arena.replace(object, arena.tensor({}));
  return true;
}

enum class Mode : std::uint8_t { kSettling, kWhole };

// A run whose calls of m.tensor become tensors, as they are made or at the end.
struct Ran {
  Ran(const std::string& bytes, Mode mode) {
    PickleOptions options;
    if (mode == Mode::kSettling)
      options.settle = [this](NodeId object, std::span<const PickleCall>) { return settle(arena, object); };
    program = run_pickle(arena, memory_source(Bytes::copy(bytes), "p"), 0, options);
    for (NodeId node = 0; node < arena.size(); ++node) settle(arena, node);
  }

  std::string spelled() const { return program.error ? program.error->to_string() : spelled(arena.at(program.root), 8); }

  static std::string spelled(Value value, int depth) {
    const auto all = [&](auto&& ids) {
      std::string inner;
      for (const NodeId id : ids) inner += spelled(value.of(id), depth - 1) + ",";
      return inner;
    };
    if (!value || depth == 0) return "-";
    switch (value.kind()) {
      case ValueKind::kInt:
        return std::to_string(value.as_int());
      case ValueKind::kString:
        return "'" + std::string(value.as_string()) + "'";
      case ValueKind::kGlobal:
        return std::string(value.global_name());
      case ValueKind::kObject: {
        const ObjectParts& parts = value.as_object();
        const NodeId own[] = {parts.callee, parts.args, parts.state};
        return "object(" + all(own) + all(parts.items) + all(parts.pairs) + ")";
      }
      case ValueKind::kList:
      case ValueKind::kTuple:
      case ValueKind::kFrozenSet:
      case ValueKind::kDict: {
        std::string inner;
        const bool is_dict = value.is(ValueKind::kDict);
        for (std::size_t i = 0; i < value.size(); ++i) {
          inner += spelled(is_dict ? value.key(i) : value.item(i), depth - 1) + ",";
          if (is_dict) inner += spelled(value.mapped(i), depth - 1) + ",";
        }
        return text("{}({})", name(value.kind()), inner);
      }
      default:
        return std::string(name(value.kind()));
    }
  }

  Arena arena;
  PickleProgram program;
};

constexpr std::string_view kTensor = "cm\ntensor\n";
// Its size is put into the memo under 7, as torch's pickles have it.
std::string tensor() {
  return std::string(kTensor) +
         "((K\x01K\x02tq\x07U\x03"
         "abctR";
}
// The first tensor brings imports and numbers, which stay.
std::string after_one(const std::string& rest) { return tensor() + "0" + rest; }

TEST(SettledCalls, WhatTheyWereGivenIsForgotten) {
  std::string bytes = "](";
  for (int i = 0; i < 1000; ++i) bytes += tensor();
  const Ran ran(bytes + "e.", Mode::kSettling);
  ASSERT_FALSE(ran.program.error) << ran.program.error->to_string();
  EXPECT_EQ(ran.arena.at(ran.program.root).size(), 1000u);
  EXPECT_EQ(ran.program.forgotten, 999u);
  EXPECT_EQ(ran.program.calls.size(), 1u);
  EXPECT_LT(ran.arena.size(), 1020u);
  EXPECT_LT(ran.arena.text_bytes(), 40u);
}

TEST(SettledCalls, AProgramThatWantsWhatIsForgottenSaysSo) {
  const std::string made = after_one(tensor());
  for (const std::string& rest : {std::string("0h\x07."), std::string("}b."),
                                  std::string("K\x01"
                                              "a."),
                                  std::string("K\x01K\x01s."), std::string(")R."), std::string("}") + "b.",
                                  std::string("U\x01"
                                              "a\x93.")}) {
    const Ran ran(made + rest, Mode::kSettling);
    EXPECT_TRUE(ran.program.forgot_too_much) << rest;
    EXPECT_FALSE(Ran(made + rest, Mode::kWhole).program.forgot_too_much);
  }
  // As arguments of another call.
  EXPECT_TRUE(Ran(after_one(std::string("cm\nother\n") + tensor() + "R."), Mode::kSettling).program.forgot_too_much);
}

TEST(SettledCalls, WhatOthersReferToStays) {
  const std::string list =
      "]q\x01"
      "0";
  const std::string programs[] = {
      list + after_one(std::string(kTensor) + "(h\x01(K\x05K\x06ta0tR0h\x01."),               // a tuple in a list of before
      list + after_one(std::string(kTensor) + "(h\x01U\x03xyza0tR0" + tensor() + "0h\x01."),  // a text
      after_one(std::string(kTensor) +
                "(cm\nother\nq\x01"
                "0tR0" +
                tensor() + "0h\x01."),                                       // an import
      after_one(std::string(kTensor) + "(K\x63tR0" + tensor() + "0K\x63."),  // a number that is kept
      after_one(std::string(kTensor) + "()tR0" + tensor() + "0)."),          // the empty tuple
      after_one(std::string(kTensor) +
                "(U\x01"
                "aQtR0" +
                tensor() +
                "0U\x01"
                "bQ."),  // the callee of persistent ids
      after_one(std::string(kTensor) +
                "(K\x01K\x02tq\x01U\x01"
                "cK\x03t0" +
                tensor() + "0h\x01."),  // arguments that go nowhere
  };
  for (const std::string& program : programs) {
    const Ran settling(program, Mode::kSettling);
    EXPECT_FALSE(settling.program.forgot_too_much) << program;
    EXPECT_EQ(settling.spelled(), Ran(program, Mode::kWhole).spelled()) << program;
  }
}

std::string random_opcode(std::mt19937& random) {
  constexpr std::string_view kAlone = "((ttttt\x85\x86)]}aseuRRRR0012bldQ\x91";
  const auto small = static_cast<char>(1 + random() % 3);
  switch (random() % 12) {
    case 0:
      return std::string("K") + small;
    case 1:
      return std::string("U\x01") + small;
    case 2:
      return std::string("q") + small;
    case 3:
      return std::string("h") + small;
    case 4:
      return std::string(kTensor);
    case 5:
      return std::string(kTensor) + "(";
    case 6:
      return "cm\nother\n";
    case 7:
      return tensor();
    default:
      return std::string(1, kAlone[random() % kAlone.size()]);
  }
}

TEST(SettledCalls, RandomProgramsMeanTheSame) {
  std::mt19937 random(20);
  std::uint64_t forgotten = 0, wanted = 0, ended = 0;
  for (int run = 0; run < 40'000; ++run) {
    std::string bytes = "](}(" + tensor() + "0";
    const std::size_t length = 4 + random() % 30;
    for (std::size_t i = 0; i < length; ++i) bytes += random_opcode(random);
    bytes += ".";
    const Ran settling(bytes, Mode::kSettling);
    forgotten += settling.program.forgotten;
    wanted += settling.program.forgot_too_much ? 1 : 0;
    if (settling.program.forgot_too_much) continue;
    const Ran whole(bytes, Mode::kWhole);
    ended += whole.program.error ? 0 : 1;
    ASSERT_EQ(settling.spelled(), whole.spelled()) << bytes;
    ASSERT_EQ(settling.program.end, whole.program.end) << bytes;
    ASSERT_EQ(settling.program.calls.size() + settling.program.forgotten, whole.program.calls.size()) << bytes;
  }
  EXPECT_GT(forgotten, 4'000u);
  EXPECT_GT(wanted, 300u);
  EXPECT_GT(ended, 1'000u);
}

}  // namespace
}  // namespace holdall
