#include "holdall/trust/columns.h"

#include <gtest/gtest.h>

#include <utility>

#include "holdall/trust/scan.h"

namespace holdall {
namespace {

// Of pyarrow 13, by testdata/generate.py.
ScanReport scanned(const std::string& name) {
  return scan_path(HOLDALL_SOURCE_DIR "/holdall/trust/testdata/columns/" + name, {});
}

TEST(Columns, AnExtensionTypeThatIsAPickleIsJudged) {
  // Arrow's file keeps its schema at both ends.
  for (const auto& [name, times] : {std::pair("extension.parquet", 1u), std::pair("extension.arrow", 2u)}) {
    const ScanReport report = scanned(name);
    EXPECT_EQ(report.verdict, Verdict::kMalicious) << name;
    EXPECT_EQ(report.findings.size(), times) << name;
    for (const Finding& finding : report.findings) EXPECT_EQ(finding.subject, "posix.system") << name;
  }
}

TEST(Columns, OthersAreTables) {
  const ScanReport report = scanned("plain.parquet");
  EXPECT_EQ(report.verdict, Verdict::kInert);
  EXPECT_EQ(report.files.at(0).kind, "table");
}

}  // namespace
}  // namespace holdall
