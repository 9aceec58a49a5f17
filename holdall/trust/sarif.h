// SARIF 2.1.0 (OASIS, sarif-schema-2.1.0.json): reports of scan as code scanning services and editors read them.
//
// Thread-safety and ownership: pure.
#pragma once

#include <span>
#include <string_view>

#include "holdall/trust/scan.h"

namespace holdall {

// One run: every rule, a result a finding, an artifact a file. `version` is of the program that scanned. A result's level is
// "error", or "warning" for what is code; one that a policy allows is among them, suppressed. Its location is the file that was
// scanned, at the line that the finding names (the first where it names none: services want one), and the place within the file
// as a logical location ("archive/data.pkl@1042"). Its fingerprint stays while rule, place and sentence do.
void write_sarif(JsonWriter& writer, std::span<const ScanReport> reports, std::string_view version);

}  // namespace holdall
