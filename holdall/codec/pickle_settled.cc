// What becomes of a call once its meaning is known: its arguments go, if nothing can refer to them.
//
// All that was made since the mark of its arguments is theirs alone where nothing made since was put into a container or kept
// by the machine (pin()). Only the memo may name it still: there it is marked as forgotten, and a program that asks for it is
// run again with everything kept.
#include "holdall/codec/pickle_machine.h"

namespace holdall {

// Precondition: the object has just been pushed. `is_apart`: its arguments are a tuple that was on top of the stack since it
// was made.
bool PickleMachine::settle(NodeId object, bool is_apart) {
  is_apart = is_apart && before_tuple_.arena.nodes >= pinned_;
  std::span<const PickleCall> calls;
  if (is_apart) calls = {program_.calls.begin() + before_tuple_.calls, program_.calls.end()};
  if (options_.settle(object, calls) && is_apart) forget(object);
  return true;
}

void PickleMachine::forget(NodeId settled) {
  const std::uint32_t nesting = height(settled);
  const NodeId first = before_tuple_.arena.nodes;
  stack_.back() = arena_.rewind(before_tuple_.arena, settled);
  for (std::size_t i = before_tuple_.puts; i < puts_.size(); ++i)
    if (memo_.get(puts_[i]) >= first) memo_.put(puts_[i], PickleMemo::kForgotten);
  puts_.resize(before_tuple_.puts);
  program_.forgotten += program_.calls.size() - before_tuple_.calls;
  program_.calls.resize(before_tuple_.calls);
  if (heights_.size() > first) heights_.resize(first);
  set_height(stack_.back(), nesting);
}

bool PickleMachine::wants_forgotten() {
  program_.forgot_too_much = true;
  return fail("an opcode wants what has been forgotten");
}

}  // namespace holdall
