// Any bytes as a file that is scanned. The verdict is that of the findings, neither the file's name nor a second look changes
// it, no wrapping makes it better, and nothing behind a pickle that calls os.system hides the call.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/trust/scan.h"
#include "tests/fuzz/formats.h"
#include "tests/fuzz/plain_zip.h"

namespace {

using namespace holdall;
using fuzz::require;

ScanOptions options(unsigned containers) {
  ScanOptions made;
  made.limits = fuzz::small().limits;
  made.limits.opcodes = 50'000;
  made.limits.memo = 10'000;
  made.limits.depth = 200;
  made.limits.containers = containers;
  return made;
}

ScanReport scan(std::string bytes, const std::string& name, unsigned containers = 4) {
  return scan_bundle(Bundle::of(memory_source(Bytes::adopt(std::move(bytes)), name)), options(containers));
}

// From 0 to 3: inert, code, unreadable, malicious.
int badness(Verdict verdict) {
  constexpr Verdict kRising[] = {Verdict::kInert, Verdict::kCode, Verdict::kUnreadable, Verdict::kMalicious};
  return static_cast<int>(std::find(std::begin(kRising), std::end(kRising), verdict) - std::begin(kRising));
}

void require_sound(const ScanReport& report) {
  Verdict worst = Verdict::kInert;
  for (const Finding& finding : report.findings) {
    require(badness(finding.severity) > 0 && !finding.what.empty() && finding.what.size() <= 1'100);
    require(badness(finding.severity) <= badness(report.verdict));
    worst = worse(worst, finding.severity);
  }
  require(worst == report.verdict && report.files.size() == 1 && report.files[0].verdict == report.verdict);
}

// But for the places, which name the file.
bool is_same(const ScanReport& one, const ScanReport& other) {
  return one.verdict == other.verdict && one.files[0].kind == other.files[0].kind &&
         std::equal(one.findings.begin(), one.findings.end(), other.findings.begin(), other.findings.end(),
                    [](const Finding& a, const Finding& b) { return a.severity == b.severity && a.rule == b.rule; });
}

std::string in_archive(std::string_view bytes) {
  fuzz::PlainZip zip;
  zip.add("member", bytes);
  return zip.finish();
}

// A program that leaves nothing behind but what it did; what stands there is its next opcodes.
constexpr std::string_view kCalls[] = {"cos\nsystem\n(S'x'\ntR0", "\x80\2cos\nsystem\n(U\1xtR0", "(S'x'\nios\nsystem\n0",
                                       "\x80\4\x8c\2os\x8c\6system\x93\x8c\1x\x85R0"};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const ScanReport report = scan(bytes, "input");
  require_sound(report);
  require(is_same(report, scan(bytes, "weights.dat")));  // a name that promises no model
  if (size == 0) return 0;
  require(badness(scan(in_archive(bytes), "input", 5).verdict) >= badness(report.verdict));
  const std::string_view call = kCalls[(size + data[size / 2]) % std::size(kCalls)];
  require(scan(std::string(call) + bytes, "input").verdict == Verdict::kMalicious);
  return 0;
}
