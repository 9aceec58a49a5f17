#include "holdall/trust/scan.h"

#include <algorithm>

#include "cli/findings.h"
#include "cli/input.h"
#include "cli/progress.h"
#include "cli/style.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "holdall/base/text.h"
#include "holdall/holdall.h"
#include "holdall/trust/sarif.h"

namespace holdall::cli {
namespace {

// Standard input among the paths is judged by itself; the rest together.
Result<std::vector<ScanReport>> reports_of(const std::vector<std::string>& paths, const ScanOptions& options) {
  if (std::ranges::find(paths, "-") == paths.end()) return scan_paths(paths, options);
  std::vector<ScanReport> reports;
  for (const std::string& path : paths) {
    if (path != "-") {
      reports.push_back(scan_path(path, options));
      continue;
    }
    HOLDALL_ASSIGN(const Bundle bundle, open_input(path));
    reports.push_back(scan_bundle(bundle, options));
  }
  return reports;
}

int exit_status(const std::vector<ScanReport>& reports) noexcept {
  Verdict worst = Verdict::kInert;
  for (const ScanReport& report : reports) worst = worse(worst, report.verdict);
  return worst == Verdict::kInert ? 0 : worst == Verdict::kUnreadable ? 2 : 1;
}

// What to do about what was found: each advice once.
void print_remedies(Console& console, const Findings& findings) {
  std::vector<std::string_view> said;
  for (const Finding& finding : findings) {
    const std::string_view remedy = row(finding.rule).remedy;
    if (std::ranges::find(said, remedy) != said.end()) continue;
    said.push_back(remedy);
    std::string lead = "            ";
    for (const std::string& line :
         wrapped(text("{}: {}", name(finding.rule), remedy), console.width() > 34 ? console.width() - 14 : 20)) {
      console.line(lead + console.paint(Ink::kFaint, line));
      lead.assign(14, ' ');
    }
  }
}

// The findings with the report's own path left out of their places: it stands above them.
Findings within(const ScanReport& report) {
  Findings findings = report.findings;
  for (Finding& finding : findings) {
    for (std::string* place : {&finding.where, &finding.what}) {
      if (!place->starts_with(report.path)) continue;
      std::size_t skip = report.path.size();
      if (place == &finding.what && !place->substr(skip).starts_with(": ") && !place->substr(skip).starts_with(" @ ")) continue;
      while (skip < place->size() && std::string_view("!/: ").find((*place)[skip]) != std::string_view::npos) ++skip;
      place->erase(0, skip);
    }
  }
  return findings;
}

void print_page(Console& console, const ScanReport& report) {
  const std::string_view verdict = name(report.verdict);
  std::string remark;
  if (report.files.size() > 1) remark = counted(report.files.size(), "file", "files");
  if (report.files.size() == 1) remark = report.files.front().kind;
  std::string line =
      console.paint(ink_of(report.verdict), verdict) + std::string(12 - verdict.size(), ' ') + printable(report.path);
  if (!remark.empty()) line += "  " + console.paint(Ink::kFaint, printable(remark));
  console.line(line);
  print_findings(console, within(report), 12);
  print_remedies(console, report.findings);
}

void print_lines(Console& console, const ScanReport& report) {
  console.line(text("{}\t{}", printable(report.path), name(report.verdict)));
  for (const Finding& finding : report.findings) console.line(text("{}\t{}", printable(report.path), finding_fields(finding)));
}

void print_sarif(Console& console, const std::vector<ScanReport>& reports) {
  JsonWriter writer(console.terminal() ? 2 : 0);
  write_sarif(writer, reports, version());
  console.line(writer.text());
}

void print_document(Console& console, const std::vector<ScanReport>& reports) {
  JsonWriter writer(console.terminal() ? 2 : 0);
  if (reports.size() != 1) writer.begin_array();
  for (const ScanReport& report : reports) write_scan(writer, report);
  if (reports.size() != 1) writer.end_array();
  console.line(writer.text());
}

}  // namespace

Result<int> scan_verb(const Arguments& arguments, Console& console) {
  Meter meter(console, "scanning", Meter::Unit::kFiles);
  ScanOptions options;
  if (arguments.has(Flag::kPolicy)) {
    HOLDALL_ASSIGN(options.policy, Policy::read(std::string(arguments.value(Flag::kPolicy))));
  }
  options.progress = meter.function();
  HOLDALL_ASSIGN(const std::vector<ScanReport> reports, reports_of(arguments.operands, options));
  meter.clear();
  if (arguments.has(Flag::kSarif)) {
    print_sarif(console, reports);
  } else if (console.json()) {
    print_document(console, reports);
  } else if (!console.quiet()) {
    for (const ScanReport& report : reports) console.terminal() ? print_page(console, report) : print_lines(console, report);
  }
  return exit_status(reports);
}

}  // namespace holdall::cli
