#include "holdall/trust/guises.h"

#include <algorithm>
#include <string_view>

#include "holdall/base/among.h"
#include "holdall/base/text.h"
#include "holdall/codec/pickle.h"
#include "holdall/formats/program_check.h"
#include "holdall/objects/globals.h"
#include "holdall/trust/prose.h"
#include "holdall/trust/text_files.h"

namespace holdall {
namespace {

// Formats that other programs read as pickles and tars as well.
constexpr std::string_view kPickled[] = {"joblib", "pickle", "pytorch"};
constexpr std::string_view kTarred[] = {"pytorch"};
// What is called by those who have a command or a code of theirs run, and stands in no list of words behind a module's name.
constexpr std::string_view kCommands[] = {"Popen",         "__import__", "breakpoint", "call",     "check_call", "check_output",
                                          "compile",       "eval",       "exec",       "execv",    "getattr",    "getoutput",
                                          "import_module", "loads",      "popen",      "run_path", "spawn",      "system"};

// Made to be run, though its author did not know how: a text follows to be given to such a function. Names are texts of the
// arena, too.
bool is_for_commands(const Arena& arena, const PickleProgram& program) {
  const bool names_one = std::any_of(program.imports.begin(), program.imports.end(), [&](const PickleImport& import) {
    const Value global = arena.at(import.global);
    return is_of_known_module(global.global_module()) && is_among(kCommands, global.global_name());
  });
  std::size_t texts = 0;
  for (NodeId node = 0; names_one && node < arena.size(); ++node) texts += arena.at(node).is(ValueKind::kString) ? 1 : 0;
  return texts > 2 * program.imports.size();
}

}  // namespace

Guises guises_of(const Format& format) noexcept {
  return {.pickle = is_among(kPickled, format.id), .tar = is_among(kTarred, format.id)};
}

void judge_leading_program(const Bundle& file, const Context& context, Findings& findings) {
  const SourceRef& source = file.main();
  Limits limits = context.limits;
  limits.depth = UINT32_MAX;  // Python's has none, and nothing that judges recurses
  Arena arena;
  const PickleProgram program = run_pickle(arena, source, 0, {.limits = limits, .shorten_integers = true});
  if (may_go_on(program))
    findings.push_back({Verdict::kUnreadable, Rule::kPickleUnreadable, text("{}@{}", source->name(), program.end),
                        text("it begins as a pickle does: {}", program.error->message())});
  const bool calls = std::any_of(program.calls.begin(), program.calls.end(), [](const PickleCall& call) {
    return call.kind != PickleCallKind::kPersistent && call.kind != PickleCallKind::kExtension;
  });
  // To import is to run a module, of which one may lie beside a text; other prose may begin like an import, but does not come
  // to an end.
  if (program.imports.empty()) return;
  const bool is_words = is_text(*source);
  if (is_words && wording_of(source, context.limits) == Wording::kProse) return;
  const bool is_known = std::any_of(program.imports.begin(), program.imports.end(), [&](const PickleImport& import) {
    return is_of_known_module(arena.at(import.global).global_module());
  });
  const bool is_idle = !calls && program.error && !is_for_commands(arena, program);
  if (is_idle && (is_known || !is_words)) return;
  Findings own;
  judge_program(arena, program, source, context, own);
  // That it is no whole pickle is as it should be: it is another format's file.
  for (Finding& finding : own) {
    const bool acts = finding.severity == Verdict::kCode || finding.severity == Verdict::kMalicious;
    if (acts && !is_no_import(finding)) findings.push_back(std::move(finding));
  }
}

}  // namespace holdall
