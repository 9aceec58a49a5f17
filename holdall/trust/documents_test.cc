#include "holdall/trust/documents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "holdall/trust/trust_test_scans.h"

namespace holdall {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;

Verdict verdict(const std::string& name, std::string_view content) { return scanned(name, content).verdict; }

TEST(Documents, TheChatTemplatesOfAFolderAreJudgedWhereverTheyStand) {
  const std::string bad = "{{ x.__class__ }}", quoted = "\"" + bad + "\"";
  for (const auto& [name, content] : std::vector<std::pair<std::string, std::string>>{
           {"chat_template.jinja", bad},
           {"additional_chat_templates/tool.jinja", bad},
           {"chat_template.json", R"({"chat_template":)" + quoted + "}"},
           {"tokenizer_config.json",
            R"({"chat_template":[{"name":"default","template":"{{ x }}"},{"name":"tool","template":)" + quoted + "}]}"}}) {
    const Scratch folder;
    folder.write("config.json", R"({"model_type":"bert"})");
    folder.write(name, content);
    const ScanReport report = scan_path(folder.path());
    ASSERT_EQ(report.findings.size(), 1u) << name;
    EXPECT_EQ(report.findings[0].severity, Verdict::kMalicious);
    EXPECT_THAT(report.findings[0].where, HasSubstr(name));
  }
}

TEST(Documents, ATemplateThatIsTooLongIsNeverClean) {
  EXPECT_EQ(verdict("a.jinja", std::string(2u << 20, ' ')), Verdict::kUnreadable);
  EXPECT_EQ(verdict("a.jinja", std::string(1u << 20, ' ')), Verdict::kInert);
}

// Each would take hours if every mark were searched for from where it stands.
TEST(Documents, XmlIsPassedOverOnce) {
  for (const std::string_view piece : {"<!", "<!ENTITY", "<!ENTITY ", "<!ENTITY>", "<!-- ", "<? "}) {
    std::string xml = "<?xml?><!DOCTYPE a [";
    while (xml.size() < (8u << 20)) xml += piece;
    EXPECT_EQ(verdict("a.xml", xml), Verdict::kInert) << piece;
    EXPECT_EQ(verdict("a.xml", xml + " <!ENTITY e SYSTEM 'file:///etc/passwd'>"), Verdict::kMalicious) << piece;
  }
}

TEST(Documents, TemplatesAreJudgedWhereverTheyStand) {
  const std::string bad = "{{ x.__class__ }}", quoted = "\"" + bad + "\"";
  for (const auto& [name, content] : std::vector<std::pair<std::string, std::string>>{
           {"chat_template.jinja", bad},
           {"a.j2", bad},
           {"a.template", bad},
           {"chat_template.json", R"({"chat_template":)" + quoted + "}"},
           {"other.json", R"({"a":[{"custom_chat_template":)" + quoted + "}]}"},
           {"tokenizer_config.json", R"({"chat_template":{"tool":)" + quoted + "}}"},
           {"tokenizer_config.json",
            R"({"chat_template":[{"name":"a","template":"{{ x }}"},{"name":"b","template":)" + quoted + "}]}"}}) {
    EXPECT_EQ(verdict(name, content), Verdict::kMalicious) << name << content;
  }
  EXPECT_EQ(verdict("config.json", R"({"description":)" + quoted + "}"), Verdict::kInert);
  EXPECT_EQ(verdict("README.md", bad), Verdict::kInert);
  EXPECT_EQ(verdict("a.j2", "{{ x.role }} __class__"), Verdict::kInert);
}

TEST(Documents, KerasDescriptionsAreJudgedWhereverTheyStand) {
  const auto model = [](const std::string& layer) {
    return R"({"module":"keras","class_name":"Sequential","config":{"name":"s","layers":[)" + layer + "]}}";
  };
  EXPECT_EQ(verdict("config.json", model(R"({"class_name":"Dense","config":{"units":1}})")), Verdict::kInert);
  EXPECT_EQ(verdict("model.json", model(R"({"class_name":"Lambda","config":{}})")), Verdict::kCode);
  EXPECT_EQ(verdict("model.json", model(R"({"module":"os","class_name":"system","config":{}})")), Verdict::kMalicious);
  EXPECT_EQ(verdict("model.json", R"({"class_name":"Lambda"})"), Verdict::kInert);
  // Of keras.applications and of FeatureSpace; a Feature of no module is somebody's own.
  const auto of = [&](const std::string& module, const std::string& name, const std::string& config = "{}") {
    return verdict("model.json",
                   model(R"({"module":)" + module + R"(,"class_name":")" + name + R"(","config":)" + config + "}"));
  };
  const std::string space = R"("keras.src.layers.preprocessing.feature_space")";
  EXPECT_EQ(of(R"("keras.src.applications.convnext")", "LayerScale"), Verdict::kInert);
  EXPECT_EQ(of("null", "CustomScaleLayer"), Verdict::kInert);
  EXPECT_EQ(of(R"("mine.applications.convnext")", "LayerScale"), Verdict::kCode);
  EXPECT_EQ(of(R"("keras.src.applications.imagenet_utils")", "activations"), Verdict::kMalicious);
  EXPECT_EQ(of(space, "Feature", R"({"preprocessor":{"module":"keras.layers","class_name":"Rescaling","config":{}}})"),
            Verdict::kInert);
  EXPECT_EQ(of(space, "Feature", R"({"preprocessor":{"module":"keras.layers","class_name":"Lambda","config":{}}})"),
            Verdict::kCode);
  EXPECT_EQ(of("null", "Feature"), Verdict::kCode);
}

TEST(Documents, KerasDescriptionsAreJudgedAtAnyDepth) {
  const std::string lambda = R"({"class_name":"Lambda","config":{}})";
  for (const std::string& json :
       {R"({"a":)" + lambda + "}", "[" + lambda + "]", R"({"class_name":"Sequential","config":[)" + lambda + "]}",
        R"({"modelTopology":{"model_config":{"class_name":"Model","config":{"layers":[)" + lambda + "]}}}}",
        R"({"a":{"class_name":"Mine","config":{"layer":)" + lambda + "}}}",
        R"({"a":{"class_name":"Mine","module":"mine","config":null}})"s,
        R"({"a":{"class_name":"StringLookup","config":{"vocabulary":"/etc/passwd"}}})"s}) {
    const ScanReport report = scanned("config.json", json);
    ASSERT_EQ(report.findings.size(), 1u) << json;
    EXPECT_EQ(report.verdict, Verdict::kCode) << json;
  }
  EXPECT_EQ(verdict("config.json", R"([{"module":"os","class_name":"function","config":"system"}])"), Verdict::kMalicious);
  // Other people's classes, which have such keys, too.
  for (const char* json : {R"({"a":{"class_name":"Mine","config":{"vocabulary":"v.txt","url":"https://example.org"}}})",
                           R"({"class_name":"Mine","config":"mine.yaml"})", R"({"a":{"class_name":"Lambda"}})",
                           R"([{"class_name":3,"config":{}}])"})
    EXPECT_EQ(verdict("config.json", json), Verdict::kInert) << json;
}

TEST(Documents, FindingsHaveAnEnd) {
  for (const auto& [item, rule] : {std::pair(R"({"class_name":"Lambda","config":0})", Rule::kKerasLambda),
                                   std::pair(R"({"module_path":"os","function":"system"})", Rule::kSkopsType),
                                   std::pair(R"({"chat_template":"{{ a.__init__ }}"})", Rule::kChatTemplate)}) {
    std::string json = "[";
    for (int i = 0; i < 3'000; ++i) json += std::string(item) + ",";
    const ScanReport report = scanned("schema.json", json + "0]");
    ASSERT_EQ(report.findings.size(), 1'001u) << item;
    EXPECT_EQ(report.findings.back().rule, rule);
    EXPECT_EQ(report.findings.back().what, "there are more than 1000 such findings");
  }
  std::string index = R"({"_class_name":"x")";
  for (int i = 0; i < 3'000; ++i) index += ",\"a" + std::to_string(i) + R"(":["os","system"])";
  EXPECT_EQ(scanned("model_index.json", index + "}").findings.size(), 1'001u);
}

TEST(Documents, NodesOfSkopsAreJudgedByWhatTheyMake) {
  const auto node = [](const char* loader, const char* module, const char* name) {
    return R"({"__class__":"dict","__module__":"builtins","__loader__":"DictNode","content":{"a":{"__loader__":")"s + loader +
           R"(","__module__":")" + module + R"(","__class__":")" + name + "\"}}}";
  };
  EXPECT_EQ(verdict("schema.json", node("ObjectNode", "sklearn.linear_model._base", "LinearRegression")), Verdict::kInert);
  EXPECT_EQ(verdict("schema.json", node("ObjectNode", "__main__", "Mine")), Verdict::kCode);
  EXPECT_EQ(verdict("schema.json", node("FunctionNode", "os", "system")), Verdict::kMalicious);
  EXPECT_EQ(verdict("schema.json", node("FunctionNode", "numpy", "load")), Verdict::kCode);
  EXPECT_EQ(verdict("schema.json", node("OperatorFuncNode", "sklearn.linear_model._base", "methodcaller")),
            Verdict::kMalicious);
  EXPECT_NE(verdict("schema.json", node("MethodNode", "sklearn.linear_model._base", "LinearRegression")), Verdict::kInert);
}

TEST(Documents, AHandlerOfOnesOwnIsCode) {
  EXPECT_EQ(verdict("MANIFEST.json", R"({"model":{"handler":"handler.py"}})"), Verdict::kCode);
  EXPECT_EQ(verdict("MANIFEST.json", R"({"model":{"handler":"image_classifier","modelFile":"model.py"}})"), Verdict::kCode);
  EXPECT_EQ(verdict("MANIFEST.json", R"({"model":{"handler":"image_classifier"}})"), Verdict::kInert);
}

TEST(SideFiles, ProgramsAreToldByTheirFirstBytes) {
  EXPECT_EQ(verdict("model.bin", "\xca\xfe\xba\xbe\0\0\0\x34"s), Verdict::kCode);
  EXPECT_EQ(verdict("model.bin", "\0asm\1\0\0\0"s), Verdict::kCode);
  EXPECT_EQ(verdict("cache.bin", "\xa7\r\r\n\0\0\0\0\1\2\3\4\5\6\7\x08\xe3"s), Verdict::kCode);
  EXPECT_EQ(verdict("pytorch_model.bin", "#!/bin/sh\nid\n"), Verdict::kCode);
  EXPECT_EQ(verdict("run.sh", "#!/bin/sh\nid\n"), Verdict::kInert);
  EXPECT_EQ(verdict("vocab.txt", "MZ\nPE\n"), Verdict::kInert);
}

// Python's own unpickler, which joblib's is made of, does not mind a frame that is longer than the file.
TEST(Scan, AFrameLongerThanTheFileHidesNothing) {
  const std::string attack = "\x80\x04\x95\xff\0\0\0\0\0\0\0\x8c\2nt\x8c\6system\x93."s;
  EXPECT_EQ(verdict("model.pkl", attack), Verdict::kMalicious);
  EXPECT_EQ(verdict("model.pkl", "\x80\x04\x95\xff\0\0\0\0\0\0\0}."s), Verdict::kUnreadable);
}

TEST(Scan, AnOldPickleThatBreaksOffBehindAnImportIsNoText) {
  EXPECT_EQ(verdict("model.pkl", "cbuiltins\nexec\n(X>\nabcdef"), Verdict::kMalicious);
  EXPECT_EQ(verdict("vocab.txt", "cos\nsin\ntan\n"), Verdict::kInert);
  EXPECT_EQ(verdict("vocab.txt", "cos\nsystem\n(a\n"), Verdict::kInert);
  EXPECT_EQ(verdict("vocab.txt", "(cos\nsystem\nS'id'\ntR."), Verdict::kMalicious);
}

TEST(Scan, AnArchiveThatWritesElsewhereIsMalicious) {
  std::string tar(512, '\0');
  tar.replace(0, 7, "../evil").replace(100, 7, "0000644").replace(124, 11, "00000000000").replace(257, 8, "ustar\00000", 8);
  tar.replace(148, 8, "        ").replace(156, 1, "0");
  unsigned sum = 0;
  for (const char c : tar) sum += static_cast<unsigned char>(c);
  char octal[8];
  std::snprintf(octal, sizeof octal, "%06o", sum);
  tar.replace(148, 7, std::string(octal, 7));
  const ScanReport report = scanned("a.tar", tar + std::string(1024, '\0'));
  EXPECT_EQ(report.verdict, Verdict::kMalicious);
  ASSERT_FALSE(report.findings.empty());
  EXPECT_THAT(report.findings[0].what, HasSubstr("leads out"));
}

// joblib decodes by the first two bytes, and the checksum that is missing here it never comes to.
TEST(Documents, AZlibStreamThatIsTextIsJudgedAsBoth) {
  const std::string pickle = "cos\nsystem\n(S'true'\ntR.";
  const std::string block = "x^!\x40\xc2\xbf\x3d" + pickle + std::string(0xc240 - pickle.size(), ' ');
  for (const char* name : {"notes.txt", "data.json", "README.md", "model.joblib"}) {
    EXPECT_EQ(verdict(name, block), Verdict::kMalicious) << name;
  }
  EXPECT_EQ(verdict("notes.txt", "x^! is what he wrote"), Verdict::kInert);
}

}  // namespace
}  // namespace holdall
