// Writing pickles. A first walk counts who is met twice and makes the nodes that stand for tensors; a second one writes. Both
// keep their place on a stack of their own, so that depth costs memory and not stack.
//
// Layout as CPython's Lib/pickle.py gives it: containers are made empty, memoised and then filled, so cycles through them
// close; tuples, frozen sets and calls are made from finished parts, and are met again unfinished only through such a
// container.
#include "holdall/codec/pickle_writer.h"

#include <utility>

#include "holdall/base/text.h"

namespace holdall {

using namespace pickle_code;

namespace {

// Python's batches of APPENDS and SETITEMS.
constexpr std::size_t kBatch = 1000;
// Callee, arguments, keywords and state of an object.
constexpr std::size_t kFixedParts = 4;

std::size_t children_of(const Value& of) {
  if (of.is(ValueKind::kObject)) return kFixedParts + of.as_object().items.size() + of.as_object().pairs.size();
  return of.is(ValueKind::kDict) ? 2 * of.size() : of.size();
}

}  // namespace

// Gives a new node met at the end of the path `open` a stand-in where it needs one: a tensor, and what cannot be said.
Status PickleWriter::stand_in(Spot at, const std::vector<Place>& open) {
  const Value of = value(at);
  if (of.is(ValueKind::kTensor) && options_.spell) return {};
  if (of.is(ValueKind::kTensor)) {
    if (!options_.tensor || at.arena != 0) return unsupported("a tensor has no form in a plain pickle");
    HOLDALL_ASSIGN(const NodeId made, options_.tensor(scratch_, of));
    note(at).instead = made;
    if (options_.behind && scratch_.at(made).is(ValueKind::kObject)) behind_.insert(made);
  } else if (std::string fault = fault_of(of); !fault.empty()) {
    if (!options_.lost) return unsupported(text("{}: {}", path_of(open), fault));
    options_.lost(path_of(open), std::move(fault));
    note(at).instead = scratch_.null();
  }
  return {};
}

// The keys that lead to the child at hand, as they stand in a tensor's name.
std::string PickleWriter::path_of(const std::vector<Place>& open) const {
  std::string path;
  const auto add = [&](const std::string& part) { path += (path.empty() ? "" : ".") + part; };
  const auto key = [](Value of) { return of.is(ValueKind::kString) ? std::string(of.as_string()) : std::string("key"); };
  for (const Place& place : open) {
    const Value of = value(place.spot);
    std::size_t i = place.next - 1;
    if (of.is(ValueKind::kDict)) {
      const Value name = of.key(i / 2);
      add(name.is(ValueKind::kInt) ? std::to_string(name.as_int()) : key(name));
    } else if (!of.is(ValueKind::kObject)) {
      add(std::to_string(i));
    } else if (i < kFixedParts) {
      static constexpr std::array<const char*, kFixedParts> kParts = {"callee", "args", "kwargs", ""};
      if (kParts[i][0] != '\0') add(kParts[i]);
    } else if (i -= kFixedParts; i < of.as_object().items.size()) {
      add(std::to_string(i));
    } else {
      add(key(of.of(of.as_object().pairs[(i - of.as_object().items.size()) / 2 * 2])));
    }
  }
  return path.empty() ? "tree" : path;
}

// Children by number: callee, arguments and so on of an object first; absent ones are kNoNode.
PickleWriter::Spot PickleWriter::child(Spot parent, const Value& of, std::size_t i) const {
  if (!of.is(ValueKind::kObject)) return spot(parent.arena, of.item(i).id());
  const ObjectParts& parts = of.as_object();
  const std::array<NodeId, kFixedParts> fixed = {parts.callee, parts.args, parts.kwargs, parts.state};
  if (i == 0 && is_opcode(of)) return spot(parent.arena, kNoNode);
  if (i < fixed.size()) return spot(parent.arena, fixed[i]);
  i -= fixed.size();
  return spot(parent.arena, i < parts.items.size() ? parts.items[i] : parts.pairs[i - parts.items.size()]);
}

// Finds what is met twice, and whether something that cannot be memoised before it is complete is part of a cycle: then all is
// memoised, as Python always does.
Status PickleWriter::count() {
  std::vector<Place> open;
  HOLDALL_TRY(meet(root_, open));
  while (!open.empty()) {
    Place& place = open.back();
    if (place.next == place.count) {
      note(place.spot).walk = Note::Walk::kDone;
      open.pop_back();
      continue;
    }
    const Spot next = child(place.spot, value(place.spot), place.next++);
    if (next.node == kNoNode || is_plain(value(next).kind())) continue;
    HOLDALL_TRY(meet(next, open));
  }
  return {};
}

Status PickleWriter::meet(Spot raw, std::vector<Place>& open) {
  if (const Note& met = note(raw); met.walk == Note::Walk::kNew && met.instead == kNoNode) HOLDALL_TRY(stand_in(raw, open));
  const Spot at = resolved(raw);
  Note& known = note(at);
  const Value of = value(at);
  if (known.walk == Note::Walk::kNew) {
    if (!has_children(of.kind())) {
      known.walk = Note::Walk::kDone;
      return {};
    }
    known.walk = Note::Walk::kOpen;
    open.push_back({at, 0, children_of(of)});
    return {};
  }
  known.shared = true;
  const bool early = of.is(ValueKind::kList) || of.is(ValueKind::kDict) || (of.is(ValueKind::kSet) && code_.newer());
  if (known.walk == Note::Walk::kOpen && !early) memoise_all_ = true;
  return {};
}

Result<std::vector<PicklePiece>> PickleWriter::write() {
  if (options_.protocol != 2 && options_.protocol != 4) {
    return invalid_argument(text("pickle protocol {} is not written; 2 and 4 are", options_.protocol));
  }
  HOLDALL_TRY(count());
  code_.op(kPROTO);
  code_.op(static_cast<char>(options_.protocol));
  HOLDALL_TRY(begin(root_));
  while (!frames_.empty()) HOLDALL_TRY(resume());
  code_.op(kSTOP);
  add_piece(code_.take());
  return std::move(pieces_);
}

// ---- values with children

void PickleWriter::plain(const Value& of) {
  switch (of.kind()) {
    case ValueKind::kBool:
      return code_.boolean(of.as_bool());
    case ValueKind::kInt:
      return code_.integer(of.as_int());
    case ValueKind::kFloat:
      return code_.real(of.as_float());
    default:
      return code_.op(kNONE);
  }
}

Status PickleWriter::begin(Spot raw) {
  if (const Value of = value(raw); is_plain(of.kind())) {
    plain(of);
    return {};
  }
  const Spot at = resolved(raw);
  if (const std::uint32_t slot = note(at).memo; slot != kNoNode) {
    code_.get(slot);
    return {};
  }
  const Value of = value(at);
  switch (of.kind()) {
    case ValueKind::kNull:  // a stand-in
      code_.op(kNONE);
      return {};
    case ValueKind::kBigInt:
      code_.big_integer(of.as_big_int());
      return {};
    case ValueKind::kComplex:
      code_.known_global("builtins", "complex");
      code_.real(of.as_complex().real());
      code_.real(of.as_complex().imag());
      code_.op(kTUPLE2);
      code_.op(kREDUCE);
      break;
    case ValueKind::kString:
      code_.string(of.as_string());
      break;
    case ValueKind::kBytes:
      HOLDALL_TRY(bytes(of));
      break;
    case ValueKind::kGlobal:
      code_.global(of.global_module(), of.global_name());
      break;
    case ValueKind::kTensor:
      if (!options_.spell) return unsupported("a tensor stands for another tensor");
      HOLDALL_TRY(options_.spell(code_, of));
      break;
    default:
      return begin_container(at, of);
  }
  memoise_if_shared(at);
  return {};
}

Status PickleWriter::bytes(const Value& of) {
  const std::uint64_t size = of.bytes_size();
  if (code_.newer() && size >= options_.apart_from) {
    code_.bytes_header(size);
    add_piece(code_.take());
    add_piece(of.as_blob());
    return {};
  }
  HOLDALL_ASSIGN(const Bytes data, of.as_blob().read());
  code_.bytes(data.text());
  return {};
}

Status PickleWriter::begin_container(Spot at, const Value& of) {
  const ValueKind kind = of.kind();
  Frame frame{at};
  if (kind == ValueKind::kTuple && of.size() == 0) {
    code_.op(kEMPTY_TUPLE);
    return {};
  }
  if (kind == ValueKind::kObject && of.of(of.as_object().callee).is_global("copyreg", "extension")) {
    code_.extension(of.of(of.as_object().args).item(0).as_int());
    return {};
  }
  const bool empty_first = kind == ValueKind::kList || kind == ValueKind::kDict || (kind == ValueKind::kSet && code_.newer());
  if (empty_first) {
    code_.op(kind == ValueKind::kList ? kEMPTY_LIST : kind == ValueKind::kDict ? kEMPTY_DICT : kEMPTY_SET);
    memoise_if_shared(at);
    frame.stage = kind == ValueKind::kDict ? Stage::kPairs : Stage::kItems;
  } else {
    // Met again while it is being written: fine as long as something new was memoised in between, which will end the cycle.
    Note& known = note(at);
    if (known.entered == code_.memo_size())
      return unsupported("a cycle that passes through no list, dict, set or object state");
    known.entered = code_.memo_size();
    if (kind == ValueKind::kTuple) {
      if (of.size() > 3) code_.op(kMARK);
    } else if (kind == ValueKind::kFrozenSet && code_.newer()) {
      code_.op(kMARK);
    } else if (kind != ValueKind::kObject) {
      code_.known_global("builtins", kind == ValueKind::kSet ? "set" : "frozenset");
      code_.op(kEMPTY_LIST);
      frame.stage = Stage::kItems;
    }
  }
  frames_.push_back(frame);
  return {};
}

void PickleWriter::memoise_if_shared(Spot at) {
  Note& known = note(at);
  if (known.memo == kNoNode && (known.shared || memoise_all_)) known.memo = code_.memoise();
}

void PickleWriter::put_behind(Spot at) {
  add_piece(code_.take());
  for (PicklePiece& piece : options_.behind(at.node, written_)) add_piece(std::move(piece));
  memoise_if_shared(at);
}

void PickleWriter::add_piece(PicklePiece piece) {
  const auto* said = std::get_if<std::string>(&piece);
  written_ += said != nullptr ? said->size() : std::get<Blob>(piece).size();
  pieces_.push_back(std::move(piece));
}

void PickleWriter::leave(Spot at) {
  note(at).entered = kNoNode;
  frames_.pop_back();
}

// After what makes the value at the top of the stack: true when it was made meanwhile, inside itself; that one counts.
bool PickleWriter::finish(Spot at) {
  const std::uint32_t slot = note(at).memo;
  if (slot == kNoNode) {
    memoise_if_shared(at);
    return false;
  }
  code_.op(kPOP);
  code_.get(slot);
  return true;
}

// Goes on with the innermost open value until a child opens a frame of its own or the value is complete.
Status PickleWriter::resume() {
  Frame& frame = frames_.back();
  const Value of = value(frame.spot);
  switch (of.kind()) {
    case ValueKind::kList:
      return resume_batches(frame, of, of.size(), 1, kAPPEND, kAPPENDS);
    case ValueKind::kDict:
      return resume_batches(frame, of, of.size(), 2, kSETITEM, kSETITEMS);
    case ValueKind::kObject:
      return resume_object(frame, of);
    default:
      if (frame.stage != Stage::kItems) return resume_parts(frame, of);
      return resume_batches(frame, of, of.size(), 1, code_.newer() ? kADDITEMS : kAPPEND, code_.newer() ? kADDITEMS : kAPPENDS);
  }
}

// The children of a list, dict, set or of an object's items or pairs; `count` of them, each of `unit` values. ADDITEMS always
// wants its mark.
Status PickleWriter::resume_batches(Frame& frame, const Value& of, std::size_t count, std::size_t unit, char one, char many) {
  const std::size_t depth = frames_.size();
  const std::size_t size = count * unit;
  const std::size_t batch = kBatch * unit;
  const bool is_object = of.is(ValueKind::kObject);
  const std::size_t before_pairs = is_object && frame.stage == Stage::kPairs ? of.as_object().items.size() : 0;
  while (true) {
    const bool is_start = frame.next % batch == 0;
    if ((is_start || frame.next == size) && frame.next != 0) {
      const std::size_t before = frame.next - (is_start ? batch : frame.next % batch);
      const bool single = one != many && std::min(size - before, batch) == unit;
      code_.op(single ? one : many);
    }
    if (frame.next == size) break;
    if (is_start && (one == many || std::min(size - frame.next, batch) != unit)) code_.op(kMARK);
    const std::size_t number = frame.next++;
    HOLDALL_TRY(begin(child(frame.spot, of, is_object ? kFixedParts + before_pairs + number : number)));
    if (frames_.size() != depth) return {};
  }
  if (is_object) {
    frame.stage = frame.stage == Stage::kItems ? Stage::kPairs : Stage::kState;
    frame.next = 0;
    return {};
  }
  const Spot at = frame.spot;
  if (!code_.newer() && (of.is(ValueKind::kSet) || of.is(ValueKind::kFrozenSet))) {
    code_.op(kTUPLE1);
    code_.op(kREDUCE);
    finish(at);
  }
  leave(at);
  return {};
}

// The parts of a tuple or of a frozen set.
Status PickleWriter::resume_parts(Frame& frame, const Value& of) {
  const std::size_t depth = frames_.size();
  const std::size_t size = of.size();
  while (frame.next < size) {
    HOLDALL_TRY(begin(spot(frame.spot.arena, of.item(frame.next++).id())));
    if (frames_.size() != depth) return {};
  }
  const Spot at = frame.spot;
  if (of.is(ValueKind::kTuple)) {
    constexpr std::array<char, 4> kBySize = {kTUPLE, kTUPLE1, kTUPLE2, kTUPLE3};
    code_.op(size > 3 ? kTUPLE : kBySize[size]);
  } else {
    code_.op(kFROZENSET);
  }
  finish(at);
  leave(at);
  return {};
}

// Callee, arguments and keywords, then the call, then items, pairs and state.
Status PickleWriter::resume_object(Frame& frame, const Value& of) {
  const ObjectParts& parts = of.as_object();
  switch (frame.stage) {
    case Stage::kParts:
      return resume_call(frame, of);
    case Stage::kItems:
      return resume_batches(frame, of, parts.items.size(), 1, kAPPEND, kAPPENDS);
    case Stage::kPairs:
      return resume_batches(frame, of, parts.pairs.size() / 2, 2, kSETITEM, kSETITEMS);
    case Stage::kState:
      break;
  }
  const std::size_t depth = frames_.size();
  if (frame.next++ == 0 && parts.state != kNoNode) {
    HOLDALL_TRY(begin(spot(frame.spot.arena, parts.state)));
    if (frames_.size() != depth) return {};
  }
  if (parts.state != kNoNode) code_.op(kBUILD);
  if (has_behind(frame.spot)) put_behind(frame.spot);
  leave(frame.spot);
  return {};
}

Status PickleWriter::resume_call(Frame& frame, const Value& of) {
  const std::size_t depth = frames_.size();
  const ObjectParts& parts = of.as_object();
  if (of.of(parts.callee).is_global("", "persistent_id")) {
    if (frame.next++ == 0) {
      HOLDALL_TRY(begin(spot(frame.spot.arena, of.of(parts.args).item(0).id())));
      if (frames_.size() != depth) return {};
    }
    code_.op(kBINPERSID);
    return finish_object(frame, of);
  }
  const std::array<NodeId, 3> fixed = {parts.callee, parts.args, parts.kwargs};
  while (frame.next < fixed.size()) {
    const NodeId part = fixed[frame.next++];
    if (part == kNoNode) {
      if (frame.next == 2) code_.op(kEMPTY_TUPLE);
      continue;
    }
    // Below protocol 4 keywords go through a function: its tuple (class, arguments, keywords) is opened before them.
    if (frame.next == 1 && parts.kwargs != kNoNode && !code_.newer() && parts.new_object)
      code_.known_global("copyreg", "__newobj_ex__");
    HOLDALL_TRY(begin(spot(frame.spot.arena, part)));
    if (frames_.size() != depth) return {};
  }
  if (parts.kwargs == kNoNode) {
    code_.op(parts.new_object ? kNEWOBJ : kREDUCE);
  } else if (code_.newer()) {
    code_.op(kNEWOBJ_EX);
  } else {
    code_.op(kTUPLE3);
    code_.op(kREDUCE);
  }
  return finish_object(frame, of);
}

Status PickleWriter::finish_object(Frame& frame, const Value& of) {
  const ObjectParts& parts = of.as_object();
  // And filled and given its state further in.
  const bool is_made = !has_behind(frame.spot) && finish(frame.spot);
  if (is_made || (parts.items.empty() && parts.pairs.empty() && parts.state == kNoNode)) {
    leave(frame.spot);
    return {};
  }
  frame.stage = !parts.items.empty() ? Stage::kItems : !parts.pairs.empty() ? Stage::kPairs : Stage::kState;
  frame.next = 0;
  return {};
}

Result<std::vector<PicklePiece>> write_pickle_pieces(Value root, const PickleWriteOptions& options) {
  if (!root) return invalid_argument("no value to write");
  return PickleWriter(root, options).write();
}

Result<std::string> write_pickle(Value root, PickleWriteOptions options) {
  options.apart_from = UINT64_MAX;
  HOLDALL_ASSIGN(auto pieces, write_pickle_pieces(root, options));
  return std::get<std::string>(std::move(pieces.front()));
}

}  // namespace holdall
