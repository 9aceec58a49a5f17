// The machine's imports and calls: recorded where they stand, whatever becomes of their results, and never made.
#include <algorithm>
#include <array>

#include "holdall/base/text.h"
#include "holdall/base/utf8.h"
#include "holdall/codec/pickle_machine.h"
#include "holdall/codec/pickle_names.h"
#include "holdall/codec/pickle_text.h"

namespace holdall {
namespace {

// Unambiguous whatever bytes the names hold.
std::string name_key(char kind, std::string_view module, std::string_view name) {
  std::string key(1, kind);
  key += std::to_string(module.size());
  key += ':';
  key += module;
  key += name;
  return key;
}

}  // namespace

// ---- imports

NodeId PickleMachine::import_of(std::string_view module, std::string_view name, bool computed) {
  // Within a pickle one name is one node; what a name means depends on the protocol declared so far.
  const char reading = declared_ < 3 ? '2' : '3';
  const auto [known, is_new] = imports_.try_emplace(name_key(computed ? '?' : reading, module, name), kNoNode);
  if (is_new) {
    pickle_names::Name read{module, name};
    if (reading == '2' && !computed) read = pickle_names::for_python3(read);
    known->second = arena_.global(read.module, read.name);
    pin();
  }
  program_.imports.push_back({known->second, opcode_offset_, computed});
  return known->second;
}

bool PickleMachine::global_lines() {
  std::string module;
  std::string name;
  if (!identifier_line(module, Script::kUtf8) || !identifier_line(name, Script::kUtf8)) return false;
  return push(import_of(module, name, false));
}

// Names that the file would compute stay unknown: "?".
bool PickleMachine::global_from_stack() {
  NodeId name = kNoNode;
  NodeId module = kNoNode;
  if (!pop_value(name) || !pop_value(module)) return false;
  bool computed = false;
  for (const NodeId part : {module, name}) {
    if (is_settled(part)) return wants_forgotten();
    const ValueKind what = kind(part);
    computed = computed || what == ValueKind::kObject;
    if (what != ValueKind::kString && what != ValueKind::kObject) {
      return fail(text("STACK_GLOBAL wants texts, not a {}", holdall::name(what)));
    }
  }
  if (computed) return push(import_of("?", "?", true));
  const std::string module_text(arena_.at(module).as_string());
  const std::string name_text(arena_.at(name).as_string());
  return push(import_of(module_text, name_text, false));
}

// ---- calls

bool PickleMachine::callable(NodeId callee) {
  if (is_settled(callee)) return wants_forgotten();
  const ValueKind what = kind(callee);
  return what == ValueKind::kGlobal || what == ValueKind::kObject || fail(text("a {} cannot be called", name(what)));
}

// A tuple; computed arguments become its only item.
bool PickleMachine::arguments_of(NodeId& args) {
  if (is_settled(args)) return wants_forgotten();
  const ValueKind what = kind(args);
  if (what == ValueKind::kTuple) return true;
  if (what != ValueKind::kObject) {
    const bool has_items =
        what == ValueKind::kList || what == ValueKind::kDict || what == ValueKind::kString || what == ValueKind::kBytes;
    std::string fault = text("arguments are a {}, not a tuple", name(what));
    return has_items ? fail_here_alone(std::move(fault)) : fail(std::move(fault));
  }
  note(PickleOddity::Kind::kArguments, "the arguments of a call are computed");
  const NodeId computed = args;
  args = arena_.tuple({computed});
  return raise_height(args, computed);
}

bool PickleMachine::keywords_of(NodeId& kwargs) {
  if (is_settled(kwargs)) return wants_forgotten();
  pin();
  const ValueKind what = kind(kwargs);
  if (what == ValueKind::kDict) return true;
  if (what != ValueKind::kObject) return fail(text("keyword arguments are a {}, not a dict", name(what)));
  note(PickleOddity::Kind::kArguments, "the keyword arguments of a call are computed");
  const NodeId computed = kwargs;
  kwargs = arena_.dict();
  arena_.set_item(kwargs, "**", computed);
  return raise_height(kwargs, computed);
}

bool PickleMachine::call(PickleCallKind how, ObjectParts parts) {
  const bool is_apart = how == PickleCallKind::kReduce && parts.args == top_tuple_;
  const NodeId callee = parts.callee;
  const std::array<NodeId, 2> inner = {parts.args, parts.kwargs};
  const NodeId object = arena_.object(std::move(parts));
  program_.calls.push_back({how, object, opcode_offset_, kNoNode});
  if (!set_height(object, height(callee) + 1)) return false;
  for (const NodeId part : inner)
    if (part != kNoNode && !raise_height(object, part)) return false;
  return push(object) && (!options_.settle || settle(object, is_apart));
}

// An object that stands for a value and not for a call that the file asks for.
NodeId PickleMachine::named_call(std::string_view module, std::string_view name, NodeId argument) {
  const auto [known, is_new] = imports_.try_emplace(name_key('=', module, name), kNoNode);
  if (is_new) {
    known->second = arena_.global(module, name);
    pin();
  }
  ObjectParts parts;
  parts.callee = known->second;
  parts.args = arena_.tuple({argument});
  return arena_.object(std::move(parts));
}

bool PickleMachine::reduce() {
  ObjectParts parts;
  if (!pop_value(parts.args) || !pop_value(parts.callee)) return false;
  if (!callable(parts.callee) || !arguments_of(parts.args)) return false;
  return call(PickleCallKind::kReduce, std::move(parts));
}

bool PickleMachine::new_object(Keywords keywords) {
  ObjectParts parts;
  parts.new_object = true;
  if (keywords == Keywords::kGiven && !pop_value(parts.kwargs)) return false;
  if (!pop_value(parts.args) || !pop_value(parts.callee)) return false;
  if (!callable(parts.callee) || !arguments_of(parts.args)) return false;
  if (keywords == Keywords::kGiven && !keywords_of(parts.kwargs)) return false;
  return call(PickleCallKind::kNewObject, std::move(parts));
}

bool PickleMachine::instance_lines() {
  std::size_t place = 0;
  std::string module;
  std::string name;
  if (!pop_mark_place(place)) return false;
  if (!identifier_line(module, Script::kAscii) || !identifier_line(name, Script::kAscii)) return false;
  const NodeId callee = import_of(module, name, false);
  return instance(callee, pop_from(place));
}

bool PickleMachine::instance_from_mark() {
  std::size_t place = 0;
  if (!pop_mark_place(place)) return false;
  if (stack_.size() == place) return underflow();
  std::vector<NodeId> arguments = pop_from(place + 1);
  NodeId callee = kNoNode;
  return pop_value(callee) && callable(callee) && instance(callee, std::move(arguments));
}

// Without arguments Python makes the object by __new__.
bool PickleMachine::instance(NodeId callee, std::vector<NodeId> arguments) {
  ObjectParts parts;
  parts.callee = callee;
  parts.new_object = arguments.empty();
  parts.args = arena_.tuple(arguments);
  for (const NodeId item : arguments)
    if (!raise_height(parts.args, item)) return false;
  return call(PickleCallKind::kInstance, std::move(parts));
}

bool PickleMachine::extension_of(std::int64_t code) {
  if (code <= 0) return fail(text("extension code {} is not above 0", code));
  const NodeId object = named_call("copyreg", "extension", arena_.integer(code));
  program_.calls.push_back({PickleCallKind::kExtension, object, opcode_offset_, kNoNode});
  return push(object);
}

// ---- persistent ids

bool PickleMachine::persistent_line() {
  std::string_view id;
  if (!any_line(id)) return false;
  if (!is_ascii(id)) return fail("a persistent id of protocol 0 is not ASCII");
  return persistent_with(arena_.string(id));
}

bool PickleMachine::persistent() {
  NodeId id = kNoNode;
  return pop_value(id) && persistent_with(id);
}

bool PickleMachine::persistent_with(NodeId id) {
  if (options_.persistent) {
    auto meant = options_.persistent(arena_.at(id));
    return meant ? push(*meant) : fail(std::move(meant).error());
  }
  const NodeId object = named_call("", "persistent_id", id);
  program_.calls.push_back({PickleCallKind::kPersistent, object, opcode_offset_, kNoNode});
  const NodeId args = arena_.object_parts(object).args;
  return raise_height(args, id) && raise_height(object, args) && push(object);
}

// ---- state

bool PickleMachine::build() {
  NodeId state = kNoNode;
  if (stack_.size() < fence_ + 2) return underflow();
  if (!pop_value(state)) return false;
  const NodeId target = stack_.back();
  if (is_settled(target)) return wants_forgotten();
  pin();
  const ValueKind what = kind(target);
  if (what != ValueKind::kObject && what != ValueKind::kGlobal) {
    // Python's own types have no state: None alone leaves them as they are.
    return kind(state) == ValueKind::kNull || fail_here_alone(text("BUILD of a {}", name(what)));
  }
  program_.calls.push_back({PickleCallKind::kBuild, target, opcode_offset_, state});
  if (what == ValueKind::kGlobal) return true;
  ObjectParts& parts = arena_.object_parts(target);
  if (parts.state != kNoNode) note(PickleOddity::Kind::kBuild, "a second state replaces an object's first");
  parts.state = state;
  if (!raise_height(target, state)) return false;
  if (!options_.after_build) return true;
  const auto passed = options_.after_build(target, input_.position());
  if (!passed) return fail(passed.error());
  return *passed == 0 || pass_over(*passed);
}

// Raw data that a container put between two opcodes; a frame must have ended before it.
bool PickleMachine::pass_over(std::uint64_t size) {
  if (size > input_.remaining()) return cut_short(size);
  if (frame_end_ != 0 && frame_end_ != input_.position()) {
    note(PickleOddity::Kind::kFrame, "raw data stands inside a frame");
    return fail("raw data stands inside a frame");
  }
  frame_end_ = 0;
  input_.skip(size);
  return true;
}

}  // namespace holdall
