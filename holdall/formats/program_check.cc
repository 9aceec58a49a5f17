#include "holdall/formats/program_check.h"

#include <algorithm>
#include <utility>

#include "holdall/formats/held_programs.h"
#include "holdall/objects/judge.h"
#include "holdall/objects/stray.h"

namespace holdall {

namespace {

Status judge_nested(std::string_view format, const Blob& bytes, const std::string& where, const Context& context,
                    Findings& findings) {
  HOLDALL_ASSIGN(SourceRef file, slice_source(bytes.source(), bytes.offset(), bytes.size(), where + "!bytes"));
  return context.acts_as(format, Bundle::of(std::move(file)), findings);
}

}  // namespace

void judge_program(const Arena& arena, const PickleProgram& program, const SourceRef& source, const Context& context,
                   Findings& findings) {
  const auto nested = [&](std::string_view format, const Blob& bytes, const std::string& where, Findings& inner) {
    const Status judged = judge_nested(format, bytes, where, context, inner);
    if (!judged) inner.push_back({Verdict::kUnreadable, Rule::kNotUnderstood, where, judged.error().to_string()});
  };
  judge(arena, program, source->name(), findings, nested);
  judge_held(arena, source->name(), context, findings);
  if (program.error && !program.cut_short) judge_stray(source, program.end, context.limits, findings);
}

bool may_go_on(const PickleProgram& program) noexcept {
  return program.is_read_otherwise || (program.error && program.error->code() == Code::kLimit);
}

bool is_import_name(std::string_view name) noexcept {
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-' ||
           c == ':' || static_cast<unsigned char>(c) >= 0x80;
  });
}

bool is_no_import(const Finding& finding) { return finding.rule == Rule::kPickleGlobal && !is_import_name(finding.subject); }

bool is_no_pickle(const Finding& finding) noexcept {
  const bool is_of_form = finding.rule == Rule::kPickleUnreadable || finding.rule == Rule::kPickleTrailing;
  return finding.severity == Verdict::kUnreadable && is_of_form;
}

bool begins_program(const SourceRef& source, const Limits& limits) {
  Arena arena;
  const PickleProgram program = run_pickle(arena, source, 0, {.limits = limits});
  return !program.error || !program.imports.empty() || may_go_on(program);
}

Status judge_part(const SourceRef& part, const Context& context, Findings& findings) {
  Status judged = context.acts(Bundle::of(part), findings);
  if (judged || judged.error().code() != Code::kUnsupported) return judged;
  judge_stray(part, 0, context.limits, findings);
  return {};
}

}  // namespace holdall
