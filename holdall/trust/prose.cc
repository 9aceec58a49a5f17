#include "holdall/trust/prose.h"

#include <algorithm>

#include "holdall/codec/pickle.h"
#include "holdall/objects/globals.h"

namespace holdall {
namespace {

constexpr std::size_t kMostPickles = 10'000;

// Of nobody's module that is known: lines of a text.
bool is_words(Value global) { return global.is(ValueKind::kGlobal) && !is_of_known_module(global.global_module()); }

bool changes_words(const Arena& arena, const PickleCall& call) {
  if (call.kind == PickleCallKind::kPersistent) return true;
  const bool is_change =
      call.kind == PickleCallKind::kBuild || call.kind == PickleCallKind::kSetItems || call.kind == PickleCallKind::kAppend;
  return is_change && is_words(arena.at(call.object));
}

}  // namespace

Wording wording_of(const SourceRef& source, const Limits& limits) {
  std::uint64_t at = 0;
  for (std::size_t count = 0; count < kMostPickles && at < source->size(); ++count) {
    Arena arena;
    const PickleProgram program = run_pickle(arena, source, at, {.limits = limits});
    const bool is_of_words =
        std::all_of(program.imports.begin(), program.imports.end(),
                    [&](const PickleImport& import) { return !import.computed && is_words(arena.at(import.global)); }) &&
        std::all_of(program.calls.begin(), program.calls.end(),
                    [&](const PickleCall& call) { return changes_words(arena, call); });
    if (!is_of_words || (!program.error && !program.imports.empty())) return Wording::kPickle;
    if (program.error) return program.error->code() == Code::kLimit ? Wording::kUnread : Wording::kProse;
    at = program.end;
  }
  return Wording::kPickle;
}

}  // namespace holdall
