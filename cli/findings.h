// Findings: verdicts, findings and warnings as inspect, scan and verify show them.
//
// Thread-safety: one thread. Ownership: none.
#pragma once

#include <string>
#include <vector>

#include "cli/console.h"
#include "holdall/formats/format.h"

namespace holdall::cli {

Ink ink_of(Verdict verdict) noexcept;
// "loading it cannot run code"
std::string_view meaning(Verdict verdict) noexcept;

void print_verdict(Console& console, Verdict verdict);
// A row each, wrapped to the terminal. Long lists end in "… 12 more"; nothing is left out elsewhere.
void print_findings(Console& console, const Findings& findings, unsigned indent);
void print_warnings(Console& console, const std::vector<std::string>& warnings);

// severity, rule, where, what, divided by tabs
std::string finding_fields(const Finding& finding);

}  // namespace holdall::cli
