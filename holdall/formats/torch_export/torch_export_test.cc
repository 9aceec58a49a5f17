#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "holdall/codec/json.h"
#include "holdall/formats/format_test_files.h"
#include "holdall/formats/torch_export/exported.h"
#include "holdall/formats/torch_export/expression.h"
#include "tests/fuzz/plain_zip.h"

namespace holdall {

extern const Format k_torch_export_format;

namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kData = HOLDALL_SOURCE_DIR "/holdall/formats/torch_export/testdata/";

Result<Model> open(const std::string& name) {
  HOLDALL_ASSIGN(const Bundle bundle, Bundle::open(kData + name, Limits()));
  HOLDALL_ASSIGN(const Format* format, detect(bundle, {}));
  EXPECT_EQ(format->id, "torch-export");
  return format->read(bundle, Context());
}

Findings acts(const Bundle& bundle) {
  Findings findings;
  const Status judged = k_torch_export_format.acts(bundle, {}, findings);
  EXPECT_TRUE(judged) << judged.error().to_string();
  return findings;
}

// An archive of 16 bytes of weights under a config; `more` is another record, if any.
Bundle archive(std::string_view config, std::string_view more = {}, std::string_view content = {}) {
  fuzz::PlainZip zip;
  zip.add("m/archive_format", "pt2");
  zip.add("m/models/model.json", R"({"schema_version":{"major":8,"minor":20}})");
  zip.add("m/data/weights/model_weights_config.json", config);
  zip.add("m/data/weights/weight_0", std::string(16, '\1'));
  zip.add("m/data/weights/weight_1", "");
  if (!more.empty()) zip.add("m/" + std::string(more), content);
  zip.add("m/.data/version", "6\n");
  return Bundle::of(memory_source(Bytes::adopt(zip.finish()), "m.pt2"));
}

std::string row(std::string_view sizes, std::string_view strides, std::string_view more = {},
                std::string_view path = "weight_0") {
  return R"({"config":{"w":{"path_name":")" + std::string(path) +
         R"(","is_param":true,"use_pickle":false,"tensor_meta":{"dtype":7,"sizes":)" + std::string(sizes) + R"(,"strides":)" +
         std::string(strides) + std::string(more) + "}}}}";
}

Error refused(const std::string& config) {
  const auto model = k_torch_export_format.read(archive(config), {});
  EXPECT_FALSE(model);
  return model ? Error(Code::kInternal, "it was read") : model.error();
}

void expect_tensors(const Model& model, Value expected, const std::string& prefix) {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const NamedTensor* entry = model.find(prefix + std::string(expected.key(i).as_string()));
    ASSERT_NE(entry, nullptr) << prefix << expected.key(i).as_string();
    EXPECT_EQ(digest_of(entry->tensor), expected.mapped(i).find_string("sha256")) << entry->name;
    EXPECT_EQ(info(entry->tensor.dtype()).name, expected.mapped(i).find_string("dtype")) << entry->name;
  }
}

TEST(TorchExport, StateDictsAndConstantsAreReadAsTorchLoadsThem) {
  Arena arena;
  const auto expected = parse_json(arena, slurp(kData + "expected.json"));
  ASSERT_TRUE(expected) << expected.error().to_string();
  const Value files = arena.at(*expected);
  ASSERT_GE(files.size(), 6u);
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::string name(files.key(i).as_string());
    SCOPED_TRACE(name);
    const auto model = open(name);
    ASSERT_TRUE(model) << model.error().to_string();
    const Value file = files.mapped(i);
    if (file.find("state")) {
      expect_tensors(*model, file.find("state"), "");
      expect_tensors(*model, file.find("constants"), "constants.");
    }
    for (std::size_t j = 0; j < file.size() && !file.find("state"); ++j) {
      expect_tensors(*model, file.mapped(j).find("state"), std::string(file.key(j).as_string()) + ".");
    }
    Faults faults;
    ASSERT_TRUE(k_torch_export_format.verify(*Bundle::open(kData + name, {}), {}, faults));
    EXPECT_THAT(faults.list, IsEmpty());
    EXPECT_THAT(acts(*Bundle::open(kData + name, {})), IsEmpty());
  }
}

TEST(TorchExport, SharedStoragesStridesAndSamplesAreKept) {
  for (const char* name : {"program.pt2", "before_2_7.pt2", "pickled_weights.pt2"}) {
    const auto model = open(name);
    ASSERT_TRUE(model) << model.error().to_string();
    EXPECT_EQ(model->tensor("layers.0.weight")->storage(), model->tensor("layers.1.weight")->storage());
    EXPECT_EQ(model->tensor("turned")->storage(), model->tensor("whole")->storage());
    EXPECT_EQ(model->tensor("turned")->read<float>().value(), (std::vector<float>{2, 5, 3, 6, 4, 7}));
    EXPECT_EQ(model->tensor("sample_inputs.0.0")->elements(), 12u);
  }
}

TEST(TorchExport, TheProgramIsTheConfigAndFilesOfTheUsersAreMetadata) {
  const auto model = open("program.pt2");
  ASSERT_TRUE(model);
  EXPECT_EQ(model->config().find("schema_version").find_int("major"), 8);
  EXPECT_GT(model->config().find("graph_module").find("graph").find("nodes").size(), 5u);
  EXPECT_EQ(model->metadata().find("extra_files").find_string("info.txt"), "hello");
  EXPECT_EQ(open("before_2_7.pt2")->metadata().find("extra_files").find_string("info.txt"), "hello");
  EXPECT_TRUE(model->tree().find("layers.0.weight").as_tensor().parameter);
  const auto two = open("two.pt2");
  ASSERT_TRUE(two);
  EXPECT_TRUE(two->config().find("first").find("graph_module"));
}

TEST(TorchExport, ASizeThatWouldRunCodeIsMalicious) {
  const Findings findings = acts(*Bundle::open(kData + "evil_size.pt2", {}));
  ASSERT_FALSE(findings.empty());
  EXPECT_EQ(findings[0].rule, Rule::kExportExpression);
  EXPECT_EQ(findings[0].severity, Verdict::kMalicious);
}

TEST(TorchExport, ATargetOutsideOfTorchsOperatorsIsFound) {
  const Findings findings = acts(*Bundle::open(kData + "evil_target.pt2", {}));
  ASSERT_FALSE(findings.empty());
  EXPECT_EQ(findings[0].severity, Verdict::kMalicious);
  EXPECT_THAT(findings[0].what, HasSubstr("torch.os.system"));
}

TEST(TorchExport, AGuardThatDoesMoreThanCompareIsCode) {
  const Findings findings = acts(*Bundle::open(kData + "guard.pt2", {}));
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].severity, Verdict::kCode);
}

TEST(TorchExport, CompiledCodeIsCodeAndAPickledObjectIsJudged) {
  const std::string elf = std::string(
                              "\x7f"
                              "ELF",
                              4) +
                          std::string(32, '\0');
  const std::string config = R"({"config":{}})";
  const Findings native = acts(archive(config, "data/aotinductor/model/a.wrapper.so", elf));
  ASSERT_EQ(native.size(), 1u);
  EXPECT_EQ(native[0].severity, Verdict::kCode);
  const std::string pickle = std::string("\x80\x02", 2) + "cos\nsystem\nX\x04" + std::string("\0\0\0true\x85R.", 10);
  const Findings opaque = acts(archive(config, "data/constants/opaque_obj_0", pickle));
  ASSERT_FALSE(opaque.empty());
  EXPECT_EQ(opaque[0].severity, Verdict::kMalicious);
}

TEST(TorchExport, WeightsBesideCompiledCodeAreViewsOfTheirRecords) {
  const auto model = open("compiled.pt2");
  ASSERT_TRUE(model) << model.error().to_string();
  ASSERT_EQ(model->tensors().size(), 3u);
  EXPECT_EQ(model->tensor("turned")->read<float>().value(), (std::vector<float>{2, 5, 3, 6, 4, 7}));
  EXPECT_EQ(model->tensor("turned")->storage(), model->tensor("whole")->storage());
  EXPECT_EQ(model->tensor("bias")->dtype(), DType::kBFloat16);
  EXPECT_TRUE(model->side_files().contains("compiled.pt2")) << "native code is not part of the model's values";
  Faults faults;
  ASSERT_TRUE(k_torch_export_format.verify(*Bundle::open(kData + "compiled.pt2", {}), {}, faults));
  EXPECT_THAT(faults.list, IsEmpty());
}

TEST(TorchExport, WeightsOfCompiledCodeThatLeaveTheirRecordAreCorrupt) {
  const auto read = [&](const std::string& config) {
    return k_torch_export_format.read(archive(R"({"config":{}})", "data/aotinductor/model/weights_config.json", config), {});
  };
  for (const char* row : {R"(["weight_0", [12], [1], 0])", R"(["../weight_0", [1], [1], 0])", R"(["weight_9", [1], [1], 0])",
                          R"(["weight_0", [1], [1]])", R"(["weight_0", [-1], [1], 0])", R"(["weight_0", [1], [1], -1])", "7"}) {
    const auto model = read(R"({"w": )" + std::string(row) + "}");
    ASSERT_FALSE(model) << row;
    EXPECT_TRUE(model.error().code() == Code::kCorrupt || model.error().code() == Code::kUnsupported) << row;
  }
  EXPECT_FALSE(read("[]"));
}

TEST(TorchExport, WeightsBesideCompiledCodeAreJudgedAsTorchLoadsThem) {
  fuzz::PlainZip zip;
  zip.add("m/archive_format", "pt2");
  zip.add("m/data/aotinductor/model/weights_config.json", R"({"w": ["weight_0", [1], [1], 0]})");
  zip.add("m/data/weights/weight_0", std::string("\x80\x02", 2) + "cos\nsystem\nX\x04" + std::string("\0\0\0true\x85R.", 10));
  const Findings findings = acts(Bundle::of(memory_source(Bytes::adopt(zip.finish()), "m.pt2")));
  ASSERT_FALSE(findings.empty());
  EXPECT_EQ(findings[0].severity, Verdict::kMalicious);
}

TEST(TorchExport, AnArchiveWithoutAProgramIsDamaged) {
  fuzz::PlainZip zip;
  zip.add("m/archive_format", "pt2");
  Faults faults;
  ASSERT_TRUE(k_torch_export_format.verify(Bundle::of(memory_source(Bytes::adopt(zip.finish()), "m.pt2")), {}, faults));
  ASSERT_EQ(faults.list.size(), 1u);
  EXPECT_THAT(faults.list[0].what, HasSubstr("holds no program"));
}

TEST(TorchExport, AnotherMajorVersionIsRefusedByName) {
  const auto model = open("schema_9.pt2");
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code(), Code::kUnsupported);
  EXPECT_THAT(model.error().message(), HasSubstr("schema version 9, 8 is read"));
}

TEST(TorchExport, ProgramsOfExecutorchAloneAreRefusedByName) {
  fuzz::PlainZip zip;
  zip.add("m/archive_format", "pt2");
  zip.add("m/data/executorch/model.pte", "ET12");
  const Bundle bundle = Bundle::of(memory_source(Bytes::adopt(zip.finish()), "m.pt2"));
  const auto model = k_torch_export_format.read(bundle, {});
  ASSERT_FALSE(model);
  EXPECT_THAT(model.error().message(), HasSubstr("ExecuTorch"));
}

TEST(TorchExport, AViewThatLeavesItsStorageIsCorrupt) {
  EXPECT_EQ(refused(row(R"([{"as_int":5}])", R"([{"as_int":1}])")).code(), Code::kCorrupt);
  EXPECT_EQ(refused(row(R"([{"as_int":4}])", R"([{"as_int":2}])")).code(), Code::kCorrupt);
  EXPECT_EQ(refused(row(R"([{"as_int":4}])", R"([{"as_int":1}])", R"(,"storage_offset":{"as_int":1})")).code(), Code::kCorrupt);
  EXPECT_EQ(refused(row(R"([{"as_int":-4}])", R"([{"as_int":1}])")).code(), Code::kCorrupt);
  EXPECT_EQ(refused(row(R"([{"as_int":4}])", "[]")).code(), Code::kCorrupt);
  EXPECT_EQ(refused(row(R"([{"as_int":4}])", R"([{"as_int":1}])", {}, "../weight_0")).code(), Code::kCorrupt);
  EXPECT_EQ(refused(row(R"([{"as_int":4}])", R"([{"as_int":1}])", {}, "weight_9")).code(), Code::kCorrupt);
  EXPECT_EQ(refused(row(R"([{"as_expr":{"expr_str":"s0"}}])", R"([{"as_int":1}])")).code(), Code::kUnsupported);
  EXPECT_EQ(refused(row(R"([{"as_int":4}])", R"([{"as_int":1}])", R"(,"layout":1)")).code(), Code::kUnsupported);
  EXPECT_EQ(refused(row(R"([{"as_int":4000000000000}])", R"([{"as_int":0}])")).code(), Code::kLimit);
}

TEST(TorchExport, ATensorWithoutValuesIsLeftOutAndTold) {
  const auto model = k_torch_export_format.read(archive(row(R"([{"as_int":4}])", R"([{"as_int":1}])", {}, "weight_1")), {});
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_TRUE(model->tensors().empty());
  ASSERT_EQ(model->left_out().size(), 1u);
  EXPECT_THAT(model->left_out()[0], HasSubstr("'w' has a shape and no values"));
}

TEST(TorchExportExpression, ArithmeticWithSymbolsIsArithmetic) {
  using namespace torch_export;
  for (const char* size : {"s0", "2*s0 + 1", "Symbol('s77', positive=True, integer=True)", "FloorDiv(s0 - 1, 2)", "Max(1, u0)",
                           "0.5", "1e-05", "Piecewise((1, s0 >= 2), (0, True))"}) {
    EXPECT_EQ(foreign_in_size(size), std::nullopt) << size;
  }
  for (const char* guard :
       {"L['x'].size()[0] <= L['y'].size()[0]", "L['flat_args'][1].stride()[0] == 3 and 2 <= L['x'].size()[1]"}) {
    EXPECT_EQ(foreign_in_guard(guard), std::nullopt) << guard;
  }
}

TEST(TorchExportExpression, WhatReachesBeyondIsForeign) {
  using namespace torch_export;
  for (const char* size :
       {"open('f')", "__import__('os')", "s0.__class__", "1..__class__", "1 .real", "(lambda: 1)()", "[1]", "x\nimport os",
        "Symbol('a b')", "getattr(s0, 'x')", "s0 if s0 else exec('')", "eval ('1')", "f\"{x}\"", "1._real", "a;b", "(x:=1)"}) {
    EXPECT_TRUE(foreign_in_size(size)) << size;
  }
  for (const char* guard : {"print(L['x'])", "L['x'].__class__", "L['x'].size().__len__()", "open('f')", "L['x'].tolist()"}) {
    EXPECT_TRUE(foreign_in_guard(guard)) << guard;
  }
}

}  // namespace
}  // namespace holdall
