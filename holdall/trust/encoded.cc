#include "holdall/trust/encoded.h"

#include <array>
#include <cstdint>

#include "holdall/base/text.h"
#include "holdall/codec/pickle.h"
#include "holdall/formats/program_check.h"
#include "holdall/objects/judge.h"

namespace holdall {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::int8_t kOther = -1;

constexpr std::array<std::int8_t, 256> digits() {
  std::array<std::int8_t, 256> found{};
  found.fill(kOther);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i)
    found[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::int8_t>(i);
  return found;
}
constexpr std::array<std::int8_t, 256> kDigits = digits();

// The opcode that says a protocol, 2 or later, in base64: 0x80 0x02 to 0x80 0x05.
constexpr std::string_view kProtocol = "gA";
constexpr std::string_view kVersions = "IJKLMNOPQRSTUVWX";

PickleProgram run(Arena& arena, std::string_view text_, std::string_view where, const Limits& limits, SourceRef& source) {
  source = memory_source(Bytes::adopt(from_loose_base64(text_)), std::string(where) + "!base64");
  return run_pickle(arena, source, 0, {.limits = limits});
}

}  // namespace

std::string from_loose_base64(std::string_view text) {
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  unsigned held = 0, pads = 0;  // digits of a quad, and what stands for missing ones
  for (const char c : text) {
    if (c == '=' && held >= 2 && held + ++pads >= 4) break;
    const std::int8_t digit = kDigits[static_cast<unsigned char>(c)];
    if (digit == kOther) continue;
    pads = 0;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    if (++held > 1) out.push_back(static_cast<char>(bits >> (8 - 2 * held) & 0xff));
    held %= 4;
  }
  return out;
}

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
