#include "holdall/codec/pickle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <charconv>
#include <fstream>
#include <iterator>
#include <sstream>

#include "holdall/base/digest.h"
#include "holdall/codec/json.h"
#include "holdall/codec/pickle_memo.h"
#include "holdall/codec/pickle_text.h"

namespace holdall {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::string_literals;
using namespace std::string_view_literals;

std::string unhex(std::string_view digits) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    int byte = 0;
    std::from_chars(digits.data() + i, digits.data() + i + 2, byte, 16);
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

// As spelled() of generate.py.
std::string spelled(Value value) {
  const auto list = [&](const std::string& type) {
    std::string text = type + "(";
    for (std::size_t i = 0; i < value.size(); ++i) text += (i == 0 ? "" : ", ") + spelled(value.item(i));
    return text + ")";
  };
  switch (value.kind()) {
    case ValueKind::kNull:
      return "None";
    case ValueKind::kBool:
      return value.as_bool() ? "True" : "False";
    case ValueKind::kInt:
      return "int " + std::to_string(value.as_int());
    case ValueKind::kBigInt:
      return "int " + std::string(value.as_big_int());
    case ValueKind::kFloat: {
      std::ostringstream text;
      text << value.as_float();
      return "float " + text.str() + (text.str().find('.') == std::string::npos ? ".0" : "");
    }
    case ValueKind::kString:
      return "str " + to_hex(as_bytes(value.as_string()));
    case ValueKind::kBytes:
      return "bytes " + to_hex(as_bytes(value.as_bytes()));
    case ValueKind::kList:
      return list("list");
    case ValueKind::kTuple:
      return list("tuple");
    case ValueKind::kSet:
      return list("set");
    case ValueKind::kFrozenSet:
      return list("frozenset");
    case ValueKind::kDict: {
      std::string text = "dict(";
      for (std::size_t i = 0; i < value.size(); ++i)
        text += (i == 0 ? "" : ", ") + spelled(value.key(i)) + ": " + spelled(value.mapped(i));
      return text + ")";
    }
    default:
      return std::string(name(value.kind()));
  }
}

// A run over bytes in memory, with the arena that it filled.
struct Ran {
  explicit Ran(std::string bytes, const PickleOptions& options = {})
      : source(memory_source(Bytes::adopt(std::move(bytes)), "t.pkl")), program(run_pickle(arena, source, 0, options)) {}
  Value root() const { return arena.at(program.root); }
  std::string error() const { return program.error ? program.error->to_string() : ""; }
  Arena arena;
  SourceRef source;
  PickleProgram program;
};

// Bytes that must be read through a window.
class Unresident : public Source {
 public:
  explicit Unresident(std::string bytes) : bytes_(std::move(bytes)) {}
  std::uint64_t size() const noexcept override { return bytes_.size(); }
  const std::string& name() const noexcept override { return name_; }
  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    most_ = std::max<std::uint64_t>(most_, out.size());
    if (offset > bytes_.size() || out.size() > bytes_.size() - offset) return corrupt("past the end");
    std::copy_n(reinterpret_cast<const std::byte*>(bytes_.data()) + offset, out.size(), out.data());
    return {};
  }
  std::uint64_t most() const { return most_; }

 private:
  std::string bytes_;
  std::string name_ = "disk.pkl";
  mutable std::uint64_t most_ = 0;
};

std::string little(std::uint64_t number, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text.push_back(static_cast<char>(number >> (8 * i)));
  return text;
}

TEST(Pickle, EveryOpcodeDoesWhatCPythonDoes) {
  const std::string folder = HOLDALL_SOURCE_DIR "/holdall/codec/testdata/pickle/";
  std::ifstream file(folder + "opcodes.json", std::ios::binary);
  const std::string json{std::istreambuf_iterator<char>(file), {}};
  Arena arena;
  const auto rows = parse_json(arena, json);
  ASSERT_TRUE(rows) << rows.error().to_string();
  ASSERT_GT(arena.at(*rows).size(), 70u);
  for (std::size_t i = 0; i < arena.at(*rows).size(); ++i) {
    const Value row = arena.at(*rows).item(i);
    SCOPED_TRACE(*row.find_string("name"));
    const Ran run(unhex(*row.find_string("pickle")));
    const auto value = row.find_string("value");
    EXPECT_EQ(run.program.error.has_value(), !value) << run.error();
    if (!value || run.program.error) continue;
    EXPECT_EQ(spelled(run.root()), *value);
    if (const auto opcodes = row.find_int("opcodes")) {
      EXPECT_EQ(run.program.opcodes, static_cast<std::uint64_t>(*opcodes));
      EXPECT_EQ(run.program.end, static_cast<std::uint64_t>(*row.find_int("end")));
    }
  }
}

TEST(Pickle, CallsAndImportsAreRecordedAtTheirOpcodeEvenWhenPopped) {
  const Ran run("cos\nsystem\n(S'x'\ntR0(ia\nB\n0K\x05.");
  ASSERT_EQ(run.error(), "");
  EXPECT_EQ(spelled(run.root()), "int 5");
  ASSERT_THAT(run.program.imports, SizeIs(2));
  EXPECT_TRUE(run.arena.at(run.program.imports[0].global).is_global("os", "system"));
  EXPECT_EQ(run.program.imports[1].offset, 21u);
  ASSERT_THAT(run.program.calls, SizeIs(2));
  EXPECT_EQ(run.program.calls[0].kind, PickleCallKind::kReduce);
  EXPECT_EQ(run.program.calls[0].offset, 18u);
  EXPECT_EQ(run.program.calls[1].kind, PickleCallKind::kInstance);
}

TEST(Pickle, WhatIsDoneToAnImportIsRecorded) {
  const Ran run(
      "cos\nenviron\n}bK\x01K\x02sK\x03"
      "a.");
  ASSERT_EQ(run.error(), "");
  ASSERT_THAT(run.program.calls, SizeIs(3));
  EXPECT_EQ(run.program.calls[0].kind, PickleCallKind::kBuild);
  EXPECT_EQ(run.program.calls[1].kind, PickleCallKind::kSetItems);
  EXPECT_EQ(run.program.calls[2].kind, PickleCallKind::kAppend);
  for (const PickleCall& call : run.program.calls) EXPECT_TRUE(run.arena.at(call.object).is(ValueKind::kGlobal));
}

TEST(Pickle, ObjectsKeepArgumentsKeywordsItemsPairsAndState) {
  const Ran run(
      "\x80\x04"
      "cm\nC\nK\x01\x85}\x8c\x01kK\x02s\x92(K\x03"
      "e(K\x04K\x05u}b."s);
  ASSERT_EQ(run.error(), "");
  const ObjectParts& parts = run.root().as_object();
  EXPECT_TRUE(parts.new_object);
  EXPECT_EQ(spelled(run.arena.at(parts.args)), "tuple(int 1)");
  EXPECT_EQ(spelled(run.arena.at(parts.kwargs)), "dict(str 6b: int 2)");
  EXPECT_THAT(parts.items, SizeIs(1));
  EXPECT_THAT(parts.pairs, SizeIs(2));
  EXPECT_EQ(spelled(run.arena.at(parts.state)), "dict()");
}

TEST(Pickle, NamesThatTheFileComputesAreUnknown) {
  const Ran run(
      "\x80\x04"
      "cm\nf\n)R\x8c\x01x\x93."s);
  ASSERT_EQ(run.error(), "");
  EXPECT_TRUE(run.program.imports.back().computed);
  EXPECT_TRUE(run.root().is_global("?", "?"));
}

TEST(Pickle, NamesOfPython2AreThoseOfPython3BelowProtocol3) {
  EXPECT_TRUE(Ran("c__builtin__\nset\n.").root().is_global("builtins", "set"));
  EXPECT_TRUE(Ran("\x80\x02"
                  "ccopy_reg\n_reconstructor\n.")
                  .root()
                  .is_global("copyreg", "_reconstructor"));
  EXPECT_TRUE(Ran("\x80\x03"
                  "c__builtin__\nset\n.")
                  .root()
                  .is_global("__builtin__", "set"));
}

TEST(Pickle, NamesWithOddBytesAreNotTakenForOthers) {
  const Ran run(
      "\x80\x04(\x8c\x03"
      "a\nb\x8c\x01"
      "c\x93\x8c\x01"
      "a\x8c\x03"
      "b\nc\x93t."s);
  ASSERT_EQ(run.error(), "");
  EXPECT_TRUE(run.root().item(0).is_global("a\nb", "c"));
  EXPECT_TRUE(run.root().item(1).is_global("a", "b\nc"));
}

TEST(Pickle, PersistentIdsExtensionsAndBuffersAreObjects) {
  const Ran run("\x80\x05(Pname\nK\x07Q\x82\x05\x97\x98t."s);
  ASSERT_EQ(run.error(), "");
  const auto callee = [&](std::size_t i) { return run.arena.at(run.root().item(i).as_object().callee); };
  EXPECT_TRUE(callee(0).is_global("", "persistent_id"));
  EXPECT_TRUE(callee(1).is_global("", "persistent_id"));
  EXPECT_TRUE(callee(2).is_global("copyreg", "extension"));
  EXPECT_TRUE(callee(3).is_global("", "readonly_buffer"));
  ASSERT_THAT(run.program.oddities, SizeIs(1));
  EXPECT_EQ(run.program.oddities[0].kind, PickleOddity::Kind::kBuffer);
}

TEST(Pickle, WhatCostsPythonWithoutBoundsIsOdd) {
  const auto is_costly = [](std::string_view program) {
    const Ran run{std::string(program)};
    EXPECT_EQ(run.error(), "");
    return !run.program.oddities.empty() && run.program.oddities[0].kind == PickleOddity::Kind::kCost;
  };
  EXPECT_TRUE(is_costly("]r\xff\xff\xff\x7f."sv)) << "a far entry of the memo";
  EXPECT_TRUE(is_costly("]p4000000000\n."sv));
  EXPECT_FALSE(is_costly("]r\xff\xff\x0f\x00."sv)) << "one that is not";
  // Each tuple holds the one before it twice.
  const auto doubled = [](int levels) {
    std::string program = "\x80\x02)";
    for (int i = 0; i < levels; ++i) program += std::string("q\0h\0\x86"s);
    return program + ".";
  };
  EXPECT_TRUE(is_costly(doubled(60)));
  EXPECT_FALSE(is_costly(doubled(20)));
}

// Where CPython's two readers differ, by pickle._Unpickler and _pickle.Unpickler.
TEST(Pickle, FaultsThatOneReaderPassesAreTold) {
  const auto differs = [](const std::string& program) {
    const Ran run(program);
    EXPECT_NE(run.error(), "") << program;
    return run.program.is_read_otherwise;
  };
  for (const std::string& program : {"(I1\nlI0\nI5\ns."s, "N(N(dtb."s, "NI0\nb."s, "Np9223372036854775808\n."s, "F1_0\n."s,
                                     "F1e999\n."s, "cos\nsystem\n(S'x'\nlR."s, "cos\nsystem\nVx\nR."s})
    EXPECT_TRUE(differs(program)) << program;
  EXPECT_TRUE(differs("\x95\x0b\0\0\0\0\0\0\0\x95\1\0\0\0\0\0\0\0N."s));
  for (const std::string& program : {"Fone\n."s, "Npx\n."s, "cos\nsystem\nNR."s, "zebra"s, "NNs."s})
    EXPECT_FALSE(differs(program)) << program;
}

TEST(Pickle, IntegersOfAnyLengthAreShortenedForThoseWhoJudge) {
  for (const std::string& program : {"L" + std::string(2000, '1') + "L\n.", "I0x" + std::string(2000, 'f') + "\n.",
                                     "\x8b\xdc\5\0\0"s + std::string(1500, '\1') + "."}) {
    Arena arena;
    const SourceRef source = memory_source(Bytes::copy(program), "a");
    EXPECT_EQ(run_pickle(arena, source, 0).error->code(), Code::kLimit);
    EXPECT_FALSE(run_pickle(arena, source, 0, {.limits = {}, .shorten_integers = true}).error);
  }
}

TEST(Pickle, APersistentIdMayStandForANodeThatIsKnown) {
  Arena arena;
  const NodeId known = arena.list({arena.integer(5)});
  PickleOptions options;
  options.persistent = [&](Value id) -> Result<NodeId> {
    if (id.is(ValueKind::kString)) return known;
    return corrupt("no such id");
  };
  const auto run = [&](std::string bytes) {
    return run_pickle(arena, memory_source(Bytes::adopt(std::move(bytes)), "m"), 0, options);
  };
  const PickleProgram program = run("\x80\x02X\1\0\0\0aQX\1\0\0\0bQ\x86."s);
  ASSERT_FALSE(program.error.has_value()) << program.error->to_string();
  EXPECT_EQ(arena.at(program.root).item(0).id(), known);
  EXPECT_EQ(arena.at(program.root).item(1).id(), known);
  EXPECT_TRUE(program.calls.empty());
  const PickleProgram failed = run("\x80\x02NQ."s);
  ASSERT_TRUE(failed.error.has_value());
  EXPECT_EQ(failed.error->offset(), 3u);
}

TEST(Pickle, AFrameThatAnOpcodeStraddlesIsRefusedAndNoted) {
  const Ran run("\x80\x04\x95" + little(3, 8) +
                "\x8c\x04"
                "abcd.");
  EXPECT_THAT(run.error(), HasSubstr("straddles the end of its frame at 14"));
  ASSERT_THAT(run.program.oddities, SizeIs(1));
  EXPECT_EQ(run.program.oddities[0].kind, PickleOddity::Kind::kFrame);
  const Ran nested("\x80\x04\x95" + little(20, 8) + "\x95" + little(2, 8) + std::string(30, 'N') + ".");
  EXPECT_THAT(nested.error(), HasSubstr("begins inside the frame"));
}

// As joblib's reader does; the one written in C stops at the frame.
TEST(Pickle, WhatStandsInAFrameThatIsLongerThanTheFileIsStillSeen) {
  const Ran run("\x80\x04\x95" + little(1'000, 8) + "cos\nsystem\n.");
  EXPECT_THAT(run.error(), HasSubstr("1000 bytes are needed, 12 remain"));
  EXPECT_EQ(run.program.error->offset(), 2u);
  EXPECT_THAT(run.program.imports, SizeIs(1));
}

TEST(Pickle, SharingAndCyclesAreTheSameNode) {
  const Ran run(
      "]q\x00h\x00"
      "a."s);
  ASSERT_EQ(run.error(), "");
  EXPECT_EQ(run.root().item(0).id(), run.program.root);
}

TEST(Pickle, AnErrorKeepsThePrefixAndItsPlace) {
  const Ran run("cos\nsystem\n(S'x'\ntR\xff");
  EXPECT_EQ(run.error(), "t.pkl @ 19: byte 0xff is no pickle opcode");
  EXPECT_THAT(run.program.calls, SizeIs(1));
  EXPECT_EQ(run.program.end, 19u);
  EXPECT_EQ(run.program.root, kNoNode);
}

TEST(Pickle, SizesBeyondTheFileTakeNoMemory) {
  EXPECT_THAT(Ran("\x80\x04\x8e" + little(UINT64_MAX, 8) + "x").error(), HasSubstr("bytes are needed"));
  EXPECT_THAT(Ran("\x80\x04\x8d" + little(1ull << 40, 8) + "x").error(), HasSubstr("bytes are needed"));
  EXPECT_THAT(Ran("T" + little(0xFFFFFFFF, 4) + "x").error(), HasSubstr("bytes are needed"));
  EXPECT_THAT(Ran("\x80\x04\x95" + little(1ull << 63, 8) + "N.").error(), HasSubstr("bytes are needed"));
  EXPECT_EQ(Ran("Nr\xff\xff\xff\xff.").error(), "");  // a far memo key costs one entry
}

TEST(Pickle, LimitsAreNamed) {
  PickleOptions options;
  options.limits.depth = 100;
  EXPECT_THAT(Ran(std::string(200, ']') + std::string(199, 'a') + ".", options).error(), HasSubstr("more than 100 deep"));
  EXPECT_THAT(Ran(std::string(200, '(') + ".", options).error(), HasSubstr("more than 100 deep"));
  EXPECT_THAT(Ran(")" + std::string(200, '\x85') + ".", options).error(), HasSubstr("more than 100 deep"));
  options.limits.opcodes = 5;
  EXPECT_THAT(Ran("NNNNNNN.", options).error(), HasSubstr("more than 5 opcodes"));
  options = {};
  options.limits.memo = 2;
  EXPECT_THAT(Ran("Nq\x01q\x02q\x03.", options).error(), HasSubstr("more than 2 entries"));
  options = {};
  options.limits.value_bytes = 1u << 20;
  EXPECT_THAT(Ran(std::string(100'000, ']') + ".", options).error(), HasSubstr("limit is 1048576"));
  EXPECT_THAT(Ran("\x80\x02\x8b" + little(10'000, 4) + std::string(10'000, 'x') + ".").error(), HasSubstr("1024"));
}

TEST(Pickle, LargeBytesStayOnDiskAndAWindowSuffices) {
  const std::string large(3'000'000, 'z');
  const auto source =
      std::make_shared<Unresident>("\x80\x03(B" + little(large.size(), 4) + large + "X\x02" + "\0\0\0ab"s + "t.");
  Arena arena;
  const auto program = run_pickle(arena, source, 0);
  ASSERT_FALSE(program.error) << program.error->to_string();
  const Value root = arena.at(program.root);
  EXPECT_FALSE(root.item(0).bytes_resident());
  EXPECT_EQ(root.item(0).bytes_size(), large.size());
  EXPECT_EQ(root.item(0).as_blob().offset(), 8u);
  EXPECT_EQ(root.item(1).as_string(), "ab");
  EXPECT_LE(source->most(), 256u << 10);
  EXPECT_LT(arena.memory(), 100'000u);
}

TEST(Pickle, OperandsThatCrossTheWindowAreWhole) {
  std::string bytes = "(";
  std::string expected;
  for (int i = 0; i < 20'000; ++i) {
    const std::string word = "word " + std::to_string(i);
    bytes += i % 2 == 0 ? "X" + little(word.size(), 4) + word : "V" + word + "\n";
    expected += (i == 0 ? "str " : ", str ") + to_hex(as_bytes(word));
  }
  const auto source = std::make_shared<Unresident>(bytes + "l.");
  Arena arena;
  const auto program = run_pickle(arena, source, 0);
  ASSERT_FALSE(program.error) << program.error->to_string();
  EXPECT_EQ(spelled(arena.at(program.root)), "list(" + expected + ")");
}

TEST(Pickle, RawDataBehindAStateIsPassedOver) {
  PickleOptions options;
  options.after_build = [](NodeId, std::uint64_t) -> Result<std::uint64_t> { return 5; };
  const Ran run("cm\nC\n)R}bRAWRAK\x01\x85.", options);
  ASSERT_EQ(run.error(), "");
  EXPECT_EQ(spelled(run.root()), "tuple(int 1)");
  EXPECT_THAT(Ran("\x80\x04\x95" + little(12, 8) + "cm\nC\n)R}bRAWRAN.", options).error(), HasSubstr("inside a frame"));
}

TEST(PickleWriter, BytesCanBePiecesThatAreNotRead) {
  Arena arena;
  const NodeId blob = arena.bytes(Blob::memory(Bytes::copy(std::string(1000, 'q')), "q"));
  PickleWriteOptions options;
  options.protocol = 4;
  options.apart_from = 1000;
  const auto pieces = write_pickle_pieces(arena.at(arena.list({blob, arena.integer(1)})), options);
  ASSERT_TRUE(pieces) << pieces.error().to_string();
  ASSERT_THAT(*pieces, SizeIs(3));
  EXPECT_EQ(std::get<Blob>((*pieces)[1]).size(), 1000u);
  EXPECT_EQ(std::get<std::string>((*pieces)[2]),
            "K\x01"
            "e.");
}

TEST(PickleWriter, DeepValuesNeedNoStack) {
  Arena arena;
  NodeId deep = arena.list();
  for (int i = 0; i < 300'000; ++i) deep = i % 2 == 0 ? arena.tuple({deep}) : arena.list({deep});
  const auto written = write_pickle(arena.at(deep), {});
  ASSERT_TRUE(written) << written.error().to_string();
}

TEST(PickleWriter, ACycleThroughTuplesAloneIsRefused) {
  Arena arena;
  const NodeId tuple = arena.tuple();
  arena.append(tuple, tuple);
  const auto written = write_pickle(arena.at(tuple), {});
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code(), Code::kUnsupported);
}

TEST(PickleWriter, WhatHasNoFormIsNamed) {
  Arena arena;
  const auto fault = [&](NodeId node) {
    const auto written = write_pickle(arena.at(node), {});
    return written ? "" : written.error().to_string();
  };
  EXPECT_THAT(fault(arena.tensor({})), HasSubstr("a tensor has no form"));
  EXPECT_THAT(fault(arena.global("a\nb", "c")), HasSubstr("has no form"));
  EXPECT_THAT(fault(arena.global("?", "?")), HasSubstr("has no form"));
  EXPECT_THAT(fault(arena.string("\xff")), HasSubstr("not UTF-8"));
}

TEST(PickleWriter, NamesWithDotsNeedProtocol4) {
  Arena arena;
  const NodeId nested = arena.global("m", "Outer.Inner");
  PickleWriteOptions options;
  EXPECT_THAT(write_pickle(arena.at(nested), options).error().to_string(), HasSubstr("'m.Outer.Inner' has no form"));
  options.protocol = 4;
  EXPECT_TRUE(write_pickle(arena.at(nested), options));
}

TEST(PickleWriter, WhatHasNoFormMayBeLostByName) {
  Arena arena;
  const auto call = [&](NodeId callee, NodeId kwargs) {
    ObjectParts parts;
    parts.callee = callee;
    parts.args = arena.tuple({arena.integer(1)});
    parts.kwargs = kwargs;
    return arena.object(std::move(parts));
  };
  const NodeId root = arena.dict();
  arena.set_item(root, "kept", arena.list({arena.integer(5), arena.string("\xff"), arena.global("?", "?")}));
  arena.set_item(root, "call", call(arena.global("a", "f"), arena.dict()));
  arena.set_item(root, "result of a call", call(call(arena.global("", "next_buffer"), kNoNode), kNoNode));
  const NodeId good = call(arena.global("", "persistent_id"), kNoNode);
  arena.set_item(root, "good", call(arena.global("a", "f"), kNoNode));
  arena.set_item(root, "id", good);
  for (const int protocol : {2, 4}) {
    std::vector<std::string> lost;
    PickleWriteOptions options;
    options.protocol = protocol;
    options.lost = [&](const std::string& where, const std::string& what) { lost.push_back(where + ": " + what); };
    const auto written = write_pickle(arena.at(root), options);
    ASSERT_TRUE(written) << written.error().to_string();
    EXPECT_THAT(lost, ElementsAre(HasSubstr("kept.1: a text that is not UTF-8"), HasSubstr("kept.2: the global '?.?'"),
                                  HasSubstr("call: a call with keyword arguments"),
                                  HasSubstr("result of a call: a call of '.next_buffer'")));
    Arena again;
    const auto program = run_pickle(again, memory_source(Bytes::copy(*written), "again"), 0);
    ASSERT_FALSE(program.error) << program.error->to_string();
    const Value back = again.at(program.root);
    ASSERT_EQ(back.size(), 5u);
    EXPECT_EQ(back.find("kept").item(0).as_int(), 5);
    EXPECT_TRUE(back.find("kept").item(1).is_null() && back.find("kept").item(2).is_null());
    EXPECT_TRUE(back.find("call").is_null() && back.find("result of a call").is_null());
    EXPECT_TRUE(back.find("good").is(ValueKind::kObject) && back.find("id").is(ValueKind::kObject));
    options.lost = nullptr;
    EXPECT_THAT(write_pickle(arena.at(root), options).error().to_string(), HasSubstr("kept.1: a text that is not UTF-8"));
  }
}

TEST(PickleWriter, WhatIsSpelledTwiceIsFetchedAndMeansTheSame) {
  Arena arena;
  const NodeId both = arena.tensor({.index = 7});
  const NodeId root = arena.list({both, arena.tensor({.index = 8}), both});
  const std::vector<std::int64_t> numbers = {5, -70000, std::int64_t{1} << 40, 0};
  PickleWriteOptions options;
  options.spell = [&](PickleEmitter& code, Value tensor) {
    code.known_global("__main__", "made");
    code.op(pickle_code::kMARK);
    code.integer(tensor.as_tensor().index);
    code.known_string("a word");
    code.known_tuple(numbers);
    code.known_global("builtins", "set");  // which Python 2 has elsewhere
    code.op(pickle_code::kTUPLE);
    code.op(pickle_code::kREDUCE);
    return Status();
  };
  for (const int protocol : {2, 4}) {
    options.protocol = protocol;
    const auto written = write_pickle(arena.at(root), options);
    ASSERT_TRUE(written) << written.error().to_string();
    for (const std::string_view once : {"a word", "made", "set"}) {
      EXPECT_EQ(written->find(once), written->rfind(once)) << once;
    }
    Arena again;
    const auto program = run_pickle(again, memory_source(Bytes::copy(*written), "again"), 0);
    ASSERT_FALSE(program.error) << program.error->to_string();
    const Value back = again.at(program.root);
    const std::string rest = ", str 6120776f7264, tuple(int 5, int -70000, int 1099511627776, int 0), global)";
    EXPECT_THAT(spelled(back.item(0).of(back.item(0).as_object().args)), "tuple(int 7" + rest);
    EXPECT_THAT(spelled(back.item(1).of(back.item(1).as_object().args)), "tuple(int 8" + rest);
    EXPECT_EQ(back.item(0).id(), back.item(2).id());
  }
}

TEST(PickleText, IntegersGoToBytesAndBack) {
  for (const std::string_view decimal : {"0", "1", "-1", "127", "128", "-128", "-129", "255", "256", "65535", "-32768",
                                         "4294967295", "4294967296", "-4294967296", "340282366920938463463374607431768211455",
                                         "-340282366920938463463374607431768211456", "1000000000000000000000000000"}) {
    EXPECT_EQ(pickle_text::decimal_of(pickle_text::two_complement_of(decimal)), decimal);
  }
  EXPECT_EQ(pickle_text::two_complement_of("-128"), "\x80");
  EXPECT_EQ(pickle_text::two_complement_of("128"), "\x80\0"s);
  EXPECT_EQ(pickle_text::two_complement_of("0"), "");
}

TEST(PickleMemo, KeysAreFoundWhereverTheyWerePut) {
  PickleMemo memo;
  for (std::uint64_t key : {std::uint64_t{5'000}, std::uint64_t{1} << 40, std::uint64_t{0}}) memo.put(key, 7);
  for (NodeId i = 1; i < 6'000; ++i) memo.put(i, i);
  EXPECT_EQ(memo.get(5'000), 5'000u);
  EXPECT_EQ(memo.get(std::uint64_t{1} << 40), 7u);
  EXPECT_EQ(memo.get(0), 7u);
  EXPECT_EQ(memo.get(6'000), kNoNode);
  EXPECT_EQ(memo.size(), 6'001u);
}

}  // namespace
}  // namespace holdall
