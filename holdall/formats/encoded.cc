#include "holdall/formats/encoded.h"

#include <algorithm>
#include <string>
#include <utility>

#include "holdall/base/base64.h"
#include "holdall/base/text.h"
#include "holdall/codec/pickle.h"
#include "holdall/formats/held_programs.h"
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

// A pickle that says its protocol, in hexadecimal digits; empty for other texts.
std::string from_digits(std::string_view digits) {
  digits = digits.substr(0, digits.find_last_not_of(" \t\r\n") + 1);
  if (!digits.starts_with("800") || digits.size() % 2 != 0) return {};
  const auto value = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  std::string data;
  data.reserve(digits.size() / 2);
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    const int high = value(digits[i]), low = value(digits[i + 1]);
    if (high < 0 || low < 0) return {};
    data.push_back(static_cast<char>(high * 16 + low));
  }
  return data;
}

// What imports is GLOBAL or INST with two lines, or STACK_GLOBAL.
bool may_import(std::string_view pickle) noexcept {
  const std::size_t line = pickle.find('\n');
  return pickle.find('\x93') != pickle.npos || (line != pickle.npos && pickle.find('\n', line + 1) != pickle.npos);
}

SourceRef part(std::string data, std::string_view where, std::string_view digits = "base64") {
  return memory_source(Bytes::adopt(std::move(data)), text("{}!{}", where, digits));
}

// One of protocol 0 or 1. Words are base64, too, and a few of their bytes may be opcodes.
void judge_lines(const SourceRef& source, const Limits& limits, Findings& findings) {
  Arena arena;
  const PickleProgram program = run_pickle(arena, source, 0, {.limits = limits});
  const bool imports = std::any_of(program.imports.begin(), program.imports.end(), [&](const PickleImport& import) {
    const Value global = arena.at(import.global);  // a first call needs one by a name that no call has made
    if (import.computed || !global.is(ValueKind::kGlobal)) return false;
    const std::string_view module = global.global_module(), name = global.global_name();
    return !module.empty() && !name.empty() && is_import_name(module) && is_import_name(name);
  });
  if (!imports || (program.calls.empty() && program.error)) return;
  Findings own;
  judge(arena, program, source->name(), own);
  for (Finding& finding : own)
    if (finding.severity != Verdict::kUnreadable && !is_no_import(finding)) findings.push_back(std::move(finding));
}

}  // namespace

void judge_encoded(std::string_view text_, std::string_view where, const Limits& limits, Findings& findings) {
  Arena arena;
  const SourceRef source = part(from_loose_base64(text_), where);
  judge(arena, run_pickle(arena, source, 0, {.limits = limits}), source->name(), findings);
}

bool may_be_encoded(std::string_view text) noexcept {
  const std::string_view digits = digits_of(text);
  return digits.size() >= kShortest && std::all_of(digits.begin(), digits.begin() + kShortest, is_digit);
}

void judge_maybe_encoded(std::string_view text_, std::string_view where, const Context& context, Findings& findings) {
  if (!may_be_encoded(text_)) return;
  const std::string_view digits = digits_of(text_);
  std::string data = decoded(digits);
  const bool is_archive = data.starts_with("PK\x03\x04"), has_mark = data.starts_with('\x80');
  if (is_archive || may_import(data)) {
    const SourceRef source = part(std::move(data), where);
    is_archive || has_mark ? judge_held(source, context, findings) : judge_lines(source, context.limits, findings);
  }
  if (std::string pickle = from_digits(digits); may_import(pickle))
    judge_held(part(std::move(pickle), where, "hexadecimal"), context, findings);
}

}  // namespace holdall
