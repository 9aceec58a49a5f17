#include "holdall/objects/judge.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/objects/globals.h"
#include "holdall/objects/interpretation.h"
#include "holdall/objects/judge_arguments.h"
#include "holdall/objects/judge_distributions.h"
#include "holdall/objects/judge_dtypes.h"
#include "holdall/objects/judge_keras.h"
#include "holdall/objects/judge_states.h"
#include "holdall/objects/told.h"

namespace holdall {

namespace {

// See Judge::constant_of().
using Constant = std::pair<NodeId, std::string>;

// More calls than the arguments of a tensor take.
constexpr std::size_t kMostHarmless = 8;

// A storage by its persistent id, or OrderedDict().
bool is_harmless(const Arena& arena, const PickleCall& call) {
  const Value object = arena.at(call.object);
  if (call.kind == PickleCallKind::kPersistent) {
    const Value id = persistent_id(object);
    return id.is(ValueKind::kTuple) && id.size() > 0 && id.item(0).is(ValueKind::kString) &&
           id.item(0).as_string() == "storage";
  }
  return call.kind == PickleCallKind::kReduce && builder_of(object) == Builder::kOrderedDict && arguments(object).empty();
}

// Numbers and words, a tuple of such, an empty dict, a dtype, or what one of the calls made.
bool is_harmless(Value argument, std::span<const PickleCall> calls) {
  switch (argument.kind()) {
    case ValueKind::kTuple:
      for (std::size_t i = 0; i < argument.size(); ++i)
        if (argument.item(i).kind() >= ValueKind::kList) return false;
      return true;
    case ValueKind::kDict:
      return argument.size() == 0;
    case ValueKind::kGlobal:
      return builder_of(argument.global_module(), argument.global_name()) == Builder::kTorchDType;
    case ValueKind::kObject:
      return std::any_of(calls.begin(), calls.end(), [&](const PickleCall& call) { return call.object == argument.id(); });
    default:
      return argument.kind() < ValueKind::kList;
  }
}

class Judge {
 public:
  Judge(const Arena& arena, std::string_view where, Findings& findings)
      : arena_(arena), where_(where), findings_(findings), told_(findings), arguments_(arena), states_(arena) {}

  void import(const PickleImport& import) {
    const Value global = arena_.at(import.global);
    if (!global.is(ValueKind::kGlobal)) return;
    const std::string_view module = global.global_module();
    const std::string_view name = global.global_name();
    if (import.computed) {
      add(Verdict::kMalicious, Rule::kPickleComputedImport, import.offset,
          text("imports {}.{} by a name that the program computes", module, name));
    }
    const Verdict verdict = verdict_of_global(module, name);
    if (verdict == Verdict::kInert || harmless_.contains(import.global)) return;
    add(verdict, Rule::kPickleGlobal, import.offset,
        verdict == Verdict::kMalicious ? text("imports {}.{}, which no model needs", module, name)
                                       : text("imports {}.{}, whose code would run", module, name),
        text("{}{}{}", module, name.find('.') == std::string_view::npos ? '.' : ':', name));
  }

  // Finds each getattr by which the program names members of enumerations and functions of classes, and does nothing else, as
  // picklers of Python 3.11 do.
  void lookups(const PickleProgram& program) {
    std::set<NodeId> imported;
    for (const PickleImport& import : program.imports) {
      const Value global = arena_.at(import.global);
      const bool is_getattr =
          global.is(ValueKind::kGlobal) && builder_of(global.global_module(), global.global_name()) == Builder::kGetAttr;
      if (is_getattr && !program.passed.contains(import.global)) imported.insert(import.global);
    }
    std::set<NodeId> called;
    for (const PickleCall& call : program.calls) {
      const Value object = arena_.at(call.object);
      if (!object.is(ValueKind::kObject) || !imported.contains(object.as_object().callee)) continue;
      called.insert(object.as_object().callee);
      const bool is_known = ArgumentJudge::names_member(object) || ArgumentJudge::names_zones(object) ||
                            ArgumentJudge::named_function(object) != nullptr || names_entropy(object) ||
                            (makes_models_ && names_keras_loader(object));
      if (call.kind != PickleCallKind::kReduce || !is_known) imported.erase(object.as_object().callee);
    }
    for (const NodeId lookup : imported)
      if (called.contains(lookup)) harmless_.insert(lookup);
  }

  // Judges every file that the program has torch.load open, and finds whether that is all it does with the loader. Comes first.
  void loaders(const PickleProgram& program, const JudgeNested& nested) {
    std::set<NodeId> imported;
    for (const PickleImport& import : program.imports)
      if (is_loader(import.global)) imported.insert(import.global);
    if (imported.empty()) return;
    std::set<Constant> seen;  // what has been judged: a program may load the same bytes any number of times
    Verdict worst = Verdict::kInert;
    for (const PickleCall& call : program.calls) {
      const Value object = arena_.at(call.object);
      if (!object.is(ValueKind::kObject) || !imported.contains(object.as_object().callee)) continue;
      const auto args = arguments(object);
      const Constant constant = args.size() == 1 ? constant_of(args[0]) : Constant(kNoNode, {});
      if (constant.first != kNoNode && !seen.insert(constant).second) continue;
      const std::optional<Blob> bytes = constant.first == kNoNode ? std::nullopt : bytes_of(args[0]);
      if (!bytes) {
        seen.erase(constant);
        add(Verdict::kMalicious, Rule::kPickleComputedBytes, call.offset,
            "has torch.load open bytes that the program computes");
        worst = Verdict::kMalicious;
        continue;
      }
      Findings inner;
      nested("pytorch", *bytes, text("{}@{}", where_, call.offset), inner);
      if (!inner.empty()) worst = Verdict::kMalicious;
      findings_.insert(findings_.end(), inner.begin(), inner.end());
    }
    if (seen.empty() || worst != Verdict::kInert) return;
    for (const NodeId loader : imported)
      if (!program.passed.contains(loader)) harmless_.insert(loader);
  }

  // Judges every file that the program has Keras make a model of, and finds whether that is all it does with Keras: it does
  // what they do then.
  void models(const PickleProgram& program, const JudgeNested& nested) {
    std::set<NodeId> imported;
    for (const PickleImport& import : program.imports) {
      const Value global = arena_.at(import.global);
      if (is_keras_model_class(global) || is_keras_loader(global)) imported.insert(import.global);
    }
    if (imported.empty() || !keeps_keras_loaders(arena_)) return;
    makes_models_ = true;
    std::set<Constant> seen;
    Findings found;
    for (const PickleCall& call : program.calls) {
      const Value object = arena_.at(call.object);
      if (!is_keras_model(object)) continue;
      const Value file = keras_file(object);
      const Constant constant = file ? constant_of(file) : Constant(kNoNode, {});
      if (constant.first != kNoNode && !seen.insert(constant).second) continue;
      if (const std::optional<Blob> bytes = constant.first == kNoNode ? std::nullopt : bytes_of(file)) {
        nested("keras", *bytes, text("{}@{}", where_, call.offset), found);
      } else {
        add(Verdict::kMalicious, Rule::kPickleComputedBytes, call.offset, "has Keras open bytes that the program computes");
        makes_models_ = false;
      }
      if (call.kind != PickleCallKind::kReduce) makes_models_ = false;
    }
    findings_.insert(findings_.end(), found.begin(), found.end());
    if (makes_models_) harmless_.insert(imported.begin(), imported.end());
  }

  void call(const PickleCall& call) {
    switch (call.kind) {
      case PickleCallKind::kExtension:
        return add(Verdict::kMalicious, Rule::kPickleExtension, call.offset, "looks up a copyreg extension code");
      case PickleCallKind::kBuild:
      case PickleCallKind::kSetItems:
      case PickleCallKind::kAppend:
        return change(call);
      case PickleCallKind::kReduce:
      case PickleCallKind::kNewObject:
      case PickleCallKind::kInstance:
        callee(call);
        state_within(call);
        return given(call);
      case PickleCallKind::kPersistent:
        return;
    }
  }

  void oddity(const PickleOddity& oddity, const PickleProgram& program) {
    // What a call was given, an import or a state, is no longer to be seen then.
    const bool calls = !program.calls.empty() || program.forgotten > 0;
    if (oddity.kind == PickleOddity::Kind::kReplaced && calls) {
      return add(Verdict::kMalicious, Rule::kPickleOddity, oddity.offset, oddity.what);
    }
    if (oddity.kind == PickleOddity::Kind::kCost)
      return add(Verdict::kMalicious, Rule::kPickleArgument, oddity.offset, oddity.what);
    // Opcodes ahead of the declared protocol are what joblib writes; a second state and buffers elsewhere run nothing.
    const bool hides = oddity.kind == PickleOddity::Kind::kFrame || oddity.kind == PickleOddity::Kind::kArguments;
    if (hides) add(Verdict::kMalicious, Rule::kPickleOddity, oddity.offset, oddity.what);
  }

  void add(Verdict severity, Rule rule, std::uint64_t offset, std::string what, std::string subject = {}) {
    if (told_.is_full(severity, rule) || !seen_.insert(std::string(name(rule)) + what).second) return;
    told_.add({severity, rule, text("{}@{}", where_, offset), std::move(what), std::move(subject)});
  }

 private:
  void callee(const PickleCall& call) {
    const Value object = arena_.at(call.object);
    if (!object.is(ValueKind::kObject)) return;
    const Value callee = object.of(object.as_object().callee);
    if (!callee || callee.is(ValueKind::kGlobal)) return;
    // A class that old torch files persist with its source: its import has been judged.
    if (callee.is(ValueKind::kObject) && callee.of(callee.as_object().callee).is_global("", "persistent_id")) return;
    if (call.kind == PickleCallKind::kReduce && ArgumentJudge::is_zone(object)) return;
    if (makes_models_ && is_keras_model(object)) return;
    add(Verdict::kMalicious, Rule::kPickleComputedCall, call.offset, "calls what another call returned");
  }

  // BUILD, SETITEM or APPEND on something imported; or what no pickler gives to an object.
  void change(const PickleCall& call) {
    const Value object = arena_.at(call.object);
    if (const Value global = imported(object)) {
      return add(Verdict::kMalicious, Rule::kPickleChangesImport, call.offset,
                 text("changes {}.{}, which it imported", global.global_module(), global.global_name()));
    }
    if (const Value shared = ArgumentJudge::enumeration_of(object)) {
      return add(Verdict::kMalicious, Rule::kPickleChangesImport, call.offset,
                 text("changes a member of {}.{}, which all share", shared.global_module(), shared.global_name()));
    }
    if (is_keras_model(object)) {
      return add(Verdict::kMalicious, Rule::kPickleArgument, call.offset,
                 "gives a model of Keras a state, which no pickler does");
    }
    if (call.kind == PickleCallKind::kBuild) dtype(call, object);
    if (PandasJudge::is_made(object)) table(call, object);
    tell_given(call, object,
               call.kind == PickleCallKind::kBuild ? states_.build(object, call.state) : states_.items(object, call.kind));
  }

  void tell_given(const PickleCall& call, Value object, const std::optional<std::string>& found) {
    if (!found) return;
    const Value of = made_class(object);
    add(Verdict::kMalicious, Rule::kPickleArgument, call.offset,
        text("gives an object of {}.{} {}, which no pickler does", of.global_module(), of.global_name(), *found));
  }

  // Functions of torch that give what they make a state.
  void state_within(const PickleCall& call) {
    constexpr std::size_t kState = 3;
    const Value object = arena_.at(call.object);
    const Builder builder = builder_of(object);
    if (builder == Builder::kReconstructor) return entries_within(call, object);
    if (builder != Builder::kParameterWithState && builder != Builder::kFromType && builder != Builder::kFromTypeV2) return;
    const auto args = arguments(object);
    if (args.size() > kState) tell_given(call, object, states_.given_by_call(object, args[kState].id()));
  }

  // Protocols 0 and 1 make what derives from a dict of its entries.
  void entries_within(const PickleCall& call, Value object) {
    const auto args = arguments(object);
    if (args.size() > 2) tell_given(call, object, states_.entries_of_call(object, args[2]));
  }

  // NumPy writes one state for each type; a second would change what has been judged.
  void dtype(const PickleCall& call, Value object) {
    if (builder_of(object) != Builder::kNumpyDType) return gives_back_dtype(call, object);
    std::optional<std::string> found = dtype_offence(object, arena_.at(call.state));
    if (!dtypes_.insert(object.id()).second) found = "a second state";
    if (found)
      add(Verdict::kMalicious, Rule::kPickleArgument, call.offset,
          text("gives a numpy.dtype {}, which NumPy believes", *found));
  }

  // A call may give back what it is given: its type would have a state that nobody looked at.
  void gives_back_dtype(const PickleCall& call, Value object) {
    if (!object.is(ValueKind::kObject) || !arena_.at(call.state).is(ValueKind::kTuple)) return;
    const auto args = arguments(object);
    if (std::any_of(args.begin(), args.end(), [](Value arg) { return builder_of(arg) == Builder::kNumpyDType; }))
      add(Verdict::kMalicious, Rule::kPickleArgument, call.offset, "gives a state to what a call made of a numpy.dtype");
  }

  // pandas' own picklers give its objects a state and nothing else.
  void table(const PickleCall& call, Value object) {
    const bool is_state = call.kind == PickleCallKind::kBuild;
    tell_given(call, object, is_state ? arguments_.pandas_state(call.state) : "items");
  }

  void given(const PickleCall& call) {
    constexpr int kMostOffences = 100;
    const Value object = arena_.at(call.object);
    if (!object.is(ValueKind::kObject) || offences_ >= kMostOffences) return;
    const auto found = arguments_.call(object);
    if (!found) return;
    ++offences_;
    const Value callee = imported(object.of(object.as_object().callee));
    add(Verdict::kMalicious, Rule::kPickleArgument, call.offset,
        text("gives {} to {}.{}, which is not made for it", *found, callee.global_module(), callee.global_name()));
  }

  bool is_loader(NodeId import) const {
    const Value global = arena_.at(import);
    return global.is(ValueKind::kGlobal) && builder_of(global.global_module(), global.global_name()) == Builder::kLoadFromBytes;
  }

  // What an argument's bytes are made of without being decoded: bytes, or the text and the encoding that _codecs.encode is
  // given (protocols 0 to 2). No node where they are computed in another way.
  Constant constant_of(Value argument) const {
    constexpr std::size_t kLongestEncoding = 16;
    if (!argument.is(ValueKind::kObject)) return {argument.id(), {}};
    const auto args = arguments(argument);
    if (args.empty() || !args[0].is(ValueKind::kString)) return {kNoNode, {}};
    const bool is_named = args.size() > 1 && args[1].is(ValueKind::kString) && args[1].as_string().size() <= kLongestEncoding;
    return {args[0].id(), is_named ? std::string(args[1].as_string()) : std::string()};
  }

  const Arena& arena_;
  std::string where_;
  Findings& findings_;
  Told told_;
  std::set<std::string> seen_;
  std::set<NodeId> harmless_;  // imports of a loader that is given inert files alone, and of getattr
  std::set<NodeId> dtypes_;    // numpy.dtype objects that have their state
  ArgumentJudge arguments_;
  StateJudge states_;
  bool makes_models_ = false;  // of Keras, of files that have been judged
  int offences_ = 0;
};

}  // namespace

bool HarmlessTensors::operator()(NodeId object, std::span<const PickleCall> calls) {
  if (calls.empty() || calls.size() > kMostHarmless) return false;
  const Value made = arena_.at(object);
  const Builder builder = builder_of(made);
  if (builder != Builder::kTensorV2 && builder != Builder::kTensorV3) return false;
  const auto before = calls.first(calls.size() - 1);
  for (const PickleCall& call : before)
    if (!is_harmless(arena_, call)) return false;
  const Value args = made.of(made.as_object().args);
  if (args.size() == 0 || !persistent_id(args.item(0))) return false;
  for (std::size_t i = 0; i < args.size(); ++i)
    if (!is_harmless(args.item(i), before)) return false;
  for (const PickleCall& call : before)
    if (call.kind == PickleCallKind::kPersistent) storage_(persistent_id(arena_.at(call.object)));
  arena_.replace(object, arena_.tensor({}));
  return true;
}

void judge(const Arena& arena, const PickleProgram& program, std::string_view where, Findings& findings,
           const JudgeNested& nested) {
  Judge judge(arena, where, findings);
  if (nested) judge.loaders(program, nested);
  if (nested) judge.models(program, nested);
  judge.lookups(program);
  for (const PickleImport& import : program.imports) judge.import(import);
  // What breaks off having looked up codes and done nothing else did nothing: bytes that are no pickle begin so, too.
  const bool is_noise = program.error && program.imports.empty() && program.forgotten == 0 &&
                        std::all_of(program.calls.begin(), program.calls.end(),
                                    [](const PickleCall& call) { return call.kind == PickleCallKind::kExtension; });
  for (const PickleCall& call : program.calls)
    if (!is_noise) judge.call(call);
  for (const PickleOddity& oddity : program.oddities) judge.oddity(oddity, program);
  if (program.error) {
    judge.add(Verdict::kUnreadable, Rule::kPickleUnreadable, program.error->offset().value_or(program.end),
              program.error->message());
  }
}

}  // namespace holdall
