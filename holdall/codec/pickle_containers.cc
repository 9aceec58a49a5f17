// The machine's containers: lists, tuples, sets, dicts, and what is added to them.
#include "holdall/base/text.h"
#include "holdall/codec/pickle_machine.h"

namespace holdall {

namespace {

// Tuples that are nested less are not weighed.
constexpr std::uint32_t kDeep = 8;

}  // namespace

bool PickleMachine::list_from_mark() {
  std::size_t place = 0;
  if (!pop_mark_place(place)) return false;
  std::vector<NodeId> items = pop_from(place);
  const NodeId list = arena_.list(items);
  return finish_container(list, items);
}

bool PickleMachine::tuple_from_mark() {
  std::size_t place = 0;
  if (!pop_mark_place(place) || !tuple_from(place)) return false;
  top_tuple_ = stack_.back();
  return true;
}

bool PickleMachine::tuple_of(std::size_t count) {
  if (stack_.size() < count || stack_.size() - count < fence_) return underflow();
  return tuple_from(stack_.size() - count);
}

bool PickleMachine::tuple_from(std::size_t place) {
  if (place == stack_.size()) {
    if (empty_tuple_ == kNoNode) {
      empty_tuple_ = arena_.tuple();
      pin();
    }
    return push(empty_tuple_);
  }
  std::vector<NodeId> items = pop_from(place);
  std::uint32_t deepest = 0;
  std::uint64_t weight = 0;
  bool unhashable = false;
  for (const NodeId item : items) {
    const ValueKind what = kind(item);
    if (what < ValueKind::kList) continue;
    weight = std::max(weight, weight + weight_of(item, what));
    if (what == ValueKind::kGlobal) pass_on(item);
    deepest = std::max(deepest, height(item) + 1);
    unhashable = unhashable || is_unhashable(item, what);
  }
  const NodeId tuple = arena_.tuple(items);
  if (deepest >= kDeep) weigh(tuple, weight);
  if (unhashable) {
    unhashable_.insert(tuple);
    pin();
  }
  return set_height(tuple, deepest) && push(tuple);
}

std::uint64_t PickleMachine::weight_of(NodeId item, ValueKind what) const {
  if (what != ValueKind::kTuple || weights_.empty()) return 1;
  const auto found = weights_.find(item);
  return found == weights_.end() ? 1 : found->second;
}

// Python goes through a tuple anew wherever it stands, to hash it, to compare or to show it.
void PickleMachine::weigh(NodeId tuple, std::uint64_t weight) {
  constexpr std::uint64_t kTooHeavy = std::uint64_t{1} << 32;
  weights_.emplace(tuple, std::min(weight, kTooHeavy));
  if (weight >= kTooHeavy)
    note(PickleOddity::Kind::kCost, "tuples in tuples take more than four thousand million steps to hash");
}

bool PickleMachine::dict_from_mark() {
  std::size_t place = 0;
  if (!pop_mark_place(place)) return false;
  if ((stack_.size() - place) % 2 != 0) return fail("DICT has a key without a value");
  const NodeId dict = arena_.dict();
  return fill_dict(dict, place) && push(dict);
}

// Moves the keys and values from `place` on into the dict.
bool PickleMachine::fill_dict(NodeId dict, std::size_t place) {
  pin();
  std::size_t known = arena_.at(dict).size();
  for (std::size_t i = place; i < stack_.size(); i += 2) {
    if (!hashable(stack_[i])) return false;
    arena_.set_item(dict, stack_[i], stack_[i + 1]);
    if (arena_.at(dict).size() == known++) {
      --known;
      note(PickleOddity::Kind::kReplaced, "an entry of a dict is replaced");
    }
    if (!raise_height(dict, stack_[i]) || !raise_height(dict, stack_[i + 1])) return false;
  }
  stack_.resize(place);
  return true;
}

// The items that are not in the set `seen` (a dict whose keys are the members) yet; they are put there.
bool PickleMachine::distinct(NodeId seen, std::size_t place, std::vector<NodeId>& out) {
  pin();
  std::size_t known = arena_.at(seen).size();
  for (std::size_t i = place; i < stack_.size(); ++i) {
    if (!hashable(stack_[i])) return false;
    arena_.set_item(seen, stack_[i], arena_.null());
    if (arena_.at(seen).size() == known) continue;
    ++known;
    out.push_back(stack_[i]);
  }
  stack_.resize(place);
  return true;
}

bool PickleMachine::frozen_set_from_mark() {
  std::size_t place = 0;
  std::vector<NodeId> members;
  if (!pop_mark_place(place) || !distinct(arena_.dict(), place, members)) return false;
  const NodeId set = arena_.frozen_set(members);
  return finish_container(set, members);
}

bool PickleMachine::add_items_from_mark() {
  std::size_t place = 0;
  if (!pop_mark_place(place)) return false;
  if (place <= fence_) return underflow();
  if (place == stack_.size()) return true;
  const NodeId target = stack_[place - 1];
  if (kind(target) != ValueKind::kSet) return extend_object(target, place, "ADDITEMS");
  const auto [members, is_new] = set_members_.try_emplace(target, kNoNode);
  if (is_new) members->second = arena_.dict();
  std::vector<NodeId> added;
  if (!distinct(members->second, place, added)) return false;
  for (const NodeId item : added) {
    arena_.append(target, item);
    if (!raise_height(target, item)) return false;
  }
  return true;
}

bool PickleMachine::append() {
  if (stack_.size() <= fence_ + 1) return underflow();
  return append_from(stack_.size() - 1);
}

bool PickleMachine::append_from_mark() {
  std::size_t place = 0;
  if (!pop_mark_place(place)) return false;
  if (place <= fence_) return underflow();
  return append_from(place);
}

bool PickleMachine::append_from(std::size_t place) {
  if (place == stack_.size()) return true;
  const NodeId target = stack_[place - 1];
  if (kind(target) != ValueKind::kList) return extend_object(target, place, "APPEND");
  pin();
  for (std::size_t i = place; i < stack_.size(); ++i) {
    arena_.append(target, stack_[i]);
    if (!raise_height(target, stack_[i])) return false;
  }
  stack_.resize(place);
  return true;
}

// An object takes the items; what is done to an import is recorded and goes nowhere.
bool PickleMachine::extend_object(NodeId target, std::size_t place, std::string_view opcode) {
  if (is_settled(target)) return wants_forgotten();
  pin();
  const ValueKind what = kind(target);
  if (what != ValueKind::kObject && what != ValueKind::kGlobal) return fail(text("{} to a {}", opcode, name(what)));
  program_.calls.push_back({PickleCallKind::kAppend, target, opcode_offset_, kNoNode});
  if (what == ValueKind::kObject) {
    for (std::size_t i = place; i < stack_.size(); ++i) {
      arena_.object_parts(target).items.push_back(stack_[i]);
      if (!raise_height(target, stack_[i])) return false;
    }
  }
  stack_.resize(place);
  return true;
}

bool PickleMachine::set_item() {
  if (stack_.size() < fence_ + 3) return underflow();
  return set_items_from(stack_.size() - 2);
}

bool PickleMachine::set_items_from_mark() {
  std::size_t place = 0;
  if (!pop_mark_place(place)) return false;
  if (place <= fence_) return underflow();
  return set_items_from(place);
}

bool PickleMachine::set_items_from(std::size_t place) {
  if (place == stack_.size()) return true;
  if ((stack_.size() - place) % 2 != 0) return fail("SETITEMS has a key without a value");
  const NodeId target = stack_[place - 1];
  if (is_settled(target)) return wants_forgotten();
  pin();
  const ValueKind what = kind(target);
  if (what == ValueKind::kDict) return fill_dict(target, place);
  if (what == ValueKind::kList) {
    program_.is_read_otherwise = true;
    return fail(unsupported("SETITEM to a list"));
  }
  if (what != ValueKind::kObject && what != ValueKind::kGlobal) return fail(text("SETITEM to a {}", name(what)));
  program_.calls.push_back({PickleCallKind::kSetItems, target, opcode_offset_, kNoNode});
  if (what == ValueKind::kObject) {
    for (std::size_t i = place; i < stack_.size(); ++i) {
      arena_.object_parts(target).pairs.push_back(stack_[i]);
      if (!raise_height(target, stack_[i])) return false;
    }
  }
  stack_.resize(place);
  return true;
}

}  // namespace holdall
