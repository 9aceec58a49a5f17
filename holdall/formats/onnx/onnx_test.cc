#include "holdall/formats/onnx/onnx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "holdall/formats/format_test_files.h"

namespace holdall {

extern const Format k_onnx_format;

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

const std::string kData = HOLDALL_SOURCE_DIR "/holdall/formats/onnx/testdata/";

Result<Model> open(const std::string& path) {
  HOLDALL_ASSIGN(const Bundle bundle, Bundle::open(path, Limits()));
  HOLDALL_ASSIGN(const Format* format, detect(bundle, {}));
  EXPECT_EQ(format->id, "onnx");
  return format->read(bundle, Context());
}

Bundle bundle_of(const std::string& bytes) { return Bundle::of(memory_source(Bytes::copy(bytes), "m.onnx")); }
Result<Model> open_bytes(const std::string& bytes) { return k_onnx_format.read(bundle_of(bytes), Context()); }

std::vector<std::string> faults_of(const std::string& bytes) {
  Faults faults;
  const Status verified = k_onnx_format.verify(bundle_of(bytes), {}, faults);
  EXPECT_TRUE(verified) << verified.error().to_string();
  std::vector<std::string> said;
  for (const Fault& fault : faults.list) said.push_back(fault.what);
  return said;
}

Findings findings_of(const std::string& bytes) {
  Findings findings;
  const Status judged = k_onnx_format.acts(bundle_of(bytes), {}, findings);
  EXPECT_TRUE(judged) << judged.error().to_string();
  return findings;
}

using P = ProtoWriter;

P named(const std::string& name) { return P().bytes(1, name); }
P node(const std::string& in, const std::string& out, const std::string& op, const std::string& domain = "") {
  P made;
  if (!in.empty()) made.bytes(1, in);
  made.bytes(2, out).bytes(4, op);
  if (!domain.empty()) made.bytes(7, domain);
  return made;
}
P tensor(const std::string& name, std::uint64_t type, std::vector<std::uint64_t> dims) {
  P made;
  for (const std::uint64_t size : dims) made.varint(1, size);
  return made.varint(2, type).bytes(8, name);
}
// A model of a graph with an input x and an output y.
std::string model_of(P graph) {
  graph.bytes(2, "g").message(11, named("x")).message(12, named("y"));
  return P().varint(1, 8).message(7, graph).message(8, P().varint(2, 17)).take();
}

TEST(Onnx, EveryDataTypeInEverySpellingHasTheReferencesDigest) {
  for (const auto& [file, table] : {std::pair("encodings.onnx", "encodings.tsv"), std::pair("places.onnx", "places.tsv"),
                                    std::pair("external/model.onnx", "external/tensors.tsv")}) {
    const auto model = open(kData + file);
    ASSERT_TRUE(model) << model.error().to_string();
    const auto rows = rows_of(kData + table);
    EXPECT_EQ(model->tensors().size(), rows.size());
    for (const auto& row : rows) {
      const NamedTensor* const entry = model->find(row[0]);
      ASSERT_NE(entry, nullptr) << row[0];
      EXPECT_EQ(name(entry->tensor.dtype()), row[1]) << row[0];
      EXPECT_EQ(shape_text(entry->tensor.shape()), row[2]) << row[0];
      EXPECT_EQ(digest_of(entry->tensor), row[3]) << row[0];
    }
  }
}

TEST(Onnx, SignaturesFunctionsOperatorsAndPropertiesAreTold) {
  const auto model = open(kData + "places.onnx");
  ASSERT_TRUE(model);
  const Value about = model->metadata().find("onnx");
  EXPECT_EQ(about.find_int("ir_version"), 13);
  EXPECT_EQ(about.find("opsets").find_int("own"), 1);
  EXPECT_EQ(about.find("functions").item(0).as_string(), "own:Scale");
  EXPECT_EQ(about.find("ops").find_int("Constant"), 10);
  EXPECT_EQ(about.find("inputs").find("x").find_string("shape"), "[1, 3]");
  const auto other = open(kData + "encodings.onnx");
  EXPECT_EQ(other->metadata().find_string("author"), "nobody");
  EXPECT_EQ(other->metadata().find("onnx").find("inputs").find("x").find_string("shape"), "[batch, 3]");
}

TEST(Onnx, RawDataStaysWhereItLies) {
  const auto model = open(kData + "encodings.onnx");
  const auto blob = model->tensor("float_raw")->data();
  ASSERT_TRUE(blob);
  EXPECT_TRUE(blob->locate());
  EXPECT_TRUE(model->tensor("float_values")->data()->locate()) << "packed floats are raw data";
  EXPECT_EQ(open(kData + "external/model.onnx")->find("big")->file.str(), "model.onnx.data");
}

TEST(Onnx, AFolderItsModelAndItsDataAreTheSameModel) {
  for (const char* name : {"", "model.onnx", "model.onnx.data"}) {
    const Scratch folder;
    fs::copy_file(kData + "external/model.onnx", folder / "model.onnx");
    fs::copy_file(kData + "external/model.onnx.data", folder / "model.onnx.data");
    const auto model = open(folder / name);
    ASSERT_TRUE(model) << model.error().to_string();
    EXPECT_EQ(model->tensors().size(), 3u);
  }
}

TEST(Onnx, GoldenFilesAreSoundAndInert) {
  for (const char* name : {"encodings.onnx", "places.onnx", "external/model.onnx"}) {
    const auto bundle = Bundle::open(kData + name, {});
    Faults faults;
    ASSERT_TRUE(k_onnx_format.verify(*bundle, {}, faults));
    EXPECT_THAT(faults.list, IsEmpty()) << faults.list[0].what;
    Findings findings;
    ASSERT_TRUE(k_onnx_format.acts(*bundle, {}, findings));
    EXPECT_THAT(findings, IsEmpty());
  }
}

TEST(Onnx, OneNameTwiceIsNumberedAndAFault) {
  const P twice = tensor("w", 1, {1}).bytes(9, "abcd");
  const std::string bytes = model_of(P().message(1, node("x", "y", "Identity")).message(5, twice).message(5, twice));
  const auto model = open_bytes(bytes);
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_NE(model->find("w@2"), nullptr);
  EXPECT_THAT(faults_of(bytes), ElementsAre("the initializer 'w' is there twice"));
}

TEST(Onnx, NodesOutOfOrderMissingOutputsAndNamesGivenTwiceAreFaults) {
  EXPECT_THAT(faults_of(model_of(P().message(1, node("a", "y", "Neg")).message(1, node("x", "a", "Neg")))),
              ElementsAre("a node uses 'a', which nothing before it makes"));
  EXPECT_THAT(faults_of(model_of(P().message(1, node("x", "z", "Neg")))), ElementsAre("nothing makes the output 'y'"));
  EXPECT_THAT(faults_of(model_of(P().message(1, node("x", "y", "Neg")).message(1, node("x", "y", "Neg")))),
              ElementsAre("the name 'y' is given twice"));
}

TEST(Onnx, OtherBytesThanTheShapeTakesAreCorrupt) {
  for (const char* data : {"abc", "abcde", ""}) {
    const auto model = open_bytes(model_of(P().message(5, tensor("w", 1, {1}).bytes(9, data))));
    ASSERT_FALSE(model);
    EXPECT_EQ(model.error().code(), Code::kCorrupt);
  }
  EXPECT_FALSE(open_bytes(model_of(P().message(5, tensor("w", 1, {1})))));
  EXPECT_FALSE(open_bytes(model_of(P().message(5, tensor("w", 6, {1u << 30, 1u << 30}).varint(5, 1)))));
  EXPECT_FALSE(open_bytes(model_of(P().message(5, tensor("w", 1, {~std::uint64_t{0}}).bytes(9, "")))));
}

TEST(Onnx, FewerOrMoreValuesThanElementsAreFound) {
  for (const int count : {1, 3}) {
    P values = tensor("w", 7, {2});
    for (int i = 0; i < count; ++i) values.varint(7, 5);
    const std::string bytes = model_of(P().message(1, node("x", "y", "Neg")).message(5, values));
    const auto model = open_bytes(bytes);
    ASSERT_TRUE(model);
    EXPECT_FALSE(model->tensor("w")->read_bytes());
    EXPECT_EQ(faults_of(bytes).size(), 1u);
  }
}

TEST(Onnx, ValuesInTwoFieldsAreAFault) {
  const P both = tensor("w", 1, {1}).bytes(9, "abcd").fixed32(4, 0);
  EXPECT_THAT(faults_of(model_of(P().message(1, node("x", "y", "Neg")).message(5, both))),
              ElementsAre("tensor 'w': 2 fields hold values, one may"));
}

TEST(Onnx, GraphsNestedWithoutEndAreALimit) {
  P graph;
  for (int i = 0; i < 200; ++i)
    graph = P().message(1, node("", "o", "If").message(5, P().bytes(1, "then_branch").message(6, graph)));
  const auto model = open_bytes(model_of(graph));
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code(), Code::kLimit);
}

TEST(Onnx, ASparseTensorThatWouldFillMemoryIsALimit) {
  const P sparse = P().message(1, tensor("w", 1, {1}).bytes(9, "abcd")).message(2, tensor("i", 7, {1}).varint(7, 1));
  const auto model = open_bytes(model_of(P().message(15, P(sparse).varint(3, 1u << 30))));
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code(), Code::kLimit);
}

TEST(Onnx, SparseIndicesOutsideOrOutOfOrderAreCorrupt) {
  for (const auto& [first, second] : {std::pair(2, 1), std::pair(1, 1), std::pair(1, 9)}) {
    const P indices =
        tensor("i", 7, {2}).varint(7, static_cast<std::uint64_t>(first)).varint(7, static_cast<std::uint64_t>(second));
    const P sparse = P().message(1, tensor("w", 1, {2}).bytes(9, "abcdefgh")).message(2, indices).varint(3, 4);
    const auto model = open_bytes(model_of(P().message(15, sparse)));
    ASSERT_TRUE(model) << model.error().to_string();
    EXPECT_EQ(model->tensor("w")->read_bytes().error().code(), Code::kCorrupt);
  }
}

P external(const std::string& location, const std::string& key = "offset", const std::string& value = "0") {
  const P place = P().bytes(1, "location").bytes(2, location);
  return tensor("w", 1, {1}).message(13, place).message(13, P().bytes(1, key).bytes(2, value)).varint(14, 1);
}

TEST(Onnx, LocationsThatLeadOutAreMalicious) {
  for (const char* location : {"../w", "/etc/passwd", "a/../../b", "*/_ORT_MEM_ADDR_/"}) {
    const std::string bytes = model_of(P().message(5, external(location)));
    EXPECT_FALSE(open_bytes(bytes));
    const Findings findings = findings_of(bytes);
    ASSERT_EQ(findings.size(), 1u) << location;
    EXPECT_EQ(findings[0].severity, Verdict::kMalicious);
    EXPECT_EQ(findings[0].rule, Rule::kOnnxExternalData);
  }
}

TEST(Onnx, EntriesOfExternalDataThatAreNoNumbersAreCorrupt) {
  for (const char* value : {"-1", "1e3", "", " 1", "99999999999999999999"}) {
    const auto model = open_bytes(model_of(P().message(5, external("w", "offset", value))));
    EXPECT_EQ(model.error().code(), Code::kCorrupt) << value;
  }
  EXPECT_EQ(open_bytes(model_of(P().message(5, external("w", "location", "v")))).error().code(), Code::kCorrupt);
}

TEST(Onnx, OperatorsOfOthersAreCodeAndTheModelsOwnFunctionsAreNot) {
  const std::string foreign = model_of(P().message(1, node("x", "y", "Secret", "my.company")));
  const Findings findings = findings_of(foreign);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].severity, Verdict::kCode);
  EXPECT_THAT(findings[0].what, HasSubstr("my.company:Secret"));
  const std::string own = foreign + P().message(25, P().bytes(1, "Secret").bytes(10, "my.company")).take();
  EXPECT_THAT(findings_of(own), IsEmpty());
}

TEST(Onnx, FindingsHaveAnEnd) {
  P graph;
  for (int i = 0; i < 2'000; ++i) graph.message(1, node("x", "y", "Secret" + std::to_string(i), "my.company"));
  const Findings findings = findings_of(model_of(graph));
  ASSERT_EQ(findings.size(), 1'001u);
  EXPECT_EQ(findings.back().what, "there are more than 1000 such findings");
}

TEST(Onnx, AConstantThatItsFunctionsCallerGivesIsNoTensor) {
  const P given = P().bytes(1, "value_float").varint(20, 1).bytes(21, "alpha");
  const P function = P().bytes(1, "F").message(7, node("", "a", "Constant").message(5, given));
  const auto model = open_bytes(model_of(P()) + P().message(25, function).take());
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_THAT(model->tensors(), IsEmpty());
}

TEST(Onnx, NativeCodeFromOutsideTheFolderIsMalicious) {
  const P context = node("x", "y", "EPContext", "com.microsoft")
                        .message(5, P().bytes(1, "embed_mode").varint(3, 0))
                        .message(5, P().bytes(1, "ep_cache_context").bytes(4, "../evil.bin"));
  const Findings findings = findings_of(model_of(P().message(1, context)));
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[1].severity, Verdict::kMalicious);
}

}  // namespace
}  // namespace holdall
