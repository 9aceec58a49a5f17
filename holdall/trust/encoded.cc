#include "holdall/trust/encoded.h"

#include <string>

#include "holdall/base/base64.h"
#include "holdall/codec/pickle.h"
#include "holdall/formats/program_check.h"
#include "holdall/objects/judge.h"

namespace holdall {
namespace {

// The opcode that says a protocol, 2 or later, in base64: 0x80 0x02 to 0x80 0x05.
constexpr std::string_view kProtocol = "gA";
constexpr std::string_view kVersions = "IJKLMNOPQRSTUVWX";

PickleProgram run(Arena& arena, std::string_view text_, std::string_view where, const Limits& limits, SourceRef& source) {
  source = memory_source(Bytes::adopt(from_loose_base64(text_)), std::string(where) + "!base64");
  return run_pickle(arena, source, 0, {.limits = limits});
}

}  // namespace

void judge_encoded(std::string_view text_, std::string_view where, const Limits& limits, Findings& findings) {
  Arena arena;
  SourceRef source;
  const PickleProgram program = run(arena, text_, where, limits, source);
  judge(arena, program, source->name(), findings);
}

void judge_maybe_encoded(std::string_view text_, std::string_view where, const Limits& limits, Findings& findings) {
  if (!text_.starts_with(kProtocol) || text_.size() < 4 || kVersions.find(text_[2]) == kVersions.npos) return;
  Arena arena;
  SourceRef source;
  const PickleProgram program = run(arena, text_, where, limits, source);
  if (program.imports.empty()) return;
  Findings own;
  judge(arena, program, source->name(), own);
  for (Finding& finding : own)
    if (finding.severity != Verdict::kUnreadable && !is_no_import(finding)) findings.push_back(std::move(finding));
}

}  // namespace holdall
