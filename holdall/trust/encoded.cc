#include "holdall/trust/encoded.h"

#include <algorithm>
#include <string>
#include <utility>

#include "holdall/base/base64.h"
#include "holdall/codec/pickle.h"
#include "holdall/formats/program_check.h"
#include "holdall/objects/judge.h"

namespace holdall {
namespace {

// Shorter ones name nothing.
constexpr std::size_t kShortest = 16;
constexpr std::string_view kAddress = "data:", kMark = ";base64,";

bool is_digit(char c) noexcept {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '-' ||
         c == '_';
}

// What is left of blanks and the head of a "data:" address.
std::string_view digits_of(std::string_view text) noexcept {
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  if (!text.starts_with(kAddress)) return text;
  const std::size_t mark = text.substr(0, 256).find(kMark);
  return mark == text.npos ? std::string_view() : text.substr(mark + kMark.size());
}

// Digits of the variant for addresses are those of the other.
std::string decoded(std::string_view digits) {
  if (digits.find_first_of("-_") == digits.npos) return from_loose_base64(digits);
  std::string same(digits);
  std::replace(same.begin(), same.end(), '-', '+');
  std::replace(same.begin(), same.end(), '_', '/');
  return from_loose_base64(same);
}

// What imports is GLOBAL or INST with two lines, or STACK_GLOBAL.
bool may_import(std::string_view pickle) noexcept {
  const std::size_t line = pickle.find('\n');
  return pickle.find('\x93') != pickle.npos || (line != pickle.npos && pickle.find('\n', line + 1) != pickle.npos);
}

PickleProgram run(Arena& arena, std::string data, std::string_view where, const Limits& limits, SourceRef& source) {
  source = memory_source(Bytes::adopt(std::move(data)), std::string(where) + "!base64");
  return run_pickle(arena, source, 0, {.limits = limits});
}

}  // namespace

void judge_encoded(std::string_view text_, std::string_view where, const Limits& limits, Findings& findings) {
  Arena arena;
  SourceRef source;
  const PickleProgram program = run(arena, from_loose_base64(text_), where, limits, source);
  judge(arena, program, source->name(), findings);
}

bool may_be_encoded(std::string_view text) noexcept {
  const std::string_view digits = digits_of(text);
  return digits.size() >= kShortest && std::all_of(digits.begin(), digits.begin() + kShortest, is_digit);
}

void judge_maybe_encoded(std::string_view text_, std::string_view where, const Limits& limits, Findings& findings) {
  if (!may_be_encoded(text_)) return;
  std::string data = decoded(digits_of(text_));
  if (!may_import(data)) return;
  Arena arena;
  SourceRef source;
  const bool has_mark = data.starts_with('\x80');
  const PickleProgram program = run(arena, std::move(data), where, limits, source);
  // Words are base64, too, and a few of their bytes may be opcodes.
  if (program.imports.empty() || (!has_mark && program.calls.empty() && program.error)) return;
  Findings own;
  judge(arena, program, source->name(), own);
  for (Finding& finding : own)
    if (finding.severity != Verdict::kUnreadable && !is_no_import(finding)) findings.push_back(std::move(finding));
}

}  // namespace holdall
