#include "holdall/trust/guises.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "holdall/codec/pickle.h"
#include "holdall/formats/program_check.h"
#include "holdall/trust/prose.h"
#include "holdall/trust/text_files.h"

namespace holdall {
namespace {

// Formats that other programs read as pickles and tars as well.
constexpr std::string_view kPickled[] = {"joblib", "pickle", "pytorch"};
constexpr std::string_view kTarred[] = {"pytorch"};

}  // namespace

Guises guises_of(const Format& format) noexcept {
  return {.pickle = std::find(std::begin(kPickled), std::end(kPickled), format.id) != std::end(kPickled),
          .tar = std::find(std::begin(kTarred), std::end(kTarred), format.id) != std::end(kTarred)};
}

void judge_leading_program(const Bundle& file, const Context& context, Findings& findings) {
  const SourceRef& source = file.main();
  Limits limits = context.limits;
  limits.depth = UINT32_MAX;  // Python's has none, and nothing that judges recurses
  Arena arena;
  const PickleProgram program = run_pickle(arena, source, 0, {.limits = limits});
  const bool calls = std::any_of(program.calls.begin(), program.calls.end(), [](const PickleCall& call) {
    return call.kind != PickleCallKind::kPersistent && call.kind != PickleCallKind::kExtension;
  });
  // To import is to run a module; prose may begin like an import, but does not come to an end.
  if (program.imports.empty() || (!calls && program.error)) return;
  if (is_text(*source) && wording_of(source, limits) == Wording::kProse) return;
  Findings own;
  judge_program(arena, program, source, context, own);
  // That it is no whole pickle is as it should be: it is another format's file.
  for (Finding& finding : own) {
    const bool acts = finding.severity == Verdict::kCode || finding.severity == Verdict::kMalicious;
    if (acts && !is_no_import(finding)) findings.push_back(std::move(finding));
  }
}

}  // namespace holdall
