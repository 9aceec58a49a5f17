#include "holdall/trust/other_readings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "holdall/base/text.h"
#include "holdall/trust/scan.h"
#include "tests/fuzz/plain_zip.h"

namespace holdall {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;

constexpr std::string_view kAttack = "cos\nsystem\n(S'id'\ntR.";
constexpr std::string_view kPlain = "\x80\2]K\1a.";

ScanReport scanned(std::string file) { return scan_bundle(Bundle::of(memory_source(Bytes::adopt(std::move(file)), "model"))); }

std::string archive(std::string_view name, std::string_view data) {
  fuzz::PlainZip zip;
  zip.add(name, data);
  return zip.finish();
}

// One tensor of these bytes.
std::string safetensors(const std::string& data) {
  const std::string header = text(R"({{"a":{{"dtype":"U8","shape":[{}],"data_offsets":[0,{}]}}}})", data.size(), data.size());
  std::string file;
  fuzz::put_le(file, std::uint64_t{header.size()});
  return file + header + data;
}

TEST(OtherReadings, AnArchiveBehindTensorsIsJudgedAsTheFileThatItIs) {
  EXPECT_EQ(scanned(safetensors("data")).verdict, Verdict::kInert);
  EXPECT_EQ(scanned(safetensors(archive("a/data.pkl", kAttack))).verdict, Verdict::kMalicious);
  EXPECT_EQ(scanned(safetensors(archive("a/b.pkl", kPlain))).verdict, Verdict::kInert);
  EXPECT_EQ(scanned(safetensors(archive("a/b", "\1\2\3"))).verdict, Verdict::kUnreadable);
  EXPECT_EQ(scanned(safetensors(archive("a/data.pkl", kAttack)) + "#").verdict, Verdict::kMalicious);
  EXPECT_EQ(scanned(safetensors("PK\5\6" + std::string(100, '\1'))).verdict, Verdict::kInert);
}

// A member that is stored where an HDF5 file's user block could end: h5py opens the archive as that file, everybody else as an
// archive.
TEST(OtherReadings, AnArchiveThatHdf5sReadersTakeForTheirsIsJudgedAsBoth) {
  std::ifstream file(HOLDALL_SOURCE_DIR "/holdall/formats/keras_h5/testdata/keras3.h5", std::ios::binary);
  const std::string hdf5((std::istreambuf_iterator<char>(file)), {});
  ASSERT_TRUE(hdf5.starts_with("\x89HDF"));
  const auto around = [&](std::string_view name, std::string_view data) {
    const auto packed = [&](std::size_t padding) {
      fuzz::PlainZip zip;
      zip.add(name, data);
      zip.add("padding.txt", std::string(padding, ' '));
      zip.add("model.h5", hdf5);
      return zip.finish();
    };
    const std::size_t at = packed(0).find(hdf5);
    return packed(1024 - at);
  };
  ASSERT_EQ(around("a.txt", "words").find(hdf5), 1024u);
  EXPECT_EQ(scanned(around("a.txt", "words")).verdict, Verdict::kInert);
  EXPECT_EQ(scanned(around("a.pkl", kAttack)).verdict, Verdict::kMalicious);
  EXPECT_EQ(scanned(around("a.bin", "\1\2\3")).verdict, Verdict::kUnreadable);
}

// As Python's zipfile appends to a file: places count from the file's beginning.
TEST(OtherReadings, AnArchiveWhosePlacesCountFromTheFilesBeginningHoldsTextsAlone) {
  const auto appended = [](std::string_view name, std::string_view data) {
    std::string tail = archive(name, data);
    const std::size_t before = safetensors(tail).size() - tail.size();
    const std::size_t entry = tail.rfind("PK\1\2"), end = tail.rfind("PK\5\6");
    for (const std::size_t at : {entry + 42, end + 16}) {
      store_le(tail.data() + at, load_le<std::uint32_t>(tail.data() + at) + static_cast<std::uint32_t>(before));
    }
    return scanned(safetensors(tail));
  };
  EXPECT_EQ(appended("labels.txt", "cat\ndog\n").verdict, Verdict::kInert);
  EXPECT_EQ(appended("data.pkl", kAttack).verdict, Verdict::kMalicious);
  const ScanReport report = appended("config.json", "{}");
  EXPECT_EQ(report.verdict, Verdict::kUnreadable);
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_THAT(report.findings[0].what, HasSubstr("ZIP archive stands at the end"));
}

TEST(OtherReadings, AnHdf5FileBehindAUserBlockIsJudged) {
  std::string data = safetensors(std::string(2'000, '\0'));
  data.replace(1'024, 8, "\x89HDF\r\n\x1a\n");
  const ScanReport report = scanned(data);
  EXPECT_EQ(report.verdict, Verdict::kUnreadable);
  data = safetensors(std::string(2'000, '\0'));
  data.replace(1'000, 8, "\x89HDF\r\n\x1a\n");
  EXPECT_EQ(scanned(data).verdict, Verdict::kInert);
}

}  // namespace
}  // namespace holdall
