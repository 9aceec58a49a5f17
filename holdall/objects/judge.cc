#include "holdall/objects/judge.h"

#include <set>
#include <string>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/objects/globals.h"

namespace holdall {

namespace {

class Judge {
 public:
  Judge(const Arena& arena, std::string_view where, Findings& findings) : arena_(arena), where_(where), findings_(findings) {}

  void import(const PickleImport& import) {
    const Value global = arena_.at(import.global);
    if (!global.is(ValueKind::kGlobal)) return;
    const std::string_view module = global.global_module();
    const std::string_view name = global.global_name();
    if (import.computed) {
      add(Verdict::kMalicious, "pickle-computed-import", import.offset,
          text("imports {}.{} by a name that the program computes", module, name));
    }
    const Verdict verdict = verdict_of_global(module, name);
    if (verdict == Verdict::kInert) return;
    add(verdict, "pickle-global", import.offset,
        verdict == Verdict::kMalicious ? text("imports {}.{}, which no model needs", module, name)
                                       : text("imports {}.{}, whose code would run", module, name));
  }

  void call(const PickleCall& call) {
    switch (call.kind) {
      case PickleCallKind::kExtension:
        return add(Verdict::kMalicious, "pickle-extension", call.offset, "looks up a copyreg extension code");
      case PickleCallKind::kBuild:
      case PickleCallKind::kSetItems:
      case PickleCallKind::kAppend:
        if (!arena_.at(call.object).is(ValueKind::kGlobal)) return;
        return add(Verdict::kMalicious, "pickle-changes-import", call.offset,
                   text("changes {}, which it imported", spelled(call.object)));
      case PickleCallKind::kReduce:
      case PickleCallKind::kNewObject:
      case PickleCallKind::kInstance:
        return callee(call);
      case PickleCallKind::kPersistent:
        return;
    }
  }

  void oddity(const PickleOddity& oddity) {
    // Opcodes ahead of the declared protocol are what joblib writes; a second state and buffers elsewhere run nothing.
    const bool hides = oddity.kind == PickleOddity::Kind::kFrame || oddity.kind == PickleOddity::Kind::kArguments;
    if (hides) add(Verdict::kMalicious, "pickle-oddity", oddity.offset, oddity.what);
  }

  void add(Verdict severity, std::string_view rule, std::uint64_t offset, std::string what) {
    if (!seen_.insert(std::string(rule) + what).second) return;
    findings_.push_back({severity, std::string(rule), text("{}@{}", where_, offset), std::move(what)});
  }

 private:
  void callee(const PickleCall& call) {
    const Value object = arena_.at(call.object);
    if (!object.is(ValueKind::kObject)) return;
    const Value callee = object.of(object.as_object().callee);
    if (!callee || callee.is(ValueKind::kGlobal)) return;
    // A class that old torch files persist with its source: its import has been judged.
    if (callee.is(ValueKind::kObject) && callee.of(callee.as_object().callee).is_global("", "persistent_id")) return;
    add(Verdict::kMalicious, "pickle-computed-call", call.offset, "calls what another call returned");
  }

  std::string spelled(NodeId global) const {
    const Value value = arena_.at(global);
    return text("{}.{}", value.global_module(), value.global_name());
  }

  const Arena& arena_;
  std::string where_;
  Findings& findings_;
  std::set<std::string> seen_;
};

}  // namespace

void judge(const Arena& arena, const PickleProgram& program, std::string_view where, Findings& findings) {
  Judge judge(arena, where, findings);
  for (const PickleImport& import : program.imports) judge.import(import);
  for (const PickleCall& call : program.calls) judge.call(call);
  for (const PickleOddity& oddity : program.oddities) judge.oddity(oddity);
  if (program.error) {
    judge.add(Verdict::kUnreadable, "pickle-unreadable", program.error->offset().value_or(program.end),
              program.error->message());
  }
}

}  // namespace holdall
