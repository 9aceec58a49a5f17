#include "holdall/trust/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "holdall/base/scratch_test_folder.h"
#include "holdall/trust/scan.h"

namespace holdall {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;
using testing::SizeIs;

Policy policy(std::string_view toml) {
  Result<Policy> parsed = Policy::parse(toml, "p.toml");
  EXPECT_TRUE(parsed) << parsed.error().to_string();
  return std::move(*parsed);
}

Finding about(Verdict severity, std::string subject, Rule rule = Rule::kPickleGlobal) {
  return {severity, rule, "a.pkl@0", "what", std::move(subject)};
}

// A call of the function, by protocol 0.
std::string calling(std::string_view module, std::string_view name) {
  return "c" + std::string(module) + "\n" + std::string(name) + "\n(S'id'\ntR.";
}

TEST(Policy, WithoutAnythingSaidNothingIsAllowed) {
  EXPECT_FALSE(Policy().allows(about(Verdict::kCode, "mylab.Net")));
  EXPECT_TRUE(Policy().allows_format("pickle"));
}

TEST(Policy, NamesAreExactOrAPackage) {
  const Policy some = policy("[allow]\nnames = ['mylab.Net', 'ours.*']\n");
  EXPECT_TRUE(some.allows(about(Verdict::kCode, "mylab.Net")));
  EXPECT_FALSE(some.allows(about(Verdict::kCode, "mylab.Network")));
  EXPECT_FALSE(some.allows(about(Verdict::kCode, "mylab")));
  EXPECT_TRUE(some.allows(about(Verdict::kCode, "ours.deep.Net")));
  EXPECT_FALSE(some.allows(about(Verdict::kCode, "ourselves.Net")));
  EXPECT_FALSE(some.allows(about(Verdict::kCode, "")));
}

TEST(Policy, APackageNeverMeansWhatItReachesThroughDots) {
  const Policy some = policy("[allow]\nnames = ['ours.*', 'ours.nets:Outer.Inner']\n");
  EXPECT_FALSE(some.allows(about(Verdict::kCode, "ours.nets:requests.get")));
  EXPECT_TRUE(some.allows(about(Verdict::kCode, "ours.nets:Outer.Inner")));
}

TEST(Policy, WhatIsMaliciousIsAllowedByItsExactNameAlone) {
  EXPECT_FALSE(
      policy("[allow]\nnames = ['os.*']\nrules = ['pickle-global']\n").allows(about(Verdict::kMalicious, "os.system")));
  EXPECT_TRUE(policy("[allow]\nnames = ['sklearn.new.Tree']\n").allows(about(Verdict::kMalicious, "sklearn.new.Tree")));
}

TEST(Policy, WhatIsUnreadableIsNeverAllowed) {
  const Policy all = policy("[allow]\nnames = ['a.b']\nrules = ['not-understood', 'pickle-unreadable']\n");
  EXPECT_FALSE(all.allows(about(Verdict::kUnreadable, "a.b", Rule::kPickleUnreadable)));
}

TEST(Policy, MistakesAreToldWithTheirLine) {
  const auto message = [](std::string_view toml) { return Policy::parse(toml, "p.toml").error().to_string(); };
  EXPECT_THAT(message("[allow\n"), HasSubstr("p.toml: line 1"));
  EXPECT_THAT(message("[allow]\nnames = 'a'\n"), HasSubstr("line 2: 'names' is a list of strings"));
  EXPECT_THAT(message("\n[alow]\n"), HasSubstr("line 2: there is no key 'alow'"));
  EXPECT_THAT(message("[allow]\nname = []\n"), HasSubstr("names, rules, formats"));
  EXPECT_THAT(message("[allow]\nnames = ['*']\n"), HasSubstr("'*'"));
  EXPECT_THAT(message("[allow]\nnames = ['a.*.b']\n"), HasSubstr("at the end"));
  EXPECT_THAT(message("[allow]\nrules = ['pickle']\n"), HasSubstr("no rule 'pickle'"));
  EXPECT_THAT(message("[forbid]\nformats = ['pikle']\n"), HasSubstr("no format 'pikle'"));
  EXPECT_THAT(message("allow = 1\n"), HasSubstr("[allow]"));
  EXPECT_EQ(Policy::read("/no/such/file").error().code(), Code::kNotFound);
}

TEST(PolicyInScan, AnAllowedNameIsNoFindingAndIsStillTold) {
  const Scratch folder;
  ScanOptions options;
  options.policy = policy("[allow]\nnames = ['mylab.make']\n");
  const ScanReport report = scan_path(folder.write("a.pkl", calling("mylab", "make")), options);
  EXPECT_EQ(report.verdict, Verdict::kInert);
  EXPECT_THAT(report.findings, SizeIs(0));
  ASSERT_THAT(report.allowed, SizeIs(1));
  EXPECT_EQ(report.allowed[0].subject, "mylab.make");
  EXPECT_EQ(report.files.at(0).verdict, Verdict::kInert);
  EXPECT_EQ(scan_path(folder.write("b.pkl", calling("mylab", "other")), options).verdict, Verdict::kCode);
  EXPECT_EQ(scan_path(folder.write("c.pkl", calling("mylab", "make") + calling("os", "system")), options).verdict,
            Verdict::kMalicious);
}

TEST(PolicyInScan, AClassWithinAClassIsSpelledWithAColon) {
  const Scratch folder;
  const std::string nested = "\x80\x04\x8c\x05mylab\x8c\x0bOuter.Inner\x93)R."s;
  const ScanReport report = scan_path(folder.write("a.pkl", nested));
  ASSERT_FALSE(report.findings.empty());
  EXPECT_EQ(report.findings[0].subject, "mylab:Outer.Inner");
}

TEST(PolicyInScan, AFormatThatIsNotAllowedIsForbiddenWhereverItLies) {
  const Scratch folder;
  ScanOptions options;
  options.policy = policy("[forbid]\nformats = ['pickle']\n");
  const std::string path = folder.write("a.bin", "\x80\x02}q\0X\x01\0\0\0aq\1K\1s."s);
  const ScanReport report = scan_path(path, options);
  EXPECT_EQ(report.verdict, Verdict::kForbidden);
  ASSERT_THAT(report.findings, SizeIs(1));
  EXPECT_EQ(report.findings[0].rule, Rule::kPolicyFormat);
  EXPECT_EQ(scan_path(folder.path(), options).verdict, Verdict::kForbidden);
  options.policy = policy("[allow]\nformats = ['safetensors']\n");
  EXPECT_EQ(scan_path(path, options).verdict, Verdict::kForbidden);
  options.policy = policy("[allow]\nformats = ['pickle']\n");
  EXPECT_EQ(scan_path(path, options).verdict, Verdict::kInert);
}

}  // namespace
}  // namespace holdall
