// Golden files that torch 2.13 wrote (testdata/generate.py) read as it would read them.
#include "holdall/formats/pytorch/pytorch_test_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "holdall/codec/pickle.h"

namespace holdall {
namespace {

using namespace std::string_literals;

using pytorch_test::golden;
using pytorch_test::open_golden;
using pytorch_test::parse;

class PytorchGolden : public testing::TestWithParam<std::string> {};

// Names, dtypes, shapes and digests of every tensor, and no tensor more.
TEST_P(PytorchGolden, HoldsTheTensorsThatTorchSaved) {
  auto model = open_golden(GetParam());
  ASSERT_TRUE(model.has_value()) << model.error().to_string();
  Arena arena;
  const Value expected = pytorch_test::expected(arena, GetParam()).find("tensors");
  std::set<std::string> names;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const std::string name(expected.key(i).as_string());
    names.insert(name);
    const NamedTensor* entry = model->find(name);
    ASSERT_NE(entry, nullptr) << name;
    EXPECT_EQ(holdall::name(entry->tensor.dtype()), expected.mapped(i).find("dtype").as_string()) << name;
    Shape shape;
    const Value sizes = expected.mapped(i).find("shape");
    for (std::size_t d = 0; d < sizes.size(); ++d) shape.push_back(static_cast<std::uint64_t>(sizes.item(d).as_int()));
    EXPECT_EQ(entry->tensor.shape(), shape) << name;
    auto digest = entry->tensor.digest();
    ASSERT_TRUE(digest.has_value()) << name << ": " << digest.error().to_string();
    EXPECT_EQ(to_hex(*digest), expected.mapped(i).find("sha256").as_string()) << name;
  }
  for (const NamedTensor& entry : model->tensors()) EXPECT_TRUE(names.contains(entry.name)) << entry.name;
}

TEST_P(PytorchGolden, IsSound) {
  auto bundle = golden(GetParam());
  Faults faults;
  auto status = k_pytorch_format.verify(bundle, Context{}, faults);
  ASSERT_TRUE(status.has_value()) << status.error().to_string();
  for (const Fault& fault : faults.list) ADD_FAILURE() << fault.where << ": " << fault.what;
}

TEST_P(PytorchGolden, HasTheVerdictOfItsGlobals) {
  Findings findings;
  auto status = k_pytorch_format.acts(golden(GetParam()), Context{}, findings);
  ASSERT_TRUE(status.has_value()) << status.error().to_string();
  Arena arena;
  const auto verdict = pytorch_test::expected(arena, GetParam()).find_string("verdict");
  Verdict worst = Verdict::kInert;
  for (const Finding& finding : findings) {
    worst = std::max(worst, finding.severity);
    if (!verdict) ADD_FAILURE() << finding.where << ": " << finding.what;
  }
  EXPECT_EQ(name(worst), verdict.value_or("inert"));
}

INSTANTIATE_TEST_SUITE_P(Torch, PytorchGolden, testing::ValuesIn(pytorch_test::golden_names()), [](const auto& file) {
  std::string name = file.param;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
});

// The legacy file of one small tensor, for damage by hand.
std::string legacy_file() { return pytorch_test::contents(pytorch_test::folder() + "legacy_protocol4.pt"); }

Result<Model> read_bytes(std::string bytes) {
  return k_pytorch_format.read(pytorch_test::in_memory(std::move(bytes)), Context{});
}

TEST(PytorchDamage, EveryTruncationOfALegacyFileIsAnErrorWithAPlace) {
  const std::string whole = legacy_file();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    auto model = read_bytes(whole.substr(0, size));
    ASSERT_FALSE(model.has_value()) << size;
    EXPECT_FALSE(model.error().message().empty());
  }
}

TEST(PytorchDamage, BytesBehindALegacyFileAreFoundByVerifyAndScan) {
  const Bundle bundle = pytorch_test::in_memory(legacy_file() + "cos\nsystem\n.");
  Faults faults;
  ASSERT_TRUE(k_pytorch_format.verify(bundle, Context{}, faults).has_value());
  ASSERT_EQ(faults.list.size(), 1u);
  EXPECT_THAT(faults.list[0].what, testing::HasSubstr("12 bytes"));
  Findings findings;
  ASSERT_TRUE(k_pytorch_format.acts(bundle, Context{}, findings).has_value());
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].severity, Verdict::kUnreadable);
}

TEST(PytorchDamage, AViewThatMakesTerabytesOfAFewBytesIsALimit) {
  // The storage of three int64 as a view of 2^20 x 2^20, both strides 0.
  const std::string head = legacy_file();
  std::string program =
      "\x80\x02"
      "ctorch._utils\n_rebuild_tensor\n((X\x07\0\0\0storage"
      "ctorch\nLongStorage\nX\x01\0\0\0"
      "0X\x03\0\0\0cpuK\x03NtQ"
      "K\0J\0\0\x10\0J\0\0\x10\0\x86K\0K\0\x86tR."s;
  const std::size_t system_end = [&] {
    Arena arena;
    std::uint64_t at = 0;
    for (int i = 0; i < 3; ++i) at = run_pickle(arena, memory_source(Bytes::copy(head), "m"), at).end;
    return static_cast<std::size_t>(at);
  }();
  std::string file = head.substr(0, system_end) + program +
                     "\x80\x02]X\x01\0\0\0"
                     "0a."s;
  file += std::string("\x03\0\0\0\0\0\0\0"s) + std::string(24, 'x');
  auto model = read_bytes(std::move(file));
  ASSERT_FALSE(model.has_value());
  EXPECT_EQ(model.error().code(), Code::kLimit) << model.error().to_string();
}

TEST(PytorchDamage, AMissingShardIsNamed) {
  const std::string index = pytorch_test::contents(pytorch_test::folder() + "pytorch_model.bin.index.json");
  auto model = read_bytes(index);
  ASSERT_FALSE(model.has_value());
  EXPECT_THAT(model.error().to_string(), testing::HasSubstr("pytorch_model-00001-of-00002.bin"));
}

TEST(PytorchDamage, AnIndexThatLeadsOutOfItsFolderIsRefused) {
  auto model = read_bytes(R"({"metadata":{},"weight_map":{"w":"../secret.bin"}})");
  ASSERT_FALSE(model.has_value());
  EXPECT_EQ(model.error().code(), Code::kCorrupt);
  EXPECT_THAT(model.error().message(), testing::HasSubstr("outside of the folder"));
}

}  // namespace
}  // namespace holdall
