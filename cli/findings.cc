#include "cli/findings.h"

#include "cli/style.h"
#include "cli/table.h"
#include "holdall/base/text.h"

namespace holdall::cli {
namespace {

constexpr std::size_t kMostShown = 50;

// "model.pt!archive/data.pkl@1042: imports os.system", with the place said once.
std::string sentence(const Finding& finding) {
  std::string_view what = finding.what;
  if (!finding.where.empty() && what.starts_with(finding.where)) return printable(what);
  return finding.where.empty() ? printable(what) : text("{}: {}", printable(finding.where), printable(what));
}

}  // namespace

Ink ink_of(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::kInert:
      return Ink::kGood;
    case Verdict::kCode:
      return Ink::kWarn;
    case Verdict::kMalicious:
    case Verdict::kUnreadable:
    case Verdict::kForbidden:
      return Ink::kBad;
  }
  return Ink::kPlain;
}

std::string_view meaning(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::kInert:
      return "loading it cannot run code";
    case Verdict::kCode:
      return "loading it can run code that the file names";
    case Verdict::kMalicious:
      return "loading it runs code that no model needs";
    case Verdict::kUnreadable:
      return "not understood to the last byte, so it never counts as clean";
    case Verdict::kForbidden:
      return "what it is does not go with the policy";
  }
  return {};
}

void print_verdict(Console& console, Verdict verdict) {
  const std::string head = text("{}: ", name(verdict));
  bool first = true;
  for (const std::string& line : wrapped(head + std::string(meaning(verdict)), console.width())) {
    if (first) {
      console.line(console.paint(ink_of(verdict), name(verdict)) + line.substr(name(verdict).size()));
    } else {
      console.line(line);
    }
    first = false;
  }
}

void print_findings(Console& console, const Findings& findings, unsigned indent) {
  std::size_t shown = 0;
  for (const Finding& finding : findings) {
    if (shown++ == kMostShown) {
      console.line(std::string(indent, ' ') +
                   console.paint(Ink::kFaint, text("… {} more", grouped(findings.size() - kMostShown))));
      return;
    }
    const std::string severity(name(finding.severity));
    const std::string line = severity + " " + sentence(finding);
    const unsigned room = console.width() > indent + 22 ? console.width() - indent - 2 : 20;
    std::string lead(indent, ' ');
    for (const std::string& piece : wrapped(line, room)) {
      const bool first = lead.size() == indent;
      console.line(lead + (first ? console.paint(ink_of(finding.severity), severity) + piece.substr(severity.size()) : piece));
      lead.assign(indent + 2, ' ');
    }
  }
}

void print_warnings(Console& console, const std::vector<std::string>& warnings) {
  if (warnings.empty()) return;
  console.line();
  console.line(console.paint(Ink::kWarn, warnings.size() == 1 ? "warning" : "warnings"));
  for (const std::string& warning : warnings) {
    std::string lead = "  ";
    for (const std::string& line : wrapped(printable(warning), console.width() > 26 ? console.width() - 4 : 20)) {
      console.line(lead + line);
      lead = "    ";
    }
  }
}

std::string finding_fields(const Finding& finding) {
  return text("{}\t{}\t{}\t{}", name(finding.severity), name(finding.rule), printable(finding.where), printable(finding.what));
}

}  // namespace holdall::cli
