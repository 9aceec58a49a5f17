#include "holdall/ops/verify.h"

#include "cli/input.h"
#include "cli/progress.h"
#include "cli/style.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "holdall/base/text.h"

namespace holdall::cli {
namespace {

// "pytorch, 75 tensors, 1.08 MB, 81 CRC-32 compared"
std::string facts_line(const VerifyReport& report) {
  std::string out = report.format.empty() ? "no format" : report.format;
  const auto add = [&](std::uint64_t count, std::string_view one, std::string_view many) {
    if (count != 0) out += ", " + counted(count, one, many);
  };
  add(report.tensors, "tensor", "tensors");
  out += ", " + human_bytes(report.bytes);
  add(report.faults.crc32, "CRC-32 compared", "CRC-32 compared");
  add(report.faults.crc32c, "CRC-32C compared", "CRC-32C compared");
  add(report.faults.digests, "digest compared", "digests compared");
  const bool none = report.faults.crc32 + report.faults.crc32c + report.faults.digests == 0;
  return none && report.sound() ? out + ", no checksums in it" : out;
}

void print_page(Console& console, const VerifyReport& report) {
  const std::string_view verdict = report.sound() ? "sound" : "damaged";
  console.line(text("{}  {}", console.paint(report.sound() ? Ink::kGood : Ink::kBad, verdict),
                    console.paint(Ink::kStrong, printable(report.path))));
  for (const std::string& line : wrapped(facts_line(report), console.width() - 2)) console.line("  " + line);
  if (!report.sound()) console.line();
  for (const Fault& fault : report.faults.list) {
    const std::string place = fault.offset ? text("{} @ {}", printable(fault.where), *fault.offset) : printable(fault.where);
    std::string lead = "  ";
    for (const std::string& line :
         wrapped(text("{}{}{}", place, place.empty() ? "" : ": ", printable(fault.what)), console.width() - 4)) {
      console.line(lead + line);
      lead = "    ";
    }
  }
}

void print_lines(Console& console, const VerifyReport& report) {
  const std::string path = printable(report.path);
  console.line(text("{}\t{}\tcrc32={}\tcrc32c={}\tdigests={}", path, report.sound() ? "sound" : "damaged", report.faults.crc32,
                    report.faults.crc32c, report.faults.digests));
  for (const Fault& fault : report.faults.list) {
    console.line(text("{}\tfault\t{}\t{}\t{}", path, printable(fault.where), fault.offset ? text("{}", *fault.offset) : "-",
                      printable(fault.what)));
  }
}

}  // namespace

Result<int> verify_verb(const Arguments& arguments, Console& console) {
  Meter meter(console, "verifying", Meter::Unit::kBytes);
  VerifyOptions options;
  options.progress = meter.function();
  HOLDALL_ASSIGN(const Bundle bundle, open_input(arguments.operands.front()));
  HOLDALL_ASSIGN(const VerifyReport report, verify_model(bundle, options));
  meter.clear();
  if (console.json()) {
    JsonWriter writer(console.terminal() ? 2 : 0);
    write_verification(writer, report);
    console.line(writer.text());
  } else if (!console.quiet()) {
    console.terminal() ? print_page(console, report) : print_lines(console, report);
  }
  return report.sound() ? 0 : 1;
}

}  // namespace holdall::cli
