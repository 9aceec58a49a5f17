#include "holdall/formats/tf_savedmodel/tf_savedmodel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "holdall/formats/format_test_files.h"
#include "holdall/formats/tf_savedmodel/graph_acts.h"
#include "holdall/io/execute.h"

namespace holdall {

extern const Format k_tf_savedmodel_format;

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

const std::string kData = HOLDALL_SOURCE_DIR "/holdall/formats/tf_savedmodel/testdata/";
const std::string kKernel = "kernel/.ATTRIBUTES/VARIABLE_VALUE";
const std::string kBias = "layers/0/.ATTRIBUTES/VARIABLE_VALUE";

Result<Model> open(const std::string& path) {
  HOLDALL_ASSIGN(const Bundle bundle, Bundle::open(path, Limits()));
  HOLDALL_ASSIGN(const Format* format, detect(bundle, {}));
  EXPECT_EQ(format->id, "tf-savedmodel");
  return format->read(bundle, Context());
}

Findings acts(const std::string& path) {
  const auto bundle = Bundle::open(path, {});
  Findings findings;
  const Status judged = k_tf_savedmodel_format.acts(*bundle, {}, findings);
  EXPECT_TRUE(judged) << judged.error().to_string();
  return findings;
}

Tensor floats(Shape shape, const std::vector<float>& values) {
  const auto* bytes = reinterpret_cast<const char*>(values.data());
  return *Tensor::dense(DType::kFloat32, std::move(shape),
                        Blob::memory(Bytes::copy(std::string_view(bytes, 4 * values.size())), "new"));
}

// The model with these tensors instead of its own.
Model with(const Model& model, std::vector<NamedTensor> tensors) {
  ModelBuilder builder(model.arena().clone());
  builder.tree = model.tree().id();
  builder.metadata = model.metadata().id();
  builder.side_files = model.side_files();
  builder.origin = model.origin();
  return *std::move(builder).with_named(std::move(tensors));
}

TEST(TfSavedModel, VariablesConstantsSignaturesAndFilesAreRead) {
  for (const char* name : {"module", "module/saved_model.pb"}) {
    const auto model = open(kData + name);
    ASSERT_TRUE(model) << model.error().to_string();
    ASSERT_EQ(model->tensors().size(), 3u);
    EXPECT_EQ(model->tensor(kKernel)->read<float>().value(), (std::vector<float>{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(model->tensor(kBias)->read<float>().value(), (std::vector<float>{1, 2}));
    EXPECT_EQ(model->tensors()[2].tensor.read<float>().value(), (std::vector<float>{0.5, 0.25}));
    EXPECT_EQ(model->tree().find("kernel").as_tensor().index, 0u);
    const Value graph = model->metadata().find("meta_graphs").item(0);
    const Value signature = graph.find("signatures").find("serving_default");
    EXPECT_EQ(signature.find("inputs").find("x").find_string("dtype"), "float32");
    EXPECT_EQ(signature.find("inputs").find("x").find_string("shape"), "[?, 3]");
    EXPECT_EQ(signature.find("outputs").find("y").find_string("shape"), "[?, 2]");
    EXPECT_EQ(graph.find("ops").find_int("MatMul"), 1);
    EXPECT_GT(graph.find("functions").size(), 2u);
    EXPECT_EQ(graph.find("assets").item(0).as_string(), "words.txt");
  }
  const auto model = open(kData + "module");
  EXPECT_TRUE(model->side_files().contains("assets/words.txt"));
  EXPECT_TRUE(model->metadata().find("fingerprint").find("saved_model_checksum"));
}

TEST(TfSavedModel, AModelThatSavesWhereItsLoaderSaysIsInert) { EXPECT_THAT(acts(kData + "module"), IsEmpty()); }

TEST(TfSavedModel, AFunctionThatWritesToAPathOfItsOwnIsMalicious) {
  const Findings findings = acts(kData + "writes");
  ASSERT_EQ(findings.size(), 2u);
  const auto worst =
      std::find_if(findings.begin(), findings.end(), [](const Finding& f) { return f.severity == Verdict::kMalicious; });
  ASSERT_NE(worst, findings.end());
  EXPECT_THAT(worst->what, HasSubstr("WriteFile writes a file that the graph chooses: '/tmp/holdall-was-here'"));
  const auto other =
      std::find_if(findings.begin(), findings.end(), [](const Finding& f) { return f.severity == Verdict::kCode; });
  ASSERT_NE(other, findings.end());
  EXPECT_THAT(other->what, HasSubstr("ReadFile reads a file that is named when the graph runs"));
}

TEST(TfSavedModel, APathIsFollowedThroughTheFunctionsThatItIsGivenTo) {
  using namespace tf_savedmodel;
  const std::string path = ProtoWriter().varint(1, 7).bytes(8, "/etc/cron.d/x").take();
  MetaGraph graph;
  graph.scopes.emplace_back();
  graph.scopes[0].nodes = {{.name = "path", .op = "Const", .constant = Blob::memory(Bytes::copy(path), "c")},
                           {.name = "saver", .op = "Placeholder"},
                           {.name = "good", .op = "StatefulPartitionedCall", .inputs = {"saver"}, .functions = {"save"}},
                           {.name = "bad", .op = "StatefulPartitionedCall", .inputs = {"path:0"}, .functions = {"save"}}};
  graph.scopes.push_back({"save", {"prefix"}, {{.name = "s", .op = "SaveV2", .inputs = {"prefix", "names", "slices", "x"}}}});
  Findings findings;
  Told told(findings);
  judge_graph(graph, "m", {}, told);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].where, "m: bad");
  EXPECT_EQ(findings[0].severity, Verdict::kMalicious);
}

using tf_savedmodel::MetaGraph;
using tf_savedmodel::Node;

Node constant(const std::string& name, const std::string& value) {
  const std::string proto = ProtoWriter().varint(1, 7).bytes(8, value).take();
  return {.name = name, .op = "Const", .constant = Blob::memory(Bytes::copy(proto), "c")};
}

MetaGraph graph_of(std::vector<Node> nodes) {
  MetaGraph graph;
  graph.scopes.push_back({"", {}, std::move(nodes)});
  return graph;
}

Findings judged(const MetaGraph& graph) {
  Findings findings;
  Told told(findings);
  tf_savedmodel::judge_graph(graph, "m", {}, told);
  return findings;
}

// A function that saves where its argument says.
const tf_savedmodel::Scope kSave = {"save", {"prefix"}, {{.name = "s", .op = "SaveV2", .inputs = {"prefix", "names"}}}};

TEST(TfSavedModel, APathIsFollowedThroughEveryKindOfCall) {
  for (Node call : {Node{.name = "n", .op = "Case", .inputs = {"i", "path"}, .functions = {"save"}},
                    Node{.name = "n", .op = "save", .inputs = {"path"}},
                    Node{.name = "n", .op = "While", .inputs = {"path"}, .functions = {"test", "save"}}}) {
    MetaGraph graph = graph_of({constant("path", "/etc/cron.d/x"), call});
    graph.scopes.push_back(kSave);
    const Findings findings = judged(graph);
    ASSERT_EQ(findings.size(), 1u) << call.op;
    EXPECT_EQ(findings[0].severity, Verdict::kMalicious) << call.op;
  }
}

TEST(TfSavedModel, APathThatAFunctionReturnsOrPythonAddsIsTheGraphsChoice) {
  MetaGraph returned = graph_of({{.name = "path", .op = "PartitionedCall", .functions = {"f"}},
                                 {.name = "s", .op = "SaveV2", .inputs = {"path:0", "names"}}});
  returned.scopes.push_back({"f", {}, {constant("c", "/etc/x")}, {"c:output:0"}});
  EXPECT_THAT(judged(returned), ElementsAre(::testing::Field(&Finding::severity, Verdict::kMalicious)));
  MetaGraph bound = graph_of({constant("c", "/etc/x")});
  bound.scopes.push_back(kSave);
  bound.captures = {{"save", {1}}};
  bound.object_constants = {"", "c"};
  EXPECT_THAT(judged(bound), ElementsAre(::testing::Field(&Finding::severity, Verdict::kMalicious)));
}

TEST(TfSavedModel, APathThatIsWorkedOutIsNotTakenForTheLoaders) {
  const Node saver = {.name = "saver", .op = "Placeholder"};
  const Node save = {.name = "s", .op = "SaveV2", .inputs = {"path", "names"}};
  for (const Node& path :
       {Node{.name = "path", .op = "UnicodeEncode", .inputs = {"saver"}},
        Node{.name = "path", .op = "ReadVariableOp", .inputs = {"saver"}}, Node{.name = "path", .op = "HostConst"}}) {
    const Findings findings = judged(graph_of({saver, path, save}));
    ASSERT_EQ(findings.size(), 1u) << path.op;
    EXPECT_EQ(findings[0].severity, Verdict::kCode) << path.op;
  }
  const Node formatted = {.name = "path", .op = "StringFormat", .inputs = {"saver"}, .texts = {{"template", "/etc/{}"}}};
  EXPECT_THAT(judged(graph_of({saver, formatted, save})),
              ElementsAre(::testing::Field(&Finding::severity, Verdict::kMalicious)));
  const Node joined = {.name = "path", .op = "StringJoin", .inputs = {"saver", "tail"}};
  EXPECT_THAT(judged(graph_of({saver, constant("tail", "_temp/part"), joined, save})), IsEmpty());
}

TEST(TfSavedModel, APathThatBeginsWithTheGraphsOwnTextIsNotTakenForTheLoaders) {
  const Node saver = {.name = "saver", .op = "Placeholder"};
  const Node save = {.name = "s", .op = "SaveV2", .inputs = {"path", "names"}};
  for (const Node& path : {Node{.name = "path", .op = "Select", .inputs = {"test", "saver", "own"}},
                           Node{.name = "path", .op = "StringJoin", .inputs = {"own", "saver"}},
                           Node{.name = "path", .op = "Merge", .inputs = {"saver", "own"}}}) {
    const Findings findings = judged(graph_of({saver, constant("own", "models.py"), path, save}));
    ASSERT_EQ(findings.size(), 1u) << path.op;
    EXPECT_EQ(findings[0].severity, Verdict::kCode) << path.op;
  }
  // Behind what the loader gives, a slash leads nowhere else, nor does what a text is compared with.
  const Node joined = {.name = "path", .op = "StringJoin", .inputs = {"saver", "tail"}, .texts = {{"separator", "/"}}};
  EXPECT_THAT(judged(graph_of({saver, constant("tail", "/part"), joined, save})), IsEmpty());
  EXPECT_THAT(judged(graph_of({saver, constant("tail", "/../../etc"), joined, save})),
              ElementsAre(::testing::Field(&Finding::severity, Verdict::kMalicious)));
  const Node dots = {.name = "path", .op = "StringJoin", .inputs = {"saver", "dot", "tail"}};
  EXPECT_THAT(judged(graph_of({saver, constant("dot", "x/."), constant("tail", "./part"), dots, save})),
              ElementsAre(::testing::Field(&Finding::severity, Verdict::kCode)));
  MetaGraph tail = graph_of({saver,
                             constant("tail", "_temp/part"),
                             {.name = "c", .op = "StatefulPartitionedCall", .inputs = {"saver", "tail"}, .functions = {"f"}}});
  tail.scopes.push_back({"f", {"a", "b"}, {{.name = "path", .op = "StringJoin", .inputs = {"a", "b"}}, save}});
  EXPECT_THAT(judged(tail), IsEmpty());
}

TEST(TfSavedModel, APlaceholderInAFunctionIsItsDefault) {
  const Node path = {.name = "path", .op = "PlaceholderWithDefault", .inputs = {"own"}};
  const Node save = {.name = "s", .op = "SaveV2", .inputs = {"path", "names"}};
  EXPECT_THAT(judged(graph_of({constant("own", "model"), path, save})), IsEmpty());
  MetaGraph graph = graph_of({});
  graph.scopes.push_back({"f", {}, {constant("own", "model"), path, save}});
  EXPECT_THAT(judged(graph), ElementsAre(::testing::Field(&Finding::severity, Verdict::kMalicious)));
}

TEST(TfSavedModel, TextsThatCannotBeReadAreNotTakenForHarmless) {
  const Node saver = {.name = "saver", .op = "Placeholder"};
  const Node joined = {.name = "path", .op = "StringJoin", .inputs = {"saver", "tail"}};
  const Node save = {.name = "s", .op = "SaveV2", .inputs = {"path", "names"}};
  const std::string packed = ProtoWriter().varint(1, 7).bytes(4, "\x06/../..").take();
  const std::string large = ProtoWriter().varint(1, 7).bytes(8, std::string(1 << 20, '/')).take();
  const std::string twice = ProtoWriter().varint(1, 1).varint(1, 7).bytes(8, "/../x").take();
  for (const std::string& proto : {packed, large, twice}) {
    const Node tail = {.name = "tail", .op = "Const", .constant = Blob::memory(Bytes::copy(proto), "c")};
    EXPECT_EQ(judged(graph_of({saver, tail, joined, save})).size(), 1u);
  }
}

TEST(TfSavedModel, APathThatAVariableKeepsIsWhatWasAssignedToIt) {
  const Node variable = {.name = "v", .op = "VarHandleOp", .texts = {{"shared_name", "Variable"}}};
  const Node assign = {.name = "a", .op = "AssignVariableOp", .inputs = {"v", "given"}};
  const Node read = {.name = "r", .op = "ReadVariableOp", .inputs = {"v", "^a"}};
  const Node table = {.name = "t", .op = "InitializeTableFromTextFileV2", .inputs = {"table", "r"}};
  const std::vector<Node> all = {{.name = "given", .op = "Placeholder"}, variable, assign, read, table};
  EXPECT_THAT(judged(graph_of(all)), IsEmpty());
  // Restored from a checkpoint, assigned twice, reached by another handle, or from a function.
  for (const Node& more : {Node{.name = "c", .op = "StatefulPartitionedCall", .inputs = {"prefix", "v"}},
                           Node{.name = "b", .op = "AssignVariableOp", .inputs = {"v", "elsewhere"}},
                           Node{.name = "Variable", .op = "VarHandleOp"}}) {
    std::vector<Node> nodes = all;
    nodes.push_back(more);
    EXPECT_THAT(judged(graph_of(nodes)), ElementsAre(::testing::Field(&Finding::severity, Verdict::kCode))) << more.name;
  }
  MetaGraph graph = graph_of(all);
  graph.scopes.push_back({"f", {}, {variable}});
  EXPECT_EQ(judged(graph).size(), 1u);
}

TEST(TfSavedModel, AnAssetIsNotWrittenTo) {
  MetaGraph graph = graph_of({constant("path", "/etc/x"), {.name = "s", .op = "SaveV2", .inputs = {"path", "names"}}});
  graph.assets = {{"words.txt", "path:0"}};
  EXPECT_THAT(judged(graph), ElementsAre(::testing::Field(&Finding::severity, Verdict::kMalicious)));
}

ProtoWriter entry(std::string_view key, const ProtoWriter& value) { return ProtoWriter().bytes(1, key).message(2, value); }

// Of saved_model.pb with one node, and a function beside it.
Findings judged_file(const ProtoWriter& node, const ProtoWriter& function = {}) {
  const ProtoWriter graph = ProtoWriter().message(1, node).message(2, ProtoWriter().message(1, function));
  const std::string file = ProtoWriter().varint(1, 1).message(2, ProtoWriter().message(2, graph)).take();
  const auto graphs = tf_savedmodel::read_saved_graph(Blob::memory(Bytes::copy(file), "f"), {});
  EXPECT_TRUE(graphs) << graphs.error().to_string();
  return graphs ? judged(graphs->front()) : Findings();
}

TEST(TfSavedModel, AnAttributeIsJudgedHoweverItIsSpelled) {
  const ProtoWriter print = ProtoWriter().bytes(1, "p").bytes(2, "PrintV2").bytes(3, "x");
  const auto file = [](const std::string& path) { return ProtoWriter().bytes(2, "file://" + path); };
  const ProtoWriter backwards = ProtoWriter().message(2, file("/etc/x")).bytes(1, "output_stream");
  const ProtoWriter open = entry("output_stream", ProtoWriter().bytes(9, "stream"));
  for (const ProtoWriter& attribute : {entry("output_stream", file("/etc/x")), backwards, open,
                                       entry("output_stream", file(std::string(1 << 17, '/') + "etc/x"))})
    EXPECT_EQ(judged_file(ProtoWriter(print).message(5, attribute)).size(), 1u);
}

TEST(TfSavedModel, AFunctionIsReachedThroughAttributesOfFunctions) {
  const ProtoWriter inner = entry("f", ProtoWriter().message(10, ProtoWriter().bytes(1, "save")));
  const ProtoWriter outer = ProtoWriter().message(10, ProtoWriter().bytes(1, "SymbolicGradient").message(2, inner));
  const ProtoWriter call =
      ProtoWriter().bytes(1, "c").bytes(2, "StatefulPartitionedCall").bytes(3, "p").message(5, entry("f", outer));
  const ProtoWriter save = ProtoWriter().bytes(1, "s").bytes(2, "SaveV2").bytes(3, "prefix");
  const ProtoWriter signature = ProtoWriter().bytes(1, "save").message(2, ProtoWriter().bytes(1, "prefix"));
  EXPECT_EQ(judged_file(call, ProtoWriter().message(1, signature).message(3, save)).size(), 1u);
}

TEST(TfSavedModel, AConstantWithTwoValuesIsCorrupt) {
  const ProtoWriter value = ProtoWriter().message(8, ProtoWriter().varint(1, 7).bytes(8, "/etc/x")).message(8, ProtoWriter());
  const ProtoWriter node = ProtoWriter().bytes(1, "c").bytes(2, "Const").message(5, entry("value", value));
  const std::string file =
      ProtoWriter().varint(1, 1).message(2, ProtoWriter().message(2, ProtoWriter().message(1, node))).take();
  const auto graphs = tf_savedmodel::read_saved_graph(Blob::memory(Bytes::copy(file), "f"), {});
  ASSERT_FALSE(graphs);
  EXPECT_EQ(graphs.error().code(), Code::kCorrupt);
}

TEST(TfSavedModel, AnAssetOutsideTheFolderIsMalicious) {
  const Scratch scratch;
  fs::create_directory(scratch / "m");
  for (const char* name : {"../../x", "/etc/passwd"}) {
    const ProtoWriter asset = ProtoWriter().message(1, ProtoWriter().bytes(1, "path:0")).bytes(2, name);
    std::ofstream(scratch / "m/saved_model.pb", std::ios::binary)
        << ProtoWriter().varint(1, 1).message(2, ProtoWriter().message(6, asset)).take();
    EXPECT_THAT(acts(scratch / "m"), ElementsAre(::testing::Field(&Finding::severity, Verdict::kMalicious))) << name;
  }
}

TEST(TfSavedModel, FunctionsOfFunctionsAreReadToALevel) {
  const auto nested = [](int levels) {
    ProtoWriter function = ProtoWriter().bytes(1, "f");
    for (int i = 0; i < levels; ++i) {
      const auto value = ProtoWriter().message(10, function);
      function = ProtoWriter().bytes(1, "f").message(2, ProtoWriter().bytes(1, "of").message(2, value));
    }
    const auto attribute = ProtoWriter().bytes(1, "f").message(2, ProtoWriter().message(10, function));
    const auto node = ProtoWriter().bytes(1, "n").bytes(2, "PartitionedCall").message(5, attribute);
    const auto graph = ProtoWriter().message(2, ProtoWriter().message(1, node));
    const std::string bytes = ProtoWriter().varint(1, 1).message(2, graph).take();
    return tf_savedmodel::read_saved_graph(Blob::memory(Bytes::copy(bytes), "saved_model.pb"), {});
  };
  const auto read = nested(20);
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_EQ(read->front().scopes.front().nodes.front().functions.size(), 21u);
  const auto refused = nested(40);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kLimit);
}

TEST(TfSavedModel, AnAssetIsReadFromTheFolder) {
  const Node table = {.name = "t", .op = "InitializeTableFromTextFileV2", .inputs = {"table", "path"}};
  MetaGraph graph = graph_of({constant("path", "/srv/words.txt"), table});
  EXPECT_THAT(judged(graph), ElementsAre(::testing::Field(&Finding::severity, Verdict::kMalicious)));
  graph.assets = {{"words.txt", "path:0"}};
  EXPECT_THAT(judged(graph), IsEmpty());
}

TEST(TfSavedModel, TheSameGraphIsWrittenWithNewWeights) {
  const Scratch scratch;
  const auto model = open(kData + "module");
  ASSERT_TRUE(model);
  std::vector<NamedTensor> tensors = model->tensors();
  tensors[0].tensor = floats({3, 2}, {9, 8, 7, 6, 5, 4});
  tensors[2].tensor = floats({1, 2}, {3, 4});
  const auto plan = k_tf_savedmodel_format.plan(with(*model, tensors), {});
  ASSERT_TRUE(plan) << plan.error().to_string();
  EXPECT_THAT(plan->losses, IsEmpty());
  ASSERT_TRUE(execute(*plan, scratch / "out", {.durable = false}));
  const auto again = open(scratch / "out");
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ(again->tensor(kKernel)->read<float>().value(), (std::vector<float>{9, 8, 7, 6, 5, 4}));
  EXPECT_EQ(again->tensor(kBias)->read<float>().value(), (std::vector<float>{1, 2}));
  EXPECT_EQ(again->tensors()[2].tensor.read<float>().value(), (std::vector<float>{3, 4}));
  EXPECT_EQ(fs::file_size(scratch / "out/saved_model.pb"), fs::file_size(kData + "module/saved_model.pb"));
  EXPECT_EQ(slurp(scratch / "out/assets/words.txt"), "a\nb\n");
  EXPECT_FALSE(fs::exists(scratch / "out/fingerprint.pb"));
}

TEST(TfSavedModel, AVariableMayHaveAConstantsName) {
  const Scratch scratch;
  const auto model = open(kData + "module");
  ASSERT_TRUE(model);
  std::vector<NamedTensor> tensors = model->tensors();
  tensors[0].name = std::exchange(tensors[2].name, tensors[2].name + "@constant");
  const auto plan = k_tf_savedmodel_format.plan(with(*model, tensors), {});
  ASSERT_TRUE(plan) << plan.error().to_string();
  ASSERT_TRUE(execute(*plan, scratch / "out", {.durable = false}));
  const auto again = open(scratch / "out");
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ(again->tensor("Const")->read<float>().value(), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(again->tensor("Const@constant")->read<float>().value(), (std::vector<float>{0.5, 0.25}));
}

// The model with an entry more in its metadata.
Model with_note(const Model& model, std::string_view key, std::string_view text) {
  ModelBuilder builder(model.arena().clone());
  builder.tree = model.tree().id();
  builder.metadata = model.metadata().id();
  builder.arena->set_item(builder.metadata, key, builder.arena->tuple({builder.arena->string(text)}));
  builder.side_files = model.side_files();
  builder.origin = model.origin();
  return *std::move(builder).with_named(model.tensors());
}

TEST(TfSavedModel, FurtherMetadataStandsBesideTheGraphAndComesBack) {
  const Scratch scratch;
  const auto model = open(kData + "module");
  const auto plan = k_tf_savedmodel_format.plan(with_note(*model, "author", "me"), {});
  ASSERT_TRUE(plan) << plan.error().to_string();
  EXPECT_THAT(plan->losses, IsEmpty());
  ASSERT_TRUE(execute(*plan, scratch / "out", {.durable = false}));
  EXPECT_EQ(slurp(scratch / "out/assets.extra/holdall.json"), R"({"version":1,"metadata":{"author":{"$tuple":["me"]}}})");
  const auto again = open(scratch / "out");
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_TRUE(again->metadata().find("author").is(ValueKind::kTuple));
  EXPECT_EQ(again->metadata().find("object_graph").as_bytes(), model->metadata().find("object_graph").as_bytes());
  // It goes on, also where it is changed, and stands once.
  const auto other = k_tf_savedmodel_format.plan(with_note(*again, "author", "you"), {});
  ASSERT_TRUE(execute(*other, scratch / "other", {.durable = false}));
  EXPECT_EQ(open(scratch / "other")->metadata().find("author").item(0).as_string(), "you");
}

TEST(TfSavedModel, FurtherMetadataThatIsNoneIsSetAsideAndAFault) {
  const Scratch scratch;
  fs::copy(kData + "module", scratch / "m", fs::copy_options::recursive);
  fs::create_directory(scratch / "m/assets.extra");
  for (const std::string_view json :
       {"", "{", "[]", R"({"version":2,"metadata":{}})", R"({"version":1})", R"({"version":1,"metadata":[]})",
        R"({"version":1,"metadata":{"a":{"$tensor":"kernel"}}})"}) {
    std::ofstream(scratch / "m/assets.extra/holdall.json", std::ios::binary) << json;
    const auto model = open(scratch / "m");
    ASSERT_TRUE(model) << json << model.error().to_string();
    EXPECT_EQ(model->tensors().size(), 3u);
    ASSERT_EQ(model->warnings().size(), 1u) << json;
    EXPECT_THAT(model->warnings()[0], HasSubstr("assets.extra/holdall.json is set aside"));
    const auto bundle = Bundle::open(scratch / "m", {});
    Faults faults;
    ASSERT_TRUE(k_tf_savedmodel_format.verify(*bundle, {}, faults));
    ASSERT_EQ(faults.list.size(), 1u) << json;
    EXPECT_THAT(faults.list[0].where, HasSubstr("assets.extra/holdall.json"));
  }
  // What a SavedModel tells of itself is not to be had from there.
  std::ofstream(scratch / "m/assets.extra/holdall.json", std::ios::binary)
      << R"({"version":1,"metadata":{"variables":1,"a":2}})";
  const auto model = open(scratch / "m");
  EXPECT_TRUE(model->metadata().find("variables").is(ValueKind::kDict));
  EXPECT_EQ(model->metadata().find_int("a"), 2);
}

TEST(TfSavedModel, AConstantOfAnotherShapeIsALoss) {
  const auto model = open(kData + "module");
  std::vector<NamedTensor> tensors = model->tensors();
  tensors[2].tensor = floats({3}, {1, 2, 3});
  const auto plan = k_tf_savedmodel_format.plan(with(*model, tensors), {});
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->losses.size(), 1u);
  EXPECT_EQ(plan->losses[0].where, model->tensors()[2].name);
}

TEST(TfSavedModel, AMissingAssetAndADamagedVariableAreFaults) {
  const Scratch scratch;
  fs::copy(kData + "module", scratch / "m", fs::copy_options::recursive);
  fs::remove(scratch / "m/assets/words.txt");
  std::string data = slurp(scratch / "m/variables/variables.data-00000-of-00001");
  data[3] ^= 1;
  std::ofstream(scratch / "m/variables/variables.data-00000-of-00001", std::ios::binary) << data;
  const auto bundle = Bundle::open(scratch / "m", {});
  Faults faults;
  ASSERT_TRUE(k_tf_savedmodel_format.verify(*bundle, {}, faults));
  std::vector<std::string> what;
  for (const Fault& fault : faults.list) what.push_back(fault.what);
  EXPECT_THAT(what, ElementsAre(HasSubstr("'assets/words.txt' is missing"), HasSubstr("CRC-32C")));
}

TEST(TfSavedModel, VariablesAreNotWrittenWithoutTheirObjectGraph) {
  const auto model = open(kData + "module");
  ModelBuilder builder(model->arena().clone());
  builder.tree = model->tree().id();
  builder.metadata = builder.arena->dict();
  builder.side_files = model->side_files();
  builder.origin = model->origin();
  const auto plan = k_tf_savedmodel_format.plan(*std::move(builder).with_named(model->tensors()), {});
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code(), Code::kUnsupported);
  EXPECT_THAT(plan.error().message(), HasSubstr("object_graph"));
}

TEST(TfSavedModel, WhatKerasWouldImportForALayerIsTold) {
  for (const auto& [json, rule] :
       {std::pair(R"({"class_name":"Dense","module":"keras.layers","build_input_shape":{"class_name":"TensorShape"}})", ""),
        std::pair(R"({"class_name":"Mine","config":{"units":3}})", ""),
        std::pair(R"({"class_name":"Mine","module":"mine.layers","config":{}})", "keras-import"),
        std::pair(R"({"layers":[{"class_name":"Lambda","config":{}}]})", "keras-lambda"), std::pair("{", "keras-metadata")}) {
    const Scratch scratch;
    fs::copy(kData + "module", scratch / "m", fs::copy_options::recursive);
    const auto node = ProtoWriter().bytes(2, "root.layer").bytes(4, "_tf_keras_layer").bytes(5, json);
    std::ofstream(scratch / "m/keras_metadata.pb", std::ios::binary) << ProtoWriter().message(1, node).text();
    const Findings findings = acts(scratch / "m");
    ASSERT_EQ(findings.size(), *rule == '\0' ? 0u : 1u) << json;
    if (!findings.empty()) {
      EXPECT_EQ(name(findings[0].rule), rule) << json;
    }
  }
}

// Of TensorFlow 2.0 to 2.4, with and without the file that later ones write.
TEST(TfSavedModel, WhatKerasWroteIntoTheObjectGraphIsTold) {
  const Scratch scratch;
  fs::create_directory(scratch / "m");
  const auto judged_as = [&](const char* identifier, const char* json) {
    const auto object = ProtoWriter().message(4, ProtoWriter().bytes(1, identifier).bytes(3, json));
    const auto objects = ProtoWriter().message(1, ProtoWriter()).message(1, object);
    std::ofstream(scratch / "m/saved_model.pb", std::ios::binary)
        << ProtoWriter().varint(1, 1).message(2, ProtoWriter().message(7, objects)).take();
    return acts(scratch / "m");
  };
  constexpr const char* kLambda = R"({"class_name":"Lambda","config":{}})";
  for (const bool is_later : {false, true}) {
    if (is_later) std::ofstream(scratch / "m/keras_metadata.pb", std::ios::binary) << "";
    const Findings findings = judged_as("_tf_keras_layer", kLambda);
    ASSERT_EQ(findings.size(), 1u);
    EXPECT_EQ(findings[0].rule, Rule::kKerasLambda);
    EXPECT_THAT(findings[0].where, HasSubstr("saved_model.pb: object 1"));
    EXPECT_THAT(judged_as("_tf_keras_layer", "{"), ElementsAre(::testing::Field(&Finding::severity, Verdict::kUnreadable)));
    EXPECT_THAT(judged_as("_tf_keras_layer", R"({"class_name":"Dense","config":{"units":3}})"), IsEmpty());
    EXPECT_THAT(judged_as("_tf_keras_layer", ""), IsEmpty());
    EXPECT_THAT(judged_as("_generic_user_object", kLambda), IsEmpty());
  }
}

TEST(TfSavedModel, FindingsHaveAnEnd) {
  std::vector<Node> nodes = {constant("path", "/" + std::string(100'000, 'x'))};
  for (int i = 0; i < 2'000; ++i) nodes.push_back({.name = std::to_string(i), .op = "ReadFile", .inputs = {"path"}});
  const Findings findings = judged(graph_of(std::move(nodes)));
  ASSERT_EQ(findings.size(), 1'001u);
  EXPECT_LT(findings[0].what.size(), 1'000u);
  EXPECT_EQ(findings.back().what, "there are more than 1000 such findings");
}

TEST(TfSavedModel, ATreeFromElsewhereHasNoGraphToBeWrittenWith) {
  ModelBuilder builder;
  const auto plan = k_tf_savedmodel_format.plan(*std::move(builder).named({}), {});
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code(), Code::kUnsupported);
}

}  // namespace
}  // namespace holdall
