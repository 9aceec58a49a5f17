#include "holdall/trust/prose.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>

#include "holdall/codec/pickle.h"
#include "holdall/formats/program_check.h"
#include "holdall/objects/globals.h"

namespace holdall {
namespace {

constexpr std::size_t kMostPickles = 10'000, kMostModules = 4'096;

class Words {
 public:
  Words(const Arena& arena, const std::string& file) : arena_(arena), folder_(std::filesystem::path(file).parent_path()) {}

  bool imports(const PickleImport& import) const { return !import.computed && is_nobodys(arena_.at(import.global)); }

  // Lines of a text change each other; what has no name that is one is not called.
  bool calls(const PickleCall& call) const {
    if (call.kind == PickleCallKind::kPersistent) return true;
    const Value object = arena_.at(call.object);
    if (object.is(ValueKind::kGlobal)) return is_nobodys(object);
    const Value callee = object.is(ValueKind::kObject) ? object.of(object.as_object().callee) : Value();
    const bool is_named = callee && callee.is(ValueKind::kGlobal);
    return is_named && is_nobodys(callee) && !(is_import_name(callee.global_module()) && is_import_name(callee.global_name()));
  }

 private:
  // Of nobody's module that is known, nor of one beside the file.
  bool is_nobodys(Value global) const {
    const std::string_view module = global.global_module();
    if (is_of_known_module(module)) return false;
    const std::string first(module.substr(0, module.find('.')));
    if (first.empty() || first.find('/') != first.npos || first.find('\0') != first.npos) return true;  // no import finds it
    if (const auto known = beside_.find(first); known != beside_.end()) return !known->second;
    if (beside_.size() == kMostModules) return false;
    std::error_code error;
    const bool is_beside =
        std::filesystem::exists(folder_ / (first + ".py"), error) || std::filesystem::is_directory(folder_ / first, error);
    beside_.emplace(first, is_beside);
    return !is_beside;
  }

  const Arena& arena_;
  std::filesystem::path folder_;
  mutable std::map<std::string, bool> beside_;  // whether such a module is; beyond so many, any could be
};

}  // namespace

Wording wording_of(const SourceRef& source, const Limits& limits) {
  std::uint64_t at = 0;
  for (std::size_t count = 0; count < kMostPickles && at < source->size(); ++count) {
    Arena arena;
    const PickleProgram program = run_pickle(arena, source, at, {.limits = limits});
    const Words words(arena, source->name());
    const bool is_of_words =
        std::all_of(program.imports.begin(), program.imports.end(),
                    [&](const PickleImport& one) { return words.imports(one); }) &&
        std::all_of(program.calls.begin(), program.calls.end(), [&](const PickleCall& one) { return words.calls(one); });
    // What ends as a pickle does imports something by a name that one could have.
    const bool is_whole =
        !program.error && std::any_of(program.imports.begin(), program.imports.end(), [&](const PickleImport& one) {
          const Value global = arena.at(one.global);
          return is_import_name(global.global_module()) && is_import_name(global.global_name());
        });
    if (!is_of_words || is_whole) return Wording::kPickle;
    if (program.error) return may_go_on(program) ? Wording::kUnread : Wording::kProse;
    at = program.end;
  }
  return Wording::kPickle;
}

}  // namespace holdall
