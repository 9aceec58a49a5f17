#include "holdall/trust/settings.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "holdall/base/text.h"
#include "holdall/trust/trust_test_scans.h"

namespace holdall {
namespace {

template <class Judge>
std::vector<std::string> told(Judge judge, std::string_view text) {
  Findings findings;
  Told told(findings);
  judge(text, "x", told);
  std::vector<std::string> lines;
  for (const Finding& finding : findings) lines.push_back(finding.where + " " + finding.subject);
  return lines;
}

using Lines = std::vector<std::string>;

TEST(Settings, HandlersOfLoggingThatAreLiteralsActNot) {
  EXPECT_EQ(
      told(judge_ini, "[handler_a]\nclass=handlers.RotatingFileHandler\nargs=('run (1).log', 'a', 2**20)\nkwargs={'x': 1}\n"),
      Lines());
  EXPECT_EQ(told(judge_ini, "[handler_a]\nclass=StreamHandler\nargs=(sys.stdout,)\n[b]\nargs=f(1)\n"), Lines());
  EXPECT_EQ(told(judge_ini, "How to:\n[handler_a]\nargs=(open('x'),)\n"), Lines()) << "which configparser refuses";
}

TEST(Settings, HandlersOfLoggingThatCallAreTold) {
  EXPECT_EQ(told(judge_ini, "; of logging\n[handler_a]\nARGS = (\n  f(1),)\n"), Lines{"x line 3 f"});
  EXPECT_EQ(told(judge_ini, "[handler_a]\nclass: os.system\n[formatter_b]\nclass=subprocess.run\n"),
            (Lines{"x line 2 os.system", "x line 4 subprocess.run"}));
  for (const char* name : {"exec", "logging.os.system", "handlers.os.system", "logging.config.fileConfig", "builtins.exec"})
    EXPECT_EQ(told(judge_ini, text("[handler_a]\nclass={}\nargs=('x',)", name)), Lines{text("x line 2 {}", name)});
  EXPECT_EQ(told(judge_ini, "[handler_a]\nargs=(%(a)s(1),)"), Lines{"x line 2 s"});
}

TEST(Settings, TargetsAreFoundInOtherGrammars) {
  EXPECT_EQ(told(judge_targets, "_target_ = \"os.system\"\n"), Lines{"x line 1 os.system"});
  EXPECT_EQ(told(judge_targets, "{a: {'_target_': 'a.B', x: 1}, b: {_target_: c.D}}"), (Lines{"x line 1 a.B", "x line 1 c.D"}));
  EXPECT_EQ(told(judge_targets, "# _target_ = os.system\n// _target_: os.system\n_target_ is a key\n"), Lines());
}

TEST(Settings, LayersAndBackendsOfPython) {
  EXPECT_EQ(told(judge_prototxt, "layer {\n python_param { layer: 'b'\n module: 'a' } }"), Lines{"x line 3 a.b"});
  EXPECT_EQ(told(judge_prototxt, "backend: \"onnxruntime\" # backend: \"python\"\nname: \"backend: 'python'\""), Lines());
  EXPECT_EQ(told(judge_prototxt, "backend:\n'python'"), Lines{"x line 1 "});
  EXPECT_EQ(told(judge_prototxt, "model_operations { op_library_filename: [\"a.so\",\n\"b.so\"] }"),
            (Lines{"x line 1 a.so", "x line 1 b.so"}));
  EXPECT_EQ(told(judge_prototxt, "} > { \"\\"), Lines()) << "what breaks off";
}

TEST(Settings, LinesOfASitesPathsThatImport) {
  EXPECT_EQ(told(judge_site_paths, "../lib\nimporting\n# import os\nimport os\n"), Lines{"x line 4 "});
}

TEST(Settings, LinesOfKaldisTablesThatArePipes) {
  EXPECT_EQ(told(judge_pipes, "a x.ark:5\nb sox x.wav -t wav - | \n"), Lines{"x line 2 "});
}

TEST(Settings, NamesWithoutEndAreStillNames) {
  std::string yaml = "backbone: []\nhead: []\nnames:\n";
  for (int i = 0; i < 3000; ++i) yaml += text("- person (adult {})\n", i);
  EXPECT_EQ(scanned("yolo.yaml", yaml).verdict, Verdict::kInert);
  EXPECT_EQ(scanned("yolo.yaml", yaml + "- __import__('os').system('x')\n").verdict, Verdict::kMalicious);
}

TEST(Settings, ProseThatSpeaksOfThemIsInert) {
  const std::pair<const char*, const char*> texts[] = {
      {"README.md", "# Safety\nNever load this:\n```yaml\na: !!python/object/apply:os.system ['id']\n```\n"},
      {"notes.txt", "Wow!! The tag !!python/object/apply:os.system [x] runs a command.\n"},
      {"README.md", "---\nlicense: mit\n---\nTo start, set `_target_: os.system`.\n[handler_a]\nargs=(open('x'),)\n"},
      {"template.md", "Dear {{ name }},\nyour {{ order.items() }} {% if x %}is{% endif %} here.\n"},
      {"prompt.txt", "Do not write {{ ''.upper( }} or {% raw %}.\n"},
      {"requirements.txt", "torch==2.13.0\nimportlib-metadata\n"},
      {"words.txt", "internationalization\nuncharacteristically\n"},
      {"data.yaml",
       "names: [person (adult), car]\ndownload: https://ultralytics.com/coco8.zip\nbackbone: resnet (v1)\nhead: fpn (large)\n"},
      {"metadata.yaml",
       "description: YOLO for detection (nano)\nnames:\n  0: person (adult)\nimgsz: '[640, 640]'\nstride: 32\n"},
      {"config.toml", "[model]\nname = \"x (y)\"\n"}};
  for (const auto& [name, text] : texts) {
    const ScanReport report = scan_bundle(Bundle::of(memory_source(Bytes::copy(std::string_view(text)), name)), {});
    EXPECT_EQ(report.verdict, Verdict::kInert) << name << ": " << (report.findings.empty() ? "" : report.findings[0].what);
  }
}

}  // namespace
}  // namespace holdall
