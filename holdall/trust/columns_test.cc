#include "holdall/trust/columns.h"

#include <gtest/gtest.h>

#include "holdall/trust/scan.h"

namespace holdall {
namespace {

// Of pyarrow 13, by testdata/generate.py.
ScanReport scanned(const std::string& name) {
  return scan_path(HOLDALL_SOURCE_DIR "/holdall/trust/testdata/columns/" + name, {});
}

TEST(Columns, AnExtensionTypeThatIsAPickleIsJudged) {
  for (const char* name : {"extension.parquet", "extension.arrow"}) {
    const ScanReport report = scanned(name);
    EXPECT_EQ(report.verdict, Verdict::kMalicious) << name;
    ASSERT_FALSE(report.findings.empty()) << name;
    EXPECT_EQ(report.findings[0].subject, "posix.system") << name;
  }
}

TEST(Columns, OthersAreTables) {
  const ScanReport report = scanned("plain.parquet");
  EXPECT_EQ(report.verdict, Verdict::kInert);
  EXPECT_EQ(report.files.at(0).kind, "table");
}

}  // namespace
}  // namespace holdall
