#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <iterator>

#include "holdall/codec/document.h"
#include "holdall/formats/format.h"
#include "holdall/formats/format_test_files.h"
#include "holdall/io/execute.h"

namespace holdall {

extern const Format k_pickle_format;

namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::string_literals;
namespace fs = std::filesystem;

const std::string kData = HOLDALL_SOURCE_DIR "/holdall/formats/pickle/testdata/";

Bundle in_memory(std::string bytes) { return Bundle::of(memory_source(Bytes::adopt(std::move(bytes)), "m.pkl")); }

Result<Model> open_bytes(std::string bytes, const Limits& limits = {}) {
  Context context;
  context.limits = limits;
  return k_pickle_format.read(in_memory(std::move(bytes)), context);
}

Result<Model> open_golden(const std::string& name) { return open_bytes(slurp(kData + name)); }

std::string fault(std::string bytes, const Limits& limits = {}) {
  const auto model = open_bytes(std::move(bytes), limits);
  return model ? "" : model.error().to_string();
}

std::string document(const Model& model) {
  JsonWriter writer;
  const auto name_of = [&](std::uint32_t index) -> std::string_view {
    for (const NamedTensor& named : model.tensors())
      if (named.index == index) return named.name;
    return "?";
  };
  const auto status = write_document(writer, model.tree(), name_of);
  return status ? writer.text() : status.error().to_string();
}

Value parse(Arena& arena, const std::string& json) {
  const auto root = parse_json(arena, json);
  EXPECT_TRUE(root) << root.error().to_string();
  return arena.at(*root);
}

Match match_of(std::string bytes) {
  const Bundle bundle = in_memory(std::move(bytes));
  const Limits limits;
  Peek peek(bundle, limits);
  return k_pickle_format.match(peek);
}

Findings findings_of(std::string bytes) {
  Findings findings;
  const auto status = k_pickle_format.acts(in_memory(std::move(bytes)), Context(), findings);
  EXPECT_TRUE(status);
  return findings;
}

// Writes a model as a pickle and gives the bytes back.
std::string rewritten(const Model& model, std::vector<Loss>* losses = nullptr) {
  const auto plan = k_pickle_format.plan(model, WriteOptions());
  if (!plan) return plan.error().to_string();
  if (losses != nullptr) *losses = plan->losses;
  const fs::path path = fs::temp_directory_path() / ("holdall-pickle-" + std::to_string(::getpid()) + ".pkl");
  ExecuteOptions options;
  options.durable = false;
  const auto done = execute(*plan, path.string(), options);
  if (!done) return done.error().to_string();
  const std::string bytes = slurp(path.string());
  fs::remove(path);
  return bytes;
}

TEST(PickleFormat, PlainValuesOfEveryProtocolAreWhatPythonWrote) {
  Arena arena;
  const std::string expected(*parse(arena, slurp(kData + "expected.json")).find_string("plain"));
  for (int protocol = 0; protocol <= 5; ++protocol) {
    const auto model = open_golden("plain_" + std::to_string(protocol) + ".pkl");
    ASSERT_TRUE(model) << model.error().to_string();
    EXPECT_EQ(document(*model), expected);
    EXPECT_EQ(model->origin().detail, "protocol " + std::to_string(protocol));
    EXPECT_THAT(model->warnings(), IsEmpty());
  }
}

void expect_arrays(const Model& model) {
  Arena arena;
  const Value expected = parse(arena, slurp(kData + "expected.json")).find("arrays");
  ASSERT_EQ(model.tensors().size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto tensor = model.tensor(expected.key(i).as_string());
    ASSERT_TRUE(tensor) << tensor.error().to_string();
    const Value facts = expected.mapped(i);
    EXPECT_EQ(name(tensor->dtype()), *facts.find_string("dtype")) << expected.key(i).as_string();
    Shape shape;
    for (std::size_t j = 0; j < facts.find("shape").size(); ++j)
      shape.push_back(static_cast<std::uint64_t>(facts.find("shape").item(j).as_int()));
    EXPECT_EQ(tensor->shape(), shape);
    const auto digest = tensor->digest();
    ASSERT_TRUE(digest) << digest.error().to_string();
    EXPECT_EQ(to_hex(*digest), *facts.find_string("sha256")) << expected.key(i).as_string();
  }
}

TEST(PickleFormat, ArraysOfNumPyAreTensors) {
  for (const int protocol : {0, 2, 4, 5}) {
    SCOPED_TRACE(protocol);
    const auto model = open_golden("arrays_" + std::to_string(protocol) + ".pkl");
    ASSERT_TRUE(model) << model.error().to_string();
    expect_arrays(*model);
    EXPECT_EQ(model->tree().find_int("step"), 3);
  }
}

TEST(PickleFormat, WhatIsWrittenIsReadBackTheSame) {
  for (const std::string name : {"plain_2.pkl", "plain_4.pkl", "rich_4.pkl", "rich_5.pkl", "arrays_4.pkl", "arrays_0.pkl"}) {
    SCOPED_TRACE(name);
    const auto model = open_golden(name);
    ASSERT_TRUE(model) << model.error().to_string();
    std::vector<Loss> losses;
    const auto again = open_bytes(rewritten(*model, &losses));
    ASSERT_TRUE(again) << again.error().to_string();
    EXPECT_THAT(losses, IsEmpty());
    EXPECT_EQ(document(*again), document(*model));
    if (name.starts_with("arrays")) expect_arrays(*again);
  }
}

TEST(PickleFormat, RichValuesAreTheSameInEveryProtocol) {
  const auto newest = open_golden("rich_5.pkl");
  ASSERT_TRUE(newest) << newest.error().to_string();
  EXPECT_THAT(document(*newest), HasSubstr(R"("tuple":{"$tuple":[1,)"));
  for (int protocol = 0; protocol < 5; ++protocol) {
    const auto model = open_golden("rich_" + std::to_string(protocol) + ".pkl");
    ASSERT_TRUE(model) << model.error().to_string();
    for (const std::string_view key : {"tuple", "set", "frozen", "bytes", "complex"}) {
      EXPECT_EQ(model->tree().find(key).kind(), newest->tree().find(key).kind()) << key << " in " << protocol;
    }
  }
}

TEST(PickleFormat, StringsOfPython2AreTextOrBytesByTheirContent) {
  for (int protocol = 0; protocol <= 2; ++protocol) {
    const auto model = open_golden("python2_" + std::to_string(protocol) + ".pkl");
    ASSERT_TRUE(model) << model.error().to_string();
    EXPECT_TRUE(model->tree().find("s").is(ValueKind::kBytes));
    EXPECT_EQ(model->tree().find("s").as_bytes(), "bytes\xff\0"s);
    EXPECT_EQ(model->tree().find_string("t"), "text");
    EXPECT_EQ(model->tree().find_string("u"), "\xE2\x82\xAC");
    EXPECT_EQ(model->tree().find("l").as_big_int(), "12345678901234567890");
    EXPECT_TRUE(model->tree().find("old").is(ValueKind::kObject));
    EXPECT_TRUE(model->tree().find("set").is(ValueKind::kSet));
  }
}

TEST(PickleFormat, SeveralPicklesAreAListAndSaidSo) {
  const auto model = open_golden("two.pkl");
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_EQ(document(*model), R"([{"a":1},{"b":2}])");
  EXPECT_THAT(model->warnings(), SizeIs(1));
  EXPECT_EQ(model->origin().detail, "protocol 4, 2 pickles");
}

TEST(PickleFormat, TensorsInTorchFilesWithinThePickleAreTensors) {
  for (const std::string name : {"torch_2.pkl", "torch_4.pkl"}) {
    const auto model = open_golden(name);
    ASSERT_TRUE(model) << model.error().to_string();
    EXPECT_THAT(model->warnings(), IsEmpty());
    ASSERT_THAT(model->tensors(), SizeIs(5)) << name;
    EXPECT_EQ(model->tensor("w")->read<float>().value(), (std::vector<float>{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(model->tensor("t")->read<float>().value(), (std::vector<float>{0, 3, 1, 4, 2, 5}));
    EXPECT_EQ(model->tensor("half")->dtype(), DType::kBFloat16);
    EXPECT_EQ(model->tensor("big")->read<std::int32_t>()->at(1999), 1999);
    EXPECT_NE(model->tensor("w")->storage(), model->tensor("t")->storage()) << "each is written with a file of its own";
    EXPECT_THAT(findings_of(slurp(kData + name)), IsEmpty());
  }
}

TEST(PickleFormat, ATorchFileThatCannotBeReadStaysAnObjectWithAWarning) {
  std::string bytes = slurp(kData + "torch_4.pkl");
  bytes[bytes.find("\x8a\x0al\xfc\x9c") + 2] ^= 1;  // the magic number of the first
  const auto model = open_bytes(bytes);
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_THAT(model->tensors(), SizeIs(4));
  EXPECT_THAT(model->warnings(), ::testing::ElementsAre(HasSubstr("torch file within the pickle")));
  EXPECT_FALSE(findings_of(bytes).empty());
}

TEST(PickleFormat, TrailingBytesAreAWarningAFaultAndAFinding) {
  const std::string bytes = slurp(kData + "plain_4.pkl") + "garbage";
  const auto model = open_bytes(bytes);
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_THAT(model->warnings(), ::testing::ElementsAre(HasSubstr("7 bytes behind the end")));
  Faults faults;
  ASSERT_TRUE(k_pickle_format.verify(in_memory(bytes), Context(), faults));
  EXPECT_THAT(faults.list, SizeIs(1));
  const Findings findings = findings_of(bytes);
  ASSERT_FALSE(findings.empty());
  EXPECT_EQ(findings.back().severity, Verdict::kUnreadable);
}

TEST(PickleFormat, EveryTruncationIsAnErrorThatNamesThePlace) {
  const std::string whole = slurp(kData + "rich_4.pkl");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto model = open_bytes(whole.substr(0, size));
    ASSERT_FALSE(model) << size;
    EXPECT_EQ(model.error().code(), Code::kCorrupt) << size;
    EXPECT_TRUE(model.error().offset()) << size;
  }
}

TEST(PickleFormat, CallsAreListedAndNeverMade) {
  const auto model = open_golden("hostile.pkl");
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_THAT(document(*model), HasSubstr("posix.system"));
  const Findings findings = findings_of(slurp(kData + "hostile.pkl"));
  ASSERT_FALSE(findings.empty());
  EXPECT_EQ(findings.front().severity, Verdict::kMalicious);
  EXPECT_THAT(findings_of(slurp(kData + "arrays_4.pkl")), IsEmpty());
}

TEST(PickleFormat, CallsBeforeABrokenEndAndInALaterPickleAreFound) {
  const std::string hostile = slurp(kData + "hostile.pkl");
  EXPECT_EQ(findings_of(hostile.substr(0, hostile.size() - 1)).front().severity, Verdict::kMalicious);
  EXPECT_EQ(findings_of(slurp(kData + "plain_2.pkl") + hostile).front().severity, Verdict::kMalicious);
}

TEST(PickleFormat, LimitsHold) {
  Limits limits;
  limits.opcodes = 10;
  EXPECT_THAT(fault(slurp(kData + "plain_4.pkl"), limits), HasSubstr("more than 10 opcodes"));
  limits = {};
  limits.memo = 3;
  EXPECT_THAT(fault(slurp(kData + "plain_2.pkl"), limits), HasSubstr("more than 3 entries"));
  limits = {};
  limits.depth = 2;
  EXPECT_THAT(fault(slurp(kData + "plain_2.pkl"), limits), HasSubstr("nested more than 2 deep"));
  limits = {};
  limits.value_bytes = 1000;
  EXPECT_THAT(fault(slurp(kData + "plain_2.pkl"), limits), HasSubstr("limit is 1000"));
}

TEST(PickleFormat, ContentIsRecognisedWithAndWithoutAProtocol) {
  for (int protocol = 0; protocol <= 5; ++protocol) {
    const std::string bytes = slurp(kData + "plain_" + std::to_string(protocol) + ".pkl");
    EXPECT_EQ(match_of(bytes), protocol < 2 ? Match::kMaybe : Match::kLikely) << protocol;
  }
  EXPECT_EQ(match_of("config\nfirst line\nanother one\n"), Match::kNo);
  EXPECT_EQ(match_of("(this is prose.)"), Match::kNo);
  EXPECT_EQ(match_of("N.B. prose again"), Match::kNo);
  EXPECT_EQ(match_of("\x80\x07K\x01."), Match::kNo);
  EXPECT_EQ(match_of("cos\nsystem\n(S'true'\ntR then garbage"), Match::kMaybe);
  EXPECT_EQ(match_of(""), Match::kNo);
}

TEST(PickleFormat, DTypesThatNumPyLacksAreLossesAndBecomeNone) {
  ModelBuilder builder;
  const auto tensor = Tensor::dense(DType::kBFloat16, {2}, Blob::memory(Bytes::copy("abcd"), "t"));
  ASSERT_TRUE(tensor);
  builder.tree = builder.arena->dict();
  const NodeId node = builder.arena->tensor({.index = builder.add(*tensor), .parameter = true});
  builder.arena->set_item(builder.tree, "w", node);
  const auto model = std::move(builder).named_by_tree();
  ASSERT_TRUE(model);
  std::vector<Loss> losses;
  const auto again = open_bytes(rewritten(*model, &losses));
  ASSERT_TRUE(again) << again.error().to_string();
  ASSERT_THAT(losses, SizeIs(2));
  EXPECT_EQ(losses[0].where, "w");
  EXPECT_THAT(losses[0].what, HasSubstr("bfloat16"));
  EXPECT_EQ(document(*again), R"({"w":null})");
}

TEST(PickleFormat, StringTensorsArePaddedToTheirWidth) {
  std::string data;
  for (const std::string_view element : {"a", "\xE2\x82\xAC\xF0\x9F\x98\x80", ""}) {
    data.append(8, '\0');
    store_le<std::uint64_t>(data.data() + data.size() - 8, element.size());
    data += element;
  }
  const auto tensor = Tensor::strings({3}, Blob::memory(Bytes::copy(data), "t"));
  ASSERT_TRUE(tensor);
  ModelBuilder builder;
  builder.tree = builder.arena->tensor({.index = builder.add(*tensor)});
  const auto model = std::move(builder).named_by_tree();
  ASSERT_TRUE(model);
  const auto again = open_bytes(rewritten(*model));
  ASSERT_TRUE(again) << again.error().to_string();
  ASSERT_THAT(again->tensors(), SizeIs(1));
  EXPECT_EQ(again->tensors()[0].tensor.logical(), "U2");
  EXPECT_EQ(again->tensors()[0].tensor.read_bytes()->text(), data);
}

}  // namespace
}  // namespace holdall
