#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "holdall/codec/json.h"
#include "holdall/formats/format.h"
#include "holdall/formats/format_test_files.h"
#include "holdall/formats/torchscript/code_scan.h"
#include "tests/fuzz/plain_zip.h"

namespace holdall {

extern const Format k_torchscript_format;

namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace std::string_literals;

const std::string kData = HOLDALL_SOURCE_DIR "/holdall/formats/torchscript/testdata/";

Result<Model> open(const std::string& name) {
  HOLDALL_ASSIGN(const Bundle bundle, Bundle::open(kData + name, Limits()));
  HOLDALL_ASSIGN(const Format* format, detect(bundle, {}));
  EXPECT_EQ(format->id, "torchscript");
  return format->read(bundle, Context());
}

Bundle in_memory(const std::string& file) { return Bundle::of(memory_source(Bytes::copy(file), "model.pt")); }

Findings acts(const Bundle& bundle) {
  Findings findings;
  const Status judged = k_torchscript_format.acts(bundle, {}, findings);
  EXPECT_TRUE(judged) << judged.error().to_string();
  return findings;
}

Findings scan(std::string_view code) {
  Findings findings;
  torchscript::scan_code(code, "m.py", findings);
  return findings;
}

Verdict worst(const Findings& findings) {
  Verdict worst = Verdict::kInert;
  for (const Finding& finding : findings) worst = std::max(worst, finding.severity);
  return worst;
}

// An archive around a data.pkl, without any storage.
std::string archive(std::string_view data, std::string_view constants = std::string_view("\x80\x02).", 4)) {
  fuzz::PlainZip zip;
  zip.add("m/data.pkl", data);
  zip.add("m/constants.pkl", constants);
  zip.add("m/version", "3\n");
  return zip.finish();
}

TEST(TorchScript, StateDictsAreReadAsTorchLoadsThem) {
  Arena arena;
  const auto expected = parse_json(arena, slurp(kData + "expected.json"));
  ASSERT_TRUE(expected) << expected.error().to_string();
  const Value files = arena.at(*expected);
  ASSERT_GT(files.size(), 7u);
  for (std::size_t i = 0; i < files.size(); ++i) {
    SCOPED_TRACE(files.key(i).as_string());
    const auto model = open(std::string(files.key(i).as_string()));
    ASSERT_TRUE(model) << model.error().to_string();
    const Value state = files.mapped(i).find("state");
    for (std::size_t j = 0; j < state.size(); ++j) {
      const NamedTensor* entry = model->find(state.key(j).as_string());
      ASSERT_NE(entry, nullptr) << state.key(j).as_string();
      EXPECT_EQ(digest_of(entry->tensor), state.mapped(j).find_string("sha256")) << entry->name;
      EXPECT_EQ(info(entry->tensor.dtype()).name, state.mapped(j).find_string("dtype")) << entry->name;
      ASSERT_EQ(entry->tensor.shape().size(), state.mapped(j).find("shape").size());
    }
    Faults faults;
    const auto bundle = Bundle::open(kData + std::string(files.key(i).as_string()), {});
    ASSERT_TRUE(k_torchscript_format.verify(*bundle, {}, faults));
    EXPECT_THAT(faults.list, IsEmpty());
    EXPECT_GT(faults.crc32, 4u);
  }
}

TEST(TorchScript, AttributesAreValuesAndModulesNameTheirClass) {
  const auto model = open("scripted.pt");
  ASSERT_TRUE(model) << model.error().to_string();
  const Value tree = model->tree();
  EXPECT_EQ(tree.find_string("__class__"), "__torch__.net.Net");
  EXPECT_EQ(tree.find("layers").find("1").find_string("__class__"), "__torch__.net.Dense");
  EXPECT_EQ(tree.find("names").item(1).as_string(), "b");
  EXPECT_EQ(tree.find("rates").find_number("lr"), 0.5);
  EXPECT_EQ(tree.find_int("depth"), 2);
  EXPECT_EQ(model->metadata().find("extra_files").find_string("info.json"), R"({"labels":["cat","dog"]})");
  EXPECT_EQ(model->metadata().find("extra_files").find("raw.bin").bytes_size(), 3u);
  EXPECT_TRUE(model->left_out().empty());
}

TEST(TorchScript, SharedStoragesAreShared) {
  const auto model = open("scripted.pt");
  ASSERT_TRUE(model);
  EXPECT_EQ(model->tensor("layers.0.weight")->storage(), model->tensor("layers.1.weight")->storage());
  EXPECT_EQ(model->tensor("whole")->storage(), model->tensor("column")->storage());
  EXPECT_EQ(model->tensor("column")->read<std::int64_t>().value(), (std::vector<std::int64_t>{1, 5, 9}));
  EXPECT_EQ(model->tensor("offset")->read<float>().value(), (std::vector<float>{7, 7}));
}

TEST(TorchScript, ConstantsHaveNamesOfTheirOwn) {
  for (const char* name : {"traced.pt", "lite.ptl"}) {
    const auto model = open(name);
    ASSERT_TRUE(model) << model.error().to_string();
    bool is_found = false;
    for (const NamedTensor& entry : model->tensors()) {
      if (!entry.name.starts_with("constants.") || entry.tensor.bytes() != 8) continue;
      is_found = is_found || entry.tensor.read<float>().value_or(std::vector<float>()) == std::vector<float>{1, 2};
    }
    EXPECT_TRUE(is_found) << name;
  }
}

TEST(TorchScript, FilesOfTorchBefore14AreReadWithTheirAttributes) {
  const auto model = open("before_1_4.pt");
  ASSERT_TRUE(model) << model.error().to_string();
  const Value dense = model->tree().find("dense");
  EXPECT_EQ(dense.find_int("depth"), 5);
  EXPECT_EQ(dense.find("sizes").size(), 2u);
  EXPECT_EQ(model->tensor("dense.steps")->storage(), model->tensor("count")->storage());
  EXPECT_EQ(model->tensor("constants.3")->read<float>().value(), (std::vector<float>{3, 4})) << "no module has it";
  EXPECT_EQ(model->tensors().size(), 5u);
}

TEST(TorchScript, QuantizersStandBesideTheirTensors) {
  const auto model = open("quantized.pt");
  ASSERT_TRUE(model);
  EXPECT_EQ(model->tensor("per_channel.quantizer.scales")->read<double>().value(), (std::vector<double>{0.5, 0.25}));
}

TEST(TorchScript, ViewsThatTheMetadataTellOfHaveTheirOwnValues) {
  const auto model = open("native.pt");
  ASSERT_TRUE(model) << model.error().to_string();
  const auto numbers = model->tensor("conjugate")->read_bytes();
  ASSERT_TRUE(numbers);
  std::vector<float> parts(4);
  std::memcpy(parts.data(), numbers->data(), numbers->size());
  EXPECT_EQ(parts, (std::vector<float>{1, -2, 3, 4}));
  EXPECT_EQ(model->tensor("negative")->read<float>().value(), (std::vector<float>{-6, -7}));
}

TEST(TorchScript, ATensorOnNoDeviceIsNoTensor) {
  const auto model = open("native.pt");
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_EQ(model->find("nowhere"), nullptr);
  EXPECT_TRUE(model->tree().find("nowhere").is(ValueKind::kObject));
}

TEST(TorchScript, TheProgramIsASideFile) {
  for (const char* name : {"scripted.pt", "lite.ptl", "before_1_4.pt"}) {
    const auto model = open(name);
    ASSERT_TRUE(model) << model.error().to_string();
    ASSERT_TRUE(model->side_files().contains(name));
    EXPECT_EQ(model->side_files().at(name).read()->text(), slurp(kData + name));
  }
}

TEST(TorchScript, AFlatbufferOfTheLiteInterpreterIsRefusedByName) {
  const auto bundle = in_memory(std::string("\x3c\0\0\0PTMF", 8) + std::string(64, '\0'));
  const auto format = detect(bundle, {});
  ASSERT_TRUE(format);
  const auto model = (*format)->read(bundle, {});
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code(), Code::kUnsupported);
  EXPECT_THAT(model.error().message(), HasSubstr("flatbuffer of torch's lite interpreter"));
}

TEST(TorchScript, AStorageThatIsNotThereIsCorrupt) {
  const std::string pickle =
      "\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0"s
      "9X\x03\0\0\0cpuK\x02tQK\0K\x02\x85K\x01\x85\x89}tRs."s;
  const auto model = k_torchscript_format.read(in_memory(archive(pickle)), {});
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code(), Code::kCorrupt) << model.error().to_string();
}

TEST(TorchScript, BytesBehindAPickleAreAFaultAndUnreadable) {
  const std::string file = archive(std::string("\x80\x02}.", 4) + "left over");
  Faults faults;
  ASSERT_TRUE(k_torchscript_format.verify(in_memory(file), {}, faults));
  ASSERT_EQ(faults.list.size(), 1u);
  EXPECT_THAT(faults.list[0].what, HasSubstr("9 bytes stand behind the end of the pickle"));
  EXPECT_EQ(worst(acts(in_memory(file))), Verdict::kUnreadable);
}

TEST(TorchScript, APickleOfAnotherKindOfValueIsNoModule) {
  const auto model = k_torchscript_format.read(in_memory(archive(std::string("\x80\x02K\x01.", 5))), {});
  ASSERT_FALSE(model);
  EXPECT_THAT(model.error().message(), HasSubstr("no module of TorchScript"));
}

TEST(TorchScript, ImportsThatTorchRefusesAreJudgedAsPythonWouldTakeThem) {
  const std::string pickle = std::string("\x80\x02", 2) + "cos\nsystem\nX\x04" + std::string("\0\0\0true\x85R.", 10);
  EXPECT_EQ(worst(acts(in_memory(archive(pickle)))), Verdict::kMalicious);
}

TEST(TorchScript, SettingsOfAConvolutionByWhichTorchWouldDivideAreMalicious) {
  const auto packed = [](std::string_view settings) {
    const std::string state = std::string("K\x03](", 4) + std::string(settings) + "e]\x87";
    return std::string("\x80\x02", 2) + "c__torch__.torch.classes.quantized\nConv2dPackedParamsBase\n)\x81" + state + "b.";
  };
  const std::string zero("K\0", 2), strides = "K\1K\1", none = zero + zero;
  const std::string before = "K\2" + strides + none + strides + none;
  EXPECT_THAT(acts(in_memory(archive(packed(before + "K\1" + zero)))), IsEmpty());
  EXPECT_EQ(worst(acts(in_memory(archive(packed(before + zero + zero))))), Verdict::kMalicious);
  EXPECT_EQ(worst(acts(in_memory(archive(packed("K\2" + none + none + strides + none + "K\1" + zero))))), Verdict::kMalicious);
  EXPECT_EQ(worst(acts(in_memory(archive(packed("N"))))), Verdict::kCode);
}

TEST(TorchScript, ClassesOfOtherLibrariesAreCode) {
  const std::string own = std::string("\x80\x02", 2) + "c__torch__.torch.classes.quantized\nLinearPackedParamsBase\n)\x81}b.";
  const std::string other = std::string("\x80\x02", 2) + "c__torch__.torch.classes.tensorrt\nEngine\n)\x81}b.";
  EXPECT_THAT(acts(in_memory(archive(own))), IsEmpty());
  const Findings findings = acts(in_memory(archive(other)));
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].severity, Verdict::kCode);
  EXPECT_THAT(findings[0].what, HasSubstr("torch.classes.tensorrt.Engine"));
}

TEST(TorchScript, ModulesThatOnlyComputeAreInert) {
  for (const char* name : {"scripted.pt", "traced.pt", "lite.ptl", "quantized.pt", "dtypes.pt", "native.pt", "before_1_4.pt"}) {
    EXPECT_THAT(acts(*Bundle::open(kData + name, {})), IsEmpty()) << name;
  }
}

TEST(TorchScript, CodeThatUsesAFileOfItsOwnChoiceIsMalicious) {
  const Findings findings = acts(*Bundle::open(kData + "files.pt", {}));
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].severity, Verdict::kMalicious);
  EXPECT_THAT(findings[0].what, HasSubstr("writes the file '/tmp/holdall-was-here'"));
  EXPECT_THAT(findings[1].what, HasSubstr("reads the file '/etc/hostname'"));
  EXPECT_EQ(worst(acts(*Bundle::open(kData + "named_file.pt", {}))), Verdict::kCode);
}

TEST(TorchScript, NativeCodeAmongExtraFilesIsCode) {
  fuzz::PlainZip zip;
  zip.add("m/data.pkl", std::string("\x80\x02}.", 4));
  zip.add("m/constants.pkl", std::string("\x80\x02).", 4));
  zip.add("m/extra/kernel.so", std::string("\x7f"
                                           "ELF\x02\x01\x01",
                                           7) +
                                   std::string(64, '\0'));
  zip.add("m/version", "3\n");
  const Findings findings = acts(in_memory(zip.finish()));
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].rule, Rule::kNativeCode);
}

TEST(TorchScriptCode, OperatorsOfFilesAreFoundHoweverTheyAreSpelled) {
  EXPECT_EQ(worst(scan("x = torch.save(y, \"f\")")), Verdict::kMalicious);
  EXPECT_EQ(worst(scan("x = ops.aten.save(y, '''f''')")), Verdict::kMalicious);
  EXPECT_EQ(worst(scan("(y).save('f')")), Verdict::kMalicious);
  EXPECT_EQ(worst(scan("y . \\\n from_file ('f')")), Verdict::kMalicious);
  EXPECT_EQ(worst(scan("getattr(y, \"save\")(p)")), Verdict::kCode);
  EXPECT_EQ(worst(scan("getattr(y, \"sav\\x65\")(p)")), Verdict::kCode);
  EXPECT_EQ(worst(scan("t = torch\nt.add(x, y)")), Verdict::kCode);
  EXPECT_EQ(worst(scan("o = ops.aten")), Verdict::kCode);
  EXPECT_EQ(worst(scan("x = ops.torchvision.nms(a, b, 0.5)")), Verdict::kCode);
  EXPECT_EQ(worst(scan("f = rpc_async(\"w\", g, ())")), Verdict::kCode);
}

TEST(TorchScriptCode, WordsInTextsAndCommentsAreNone) {
  EXPECT_THAT(scan("x = \"torch.save(y, 'f')\" # torch.save(y, \"f\")"), IsEmpty());
  EXPECT_THAT(scan("x = 'a\\'torch.save(y)'"), IsEmpty());
  EXPECT_THAT(scan("saved = torch.add(x, y)\nself.save_every = 3"), IsEmpty());
  EXPECT_THAT(scan("x = ops.quantized.linear(a, b, 0.5, 0)\ny = getattr(self, \"0\")"), IsEmpty());
}

TEST(TorchScriptCode, OperatorsOfTheLiteInterpreterAreJudgedByTheirNames) {
  Findings findings;
  torchscript::scan_operator("aten::linear", "m", findings);
  torchscript::scan_operator("quantized::linear", "m", findings);
  EXPECT_THAT(findings, IsEmpty());
  torchscript::scan_operator("aten::save", "m", findings);
  torchscript::scan_operator("torchvision::nms", "m", findings);
  EXPECT_EQ(findings.size(), 2u);
}

}  // namespace
}  // namespace holdall
