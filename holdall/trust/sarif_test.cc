#include "holdall/trust/sarif.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdall {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string sarif(const ScanReport& report) {
  JsonWriter writer;
  write_sarif(writer, std::span(&report, 1), "1.2.3");
  return writer.text();
}

ScanReport report_of(Finding finding, std::string path) {
  ScanReport report;
  report.path = std::move(path);
  report.findings.push_back(std::move(finding));
  return report;
}

TEST(Sarif, AFindingIsAResultAtItsFile) {
  const std::string text = sarif(report_of(
      {Verdict::kMalicious, Rule::kPickleGlobal, "models/a b.pt!data.pkl@7", "imports os.system", "os.system", "models/a b.pt"},
      "models"));
  EXPECT_THAT(text, HasSubstr(R"("ruleId":"pickle-global","ruleIndex":0,"level":"error")"));
  EXPECT_THAT(text, HasSubstr(R"("artifactLocation":{"uri":"models/a%20b.pt"},"region":{"startLine":1})"));
  EXPECT_THAT(text, HasSubstr(R"("fullyQualifiedName":"data.pkl@7")"));
}

TEST(Sarif, ALineOfATextIsTheRegion) {
  EXPECT_THAT(sarif(report_of({Verdict::kCode, Rule::kHydraTarget, "c.yaml line 12", "calls 'x'", "x", "c.yaml"}, "c.yaml")),
              HasSubstr(R"("startLine":12)"));
}

TEST(Sarif, WhatAPolicyAllowsIsSuppressed) {
  ScanReport report = report_of(
      {Verdict::kCode, Rule::kHubEntry, "hubconf.py", "torch.hub.load runs this file", "", "hubconf.py"}, "hubconf.py");
  EXPECT_THAT(sarif(report), Not(HasSubstr("suppressions")));
  report.allowed.swap(report.findings);
  EXPECT_THAT(sarif(report), HasSubstr(R"("suppressions":[{"kind":"external"}])"));
}

TEST(Sarif, AbsolutePathsAreAddresses) {
  EXPECT_THAT(sarif(report_of({Verdict::kCode, Rule::kHubEntry, "/m/hubconf.py", "x", "", "/m/hubconf.py"}, "/m")),
              HasSubstr(R"("uri":"file:///m/hubconf.py")"));
}

}  // namespace
}  // namespace holdall
