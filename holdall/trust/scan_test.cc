#include "holdall/trust/scan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "holdall/base/crc32c.h"
#include "holdall/base/endian.h"
#include "holdall/base/scratch_test_folder.h"
#include "holdall/base/text.h"
#include "holdall/codec/sstable.h"
#include "holdall/trust/references.h"
#include "holdall/trust/side_file.h"
#include "holdall/trust/trust_test_scans.h"
#include "holdall/trust/yaml_references.h"

namespace holdall {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;

// os.system('id') by the oldest protocol, and by protocol 2.
constexpr std::string_view kAttack0 = "cos\nsystem\n(S'id'\ntR.";
const std::string kAttack2 =
    "\x80\x02"
    "cos\nsystem\nq\0X\x02\0\0\0idq\1\x85q\2Rq\3."s;
const std::string kPlain2 = "\x80\x02}q\0X\x01\0\0\0aq\1K\1s."s;  // {"a": 1}

TEST(Verdicts, MaliciousOutranksWhatCannotBeRead) {
  EXPECT_EQ(worse(Verdict::kMalicious, Verdict::kUnreadable), Verdict::kMalicious);
  EXPECT_EQ(worse(Verdict::kCode, Verdict::kUnreadable), Verdict::kUnreadable);
  EXPECT_EQ(worse(Verdict::kInert, Verdict::kCode), Verdict::kCode);
  EXPECT_EQ(verdict_of({}), Verdict::kInert);
}

TEST(Scan, PicklesAreJudgedWhateverTheirName) {
  EXPECT_EQ(scanned("model.pkl", kPlain2).verdict, Verdict::kInert);
  EXPECT_EQ(scanned("model.pkl", kAttack2).verdict, Verdict::kMalicious);
  EXPECT_EQ(scanned("weights.safetensors", kAttack2).verdict, Verdict::kMalicious);
  EXPECT_EQ(scanned("notes.txt", kAttack0).verdict, Verdict::kMalicious);
}

TEST(Scan, ABrokenPickleKeepsWhatItsBeginningDid) {
  EXPECT_EQ(scanned("model.pkl", kAttack2.substr(0, kAttack2.size() - 1)).verdict, Verdict::kMalicious);
  EXPECT_EQ(scanned("model.pkl", kPlain2.substr(0, kPlain2.size() - 1)).verdict, Verdict::kUnreadable);
}

TEST(Scan, TextIsInertWhateverWordsItHolds) {
  EXPECT_EQ(scanned("README.md", "# Model\nIt calls os.system and eval(\n").verdict, Verdict::kInert);
  EXPECT_EQ(scanned("requirements.txt", "certifi==2020.1\nchardet==3\nidna\n").verdict, Verdict::kInert);
  EXPECT_EQ(scanned("vocab.txt", "[PAD]\n__reduce__\nposix\nsystem\n").verdict, Verdict::kInert);
}

TEST(Scan, AnEmptyFileIsNeverCleanByItselfNorUnderAModelsName) {
  const ScanReport report = scanned("empty", "");
  EXPECT_EQ(report.verdict, Verdict::kUnreadable);
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_THAT(report.findings[0].what, HasSubstr("empty"));
  EXPECT_EQ(scanned("model.pt", "").findings.size(), 1u);
  EXPECT_EQ(scan_bundle(Bundle::of(memory_source(Bytes(), "-"))).verdict, Verdict::kUnreadable);
  const Scratch folder;
  folder.write("__init__.py", "");
  EXPECT_EQ(scan_path(folder.path()).verdict, Verdict::kInert);
  folder.write("model.safetensors", "");
  EXPECT_EQ(scan_path(folder.path()).verdict, Verdict::kUnreadable);
}

TEST(Scan, AnEmptyFolderIsNeverClean) {
  const Scratch folder;
  const ScanReport report = scan_path(folder.path());
  EXPECT_EQ(report.verdict, Verdict::kUnreadable);
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_EQ(report.findings[0].rule, Rule::kEmptyFolder);
}

TEST(Scan, AFindingQuotesNoMoreThanAPersonReads) {
  const Scratch folder;
  folder.write("config.json", R"({"auto_map":{"AutoModel":"module.)" + std::string(70000, 'A') + "\"}}");
  const ScanReport report = scan_path(folder.path());
  ASSERT_FALSE(report.findings.empty());
  for (const Finding& finding : report.findings) EXPECT_LE(finding.what.size(), 1040u);
  EXPECT_THAT(report.findings[0].what, HasSubstr("bytes) …"));
}

// --- A torch file in the bytes of a pickle ---

// torch.storage._load_from_bytes(file), by protocol 3.
std::string loading(std::string_view file, std::string_view before = "", std::string_view behind = "") {
  std::string size(4, '\0');
  store_le<std::uint32_t>(size.data(), static_cast<std::uint32_t>(file.size()));
  return "\x80\x03" + std::string(before) + "ctorch.storage\n_load_from_bytes\nB" + size + std::string(file) + "\x85R" +
         std::string(behind) + ".";
}

// What torch.save(obj, _use_new_zipfile_serialization=False) writes for an object without tensors.
std::string legacy(const std::string& object) {
  return "\x80\x02\x8a\nl\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}q\0."s + object + "\x80\x02]q\0."s;
}

TEST(Scan, BytesThatTorchLoadOpensAreAsGoodAsTheirContent) {
  EXPECT_EQ(scanned("a.pkl", loading(legacy(kPlain2))).verdict, Verdict::kInert);
  EXPECT_EQ(scanned("a.pkl", loading(legacy(loading(legacy(kPlain2))))).verdict, Verdict::kInert);
  EXPECT_EQ(scanned("a.pkl", loading("no torch file")).verdict, Verdict::kUnreadable);
  const ScanReport report = scanned("a.pkl", loading(legacy(loading(legacy(kAttack2)))));
  EXPECT_EQ(report.verdict, Verdict::kMalicious);
  EXPECT_THAT(report.findings[0].where, HasSubstr("!bytes@"));
  EXPECT_THAT(report.findings[0].what, HasSubstr("os.system"));
}

TEST(Scan, TorchLoadRunsWhateverPickleItIsGivenFirst) {
  EXPECT_EQ(scanned("a.pkl", loading(kAttack2)).verdict, Verdict::kMalicious);
  EXPECT_EQ(scanned("a.pkl", loading(kAttack0)).verdict, Verdict::kMalicious);
}

TEST(Scan, ALoaderThatIsPassedOnIsCode) {
  EXPECT_EQ(scanned("a.pkl", loading(legacy(kPlain2), "", "ctorch.storage\n_load_from_bytes\n\x86")).verdict, Verdict::kCode);
  EXPECT_EQ(scanned("a.pkl",
                    "\x80\x02"
                    "ctorch.storage\n_load_from_bytes\n."s)
                .verdict,
            Verdict::kCode);
}

TEST(Scan, BytesThatTheProgramComputesMayBeAnything) {
  const std::string computed =
      "\x80\x02"
      "ctorch.storage\n_load_from_bytes\nccollections\nCounter\n)R\x85R."s;
  EXPECT_EQ(scanned("a.pkl", computed).verdict, Verdict::kMalicious);
}

TEST(Scan, AProgramInAnyPartOfAFileIsFound) {
  const std::string junk = "\0\0\xff junk"s;
  for (const std::string& attack :
       {std::string(kAttack0), kAttack2, "(S'id'\nios\nsystem\n."s, "\x8c\2os\x8c\6system\x93\x8c\2id\x85R."s}) {
    for (const std::string& file : {junk + attack, kPlain2 + junk + attack, kPlain2 + kPlain2 + attack, junk + attack + junk,
                                    kPlain2 + attack.substr(0, attack.size() - 1), std::string(3u << 20, '\x80') + attack}) {
      EXPECT_EQ(scanned("model.pkl", file).verdict, Verdict::kMalicious) << attack << " in " << file.substr(0, 60);
    }
  }
}

TEST(Scan, WordsInAFileThatBreaksOffAreNoAttack) {
  const std::string words = "\x80\x02X\x40\0\0\0"s + "cos\nsystem\n(S'id'\ntR. and more";
  EXPECT_EQ(scanned("model.pkl", words).verdict, Verdict::kUnreadable);
  EXPECT_EQ(scanned("model.bin", "\1\2\3\4 cos\nsystem\nios\nsystem\n"s).verdict, Verdict::kUnreadable);
}

// One file in a tar archive.
std::string tar_of(const std::string& name, const std::string& data) {
  std::string tar(512, '\0');
  tar.replace(0, name.size(), name);
  tar.replace(124, 11, text("{:011o}", data.size()));
  tar.replace(156, 1, "0");
  tar.replace(257, 8, "ustar\00000"s);
  tar.replace(148, 8, 8, ' ');
  unsigned sum = 0;
  for (const char letter : tar) sum += static_cast<unsigned char>(letter);
  tar.replace(148, 7, text("{:06o}{}", sum, '\0'));
  tar += data;
  tar.resize((tar.size() + 511) / 512 * 512 + 1024);
  return tar;
}

TEST(Scan, ATorchTarWithoutItsMembersIsNamedAndNeverClean) {
  const ScanReport report = scanned("old.pt", tar_of("sys_info", kPlain2));
  EXPECT_EQ(report.verdict, Verdict::kUnreadable);
  ASSERT_FALSE(report.findings.empty());
  EXPECT_THAT(report.findings[0].what, HasSubstr("PyTorch tar file from before 0.1.10"));
}

TEST(Scan, EveryFileOfATarIsJudged) {
  EXPECT_EQ(scanned("a.tar", tar_of("a/b", kPlain2)).verdict, Verdict::kInert);
  EXPECT_EQ(scanned("a.tar", tar_of("a/b", kPlain2)).files.at(0).kind, "tar");
  EXPECT_EQ(scanned("a.tar", tar_of("a/b", kAttack2)).verdict, Verdict::kMalicious);
  EXPECT_EQ(scanned("a.tar", tar_of("a/b", "\1\2\3")).verdict, Verdict::kUnreadable);
  EXPECT_EQ(scanned("a.tar", tar_of("a/b", tar_of("c", kAttack2))).verdict, Verdict::kMalicious);
  EXPECT_EQ(scanned("a.tar", tar_of(std::string(kAttack0), kPlain2)).verdict, Verdict::kMalicious);
  EXPECT_EQ(scanned("a.tar", tar_of("a/b", kPlain2) + "x").verdict, Verdict::kUnreadable);
  EXPECT_EQ(scanned("a.tar", tar_of("a/b", kPlain2) + kAttack2).verdict, Verdict::kMalicious);
}

TEST(Scan, UnknownBytesNeverCountAsClean) {
  const ScanReport report = scanned("blob.bin", "\x01\x02\x03\x04"s);
  EXPECT_EQ(report.verdict, Verdict::kUnreadable);
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_THAT(report.findings[0].what, HasSubstr("01 02 03 04"));
  EXPECT_EQ(scanned("model.7z", "7z\xbc\xaf\x27\x1c"s + std::string(64, 'x')).verdict, Verdict::kUnreadable);
  EXPECT_EQ(scanned("lib.so",
                    "\x7f"
                    "ELF"s +
                        std::string(64, '\0'))
                .verdict,
            Verdict::kCode);
  EXPECT_EQ(scan_path("/no/such/path").verdict, Verdict::kUnreadable);
}

TEST(Scan, AFolderIsAsBadAsItsWorstFile) {
  const Scratch folder;
  folder.write("README.md", "# words");
  folder.write("config.json", R"({"model_type":"bert"})");
  EXPECT_EQ(scan_path(folder.path()).verdict, Verdict::kInert);
  folder.write("deep/er/state.pkl", kAttack2);
  const ScanReport report = scan_path(folder.path());
  EXPECT_EQ(report.verdict, Verdict::kMalicious);
  EXPECT_EQ(report.findings[0].severity, Verdict::kMalicious);
  EXPECT_THAT(report.findings[0].where, HasSubstr("deep/er/state.pkl"));
  ASSERT_EQ(report.files.size(), 3u);
}

TEST(Scan, WhatGitKeepsIsInertAndNotListed) {
  const Scratch folder;
  folder.write("config.json", "{}");
  folder.write(".git/index", "DIRC\0\0\0\2"s);
  folder.write("sub/.git/objects/ab/cd",
               "\170\001\113\312\311\117\122\060\141\310\052\315\313\006\000\025\326\003\254"s);  // zlib of "blob 4\0junk"
  folder.write(".gitattributes", "*.bin filter=lfs\n");
  const ScanReport report = scan_path(folder.path());
  EXPECT_EQ(report.verdict, Verdict::kInert);
  EXPECT_EQ(report.files.size(), 2u);
  EXPECT_EQ(scan_path(folder.path() + "/sub").findings.at(0).rule, Rule::kEmptyFolder);
  const Scratch other;
  other.write(".github/x.pkl", kAttack2);
  EXPECT_EQ(scan_path(other.path()).verdict, Verdict::kMalicious);
  folder.write(".git/objects/ab/ef", kAttack2);
  EXPECT_EQ(scan_path(folder.path()).verdict, Verdict::kMalicious);
  EXPECT_EQ(scan_path(folder.path()).files.size(), 3u);
}

TEST(Scan, PythonCountsOnceAConfigurationRefersToIt) {
  const Scratch folder;
  folder.write("modeling_x.py", "import os\n");
  folder.write("config.json", R"({"model_type":"x"})");
  EXPECT_EQ(scan_path(folder.path()).verdict, Verdict::kInert);
  folder.write("config.json", R"({"auto_map":{"AutoModel":"modeling_x.XModel"}})");
  const ScanReport report = scan_path(folder.path());
  EXPECT_EQ(report.verdict, Verdict::kCode);
  for (const ScannedFile& file : report.files) EXPECT_EQ(file.verdict, Verdict::kCode) << file.path;
}

TEST(Scan, AConfigurationThatCannotBeParsedMayHideSomething) {
  EXPECT_EQ(scanned("config.json", "{\"a\":1,}").verdict, Verdict::kUnreadable);
  EXPECT_EQ(scanned("notes.json", "{\"a\":1,}").verdict, Verdict::kInert);
}

TEST(Scan, ManyPathsKeepTheirOrder) {
  const Scratch folder;
  const std::vector<std::string> paths = {folder.write("a.pkl", kPlain2), folder.write("b.pkl", kAttack2),
                                          folder.write("c.txt", "x")};
  const std::vector<ScanReport> reports = scan_paths(paths);
  ASSERT_EQ(reports.size(), 3u);
  EXPECT_EQ(reports[0].verdict, Verdict::kInert);
  EXPECT_EQ(reports[1].verdict, Verdict::kMalicious);
  EXPECT_EQ(reports[2].verdict, Verdict::kInert);
  EXPECT_EQ(reports[1].path, paths[1]);
}

TEST(References, HydraTargetsAndYamlTagsAreCode) {
  Findings findings;
  judge_yaml("model:\n  _target_: torch.nn.Linear\n# _target_: os.system\nname: '!!python/object:a.B'\n", "c.yaml", findings);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].rule, Rule::kHydraTarget);
  EXPECT_THAT(findings[0].where, HasSubstr("line 2"));
  findings.clear();
  judge_yaml("a: !!python/object/apply:os.system ['id']\n", "c.yaml", findings);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].severity, Verdict::kMalicious);
}

TEST(References, ATagOfAPlainValueIsNone) {
  Findings findings;
  judge_yaml("a: !!python/tuple [1, 2]\nb: !!python/unicode x\nc: !!set {x}\nd: !Ref y\n", "c.yaml", findings);
  EXPECT_TRUE(findings.empty());
}

TEST(References, AClassThatHoldsWhatItIsGivenIsPlainAndItsNameAloneIsNot) {
  Findings findings;
  judge_yaml("a: !!python/object/apply:collections.OrderedDict\n- - [x, 1]\nb: !!python/object:argparse.Namespace {x: 1}\n",
             "c.yaml", findings);
  EXPECT_TRUE(findings.empty());
  judge_yaml("a: !!python/name:argparse.Namespace\n", "c.yaml", findings);
  judge_yaml("a: !!python/object/apply:collections.OrderedDict [!!python/object/apply:os.system [id]]\n", "c.yaml", findings);
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].severity, Verdict::kCode);
  EXPECT_EQ(findings[1].severity, Verdict::kMalicious);
}

TEST(References, KeysAreFoundInEverySpellingOfYaml) {
  for (const char* text : {"{_target_: os.system}", "\"\\x5ftarget_\": os.system", "? _target_\n: os.system",
                           "# x\r_target_: os.system", "a: \"x\n # y\"\n_target_: os.system",
                           "a: x\n  'y\n_target_: >-\n  os.system\n", "k: &k _target_\nv: &v os.system\nm: {*k : *v}"}) {
    Findings findings;
    judge_yaml(text, "c.yaml", findings);
    ASSERT_EQ(findings.size(), 1u) << text;
    EXPECT_EQ(findings[0].severity, Verdict::kMalicious) << text;
    EXPECT_EQ(findings[0].subject, "os.system") << text;
  }
}

TEST(References, WhatAConfigurationTakesFromTheStandardLibraryIsMalicious) {
  const auto verdict = [](std::string_view target) {
    Arena arena;
    const NodeId node = arena.dict();
    arena.set_item(node, "_target_", arena.string(target));
    Findings findings;
    judge_references(arena.at(node), "c.json", findings);
    return verdict_of(findings);
  };
  EXPECT_EQ(verdict("os.system"), Verdict::kMalicious);
  EXPECT_EQ(verdict("builtins.eval"), Verdict::kMalicious);
  EXPECT_EQ(verdict("torch.optim.AdamW"), Verdict::kCode);
  EXPECT_EQ(verdict("collections.OrderedDict"), Verdict::kCode);
  EXPECT_EQ(verdict("mine.Model"), Verdict::kCode);
}

std::optional<SideFile> side(std::string content, std::string_view name) {
  return side_file(*memory_source(Bytes::adopt(std::move(content)), std::string(name)), name, Limits{});
}

Verdict verdict_of_bytes(std::string content, const std::string& name) {
  return scan_bundle(Bundle::of(memory_source(Bytes::adopt(std::move(content)), name))).verdict;
}

TEST(Guises, WhatBeginsAsAPickleIsJudgedAsOneBehindItsFormatsBack) {
  // A map of MessagePack, whose first byte is SHORT_BINUNICODE; the program stands in its binary.
  const std::string program = "0cos\nsystem\n(S'x'\ntR.";
  const std::string data = std::string(0xa1 - 3, 'v') + program;
  std::string file = "\x8c\xa1k\xc4\xbf" + data + std::string(0xbf - data.size(), 'v');
  for (char key = 'A'; key < 'A' + 11; ++key) file += std::string("\xa1") + key + '\x01';
  EXPECT_EQ(verdict_of_bytes(file, "a.msgpack"), Verdict::kMalicious);
}

TEST(Guises, ProseThatBeginsWithOpcodesIsText) {
  EXPECT_EQ(verdict_of_bytes("(in this file)\nare words\n", "a.txt"), Verdict::kInert);
  EXPECT_EQ(verdict_of_bytes("(in this file)\nare words\n.\n", "a.txt"), Verdict::kInert);
  EXPECT_EQ(verdict_of_bytes("code\nos\nsys\n", "words.txt"), Verdict::kInert);
  EXPECT_EQ(verdict_of_bytes("cmine\nrun\n(S'x'\ntR.\nand prose\n", "a.txt"), Verdict::kUnreadable);
}

TEST(References, TemplatesInYamlAreJudged) {
  Findings findings;
  judge_yaml("chat_template: \"{{ messages[0].content }}\"\n", "c.yaml", findings);
  EXPECT_EQ(findings.size(), 0u);
  judge_yaml("a:\n  chat_template: |\n    {{ ''.__class__.__mro__ }}\n", "c.yaml", findings);
  ASSERT_FALSE(findings.empty());
  EXPECT_EQ(findings[0].rule, Rule::kChatTemplate);
  EXPECT_EQ(findings[0].severity, Verdict::kMalicious);
}

TEST(References, WhatIsToldHasAnEndAndTheWorstIsAmongIt) {
  std::string yaml;
  for (int i = 0; i < 2'000; ++i) yaml += text("a: !!python/name:m.f{}\n", i);
  Findings findings;
  judge_yaml(yaml + "b: !!python/object/apply:os.system [x]\n", "y", findings);
  EXPECT_EQ(findings.size(), 1'002u);
  EXPECT_EQ(verdict_of(findings), Verdict::kMalicious);
  EXPECT_THAT(findings[1'000].what, HasSubstr("more than 1000"));
}

TEST(SideFiles, ImagesAreUnderstoodToTheirLastByte) {
  const std::string png = "\x89PNG\r\n\x1a\n"s + "\0\0\0\0IEND\xae\x42\x60\x82"s;
  ASSERT_TRUE(side(png, "a.png"));
  EXPECT_EQ(side(png, "a.png")->kind, "image");
  EXPECT_FALSE(side(png + "\x80\x02.", "a.png"));
}

TEST(SideFiles, SoundAndFilmsAreUnderstoodToTheirLastByte) {
  const std::string page = "OggS\0\2"s + std::string(20, 'x') + "\2\3\1abcd";
  const std::string film = "\0\0\0\x0c"s + "ftypisom" + "\0\0\0\x1mdat\0\0\0\0\0\0\0\x12yz"s;
  const std::string sound = "fLaC\x80\0\0\2ab\xff\xf8"s;
  for (const std::string& data : {page, page + page, film, sound}) {
    ASSERT_TRUE(side(data, "a.bin")) << data;
    EXPECT_EQ(side(data, "a.bin")->kind, "media");
  }
  EXPECT_FALSE(side(page + "\x80\x02.", "a.ogg"));
  EXPECT_FALSE(side(film + "\x80\x02.", "a.mp4"));
  EXPECT_FALSE(side(film.substr(0, film.size() - 1), "a.mp4"));
  EXPECT_FALSE(side(film.substr(12), "a.mp4"));
}

TEST(SideFiles, RecordsAreToldByTheirChecksums) {
  const auto sum = [](std::string_view data) {
    std::string bytes(4, '\0');
    store_le(bytes.data(), mask_crc32c(crc32c(as_bytes(data))));
    return bytes;
  };
  const std::string length = "\2\0\0\0\0\0\0\0"s;
  const std::string whole = length + sum(length) + "hi" + sum("hi");
  ASSERT_TRUE(side(whole + whole, "events.out"));
  EXPECT_EQ(side(whole, "events.out")->kind, "records");
  EXPECT_FALSE(side(whole + length, "events.out"));
  EXPECT_FALSE(side(length + sum(length) + "ho" + sum("hi"), "events.out"));
}

TEST(SideFiles, TensorsOfOnnxTestsHoldTheirData) {
  const std::string tensor = "\x08\2\x10\1\x4a\2ab"s;
  ASSERT_TRUE(side(tensor, "input_0.pb"));
  EXPECT_EQ(side(tensor, "input_0.pb")->kind, "protobuf");
  EXPECT_TRUE(side("\x10\1\x1a\x08"s + tensor, "input_0.pb"));
  EXPECT_FALSE(side(tensor, "input_0.bin"));
  EXPECT_FALSE(side(tensor + "\x70\1", "input_0.pb"));         // data_location: external
  EXPECT_FALSE(side(tensor + "\x6a\2\x0a\0"s, "input_0.pb"));  // external_data
  EXPECT_FALSE(side(tensor.substr(0, 2), "input_0.pb"));       // of no type
}

TEST(SideFiles, SentencePieceVocabulariesAreToldFromOtherBytes) {
  const std::string piece =
      "\x0a\x03"
      "abc\x15\0\0\x80\x3f"s;
  const std::string model = "\x0a"s + static_cast<char>(piece.size()) + piece;
  ASSERT_TRUE(side(model, "spiece.model"));
  EXPECT_EQ(side(model, "spiece.model")->kind, "sentencepiece");
  EXPECT_FALSE(side(model + "\xff", "spiece.model"));
}

TEST(SideFiles, TextIsUtf8WithoutControlCharacters) {
  EXPECT_TRUE(side("grüße\n", "a.txt"));
  EXPECT_FALSE(side("\xc0\x80", "a.dat"));
  EXPECT_FALSE(side("a\0b"s, "a.txt"));
  EXPECT_FALSE(side("\xe2\x82", "a.dat"));
}

}  // namespace
}  // namespace holdall
