#include "holdall/codec/pickle_machine.h"

#include <algorithm>

#include "holdall/base/text.h"
#include "holdall/codec/pickle_text.h"

namespace holdall {
namespace {

constexpr std::size_t kMostOddities = 100;
// Memory is measured every so many opcodes, and (see payload()) for every payload that could matter by itself.
constexpr std::uint64_t kMeasureEvery = 1024;

struct Opcode {
  std::string_view name;
  std::uint8_t protocol;
};

// By byte; no name: no opcode.
constexpr std::array<Opcode, 256> kOpcodes = [] {
  std::array<Opcode, 256> table{};
#define HOLDALL_PICKLE_OPCODE(name, byte, protocol, action) table[static_cast<unsigned char>(byte)] = {#name, protocol};
#include "holdall/codec/pickle_opcodes.inc"
#undef HOLDALL_PICKLE_OPCODE
  return table;
}();

// The operand of PUT and GET: decimal, not negative, within 63 bits.
std::optional<std::uint64_t> memo_key(std::string_view digits) {
  const auto decimal = pickle_text::integer(digits, 10);
  if (!decimal || decimal->front() == '-' || decimal->size() > 19) return std::nullopt;
  std::uint64_t key = 0;
  for (const char digit : *decimal) key = key * 10 + static_cast<std::uint64_t>(digit - '0');
  if (key > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  return key;
}

}  // namespace

// ---- running

PickleProgram PickleMachine::run() && {
  while (!stopped_ && step()) {
  }
  if (short_frame_) {
    opcode_offset_ = short_frame_->offset;
    (void)fail(std::move(short_frame_->error));
  }
  return std::move(program_);
}

bool PickleMachine::step() {
  opcode_offset_ = input_.position();
  const unsigned char* byte = input_.take(1);
  if (byte == nullptr) return cut_short(1);
  const unsigned char code = *byte;
  const Opcode& opcode = kOpcodes[code];
  if (opcode.name.empty()) return fail(text("byte 0x{:02x} is no pickle opcode", code));
  if (++program_.opcodes > options_.limits.opcodes) {
    return fail(over_limit(text("the pickle has more than {} opcodes", options_.limits.opcodes)));
  }
  if (opcode.protocol > program_.protocol) program_.protocol = opcode.protocol;
  if (!dispatch(code)) return false;
  return after_opcode(code);
}

bool PickleMachine::dispatch(unsigned char byte) {
  switch (byte) {
#define HOLDALL_PICKLE_OPCODE(name, code, protocol, action) \
  case static_cast<unsigned char>(code):                    \
    return action;
#include "holdall/codec/pickle_opcodes.inc"
#undef HOLDALL_PICKLE_OPCODE
    default:
      return false;
  }
}

// Frames must end between opcodes: readers that buffer a frame and readers that do not would otherwise see other programs.
bool PickleMachine::after_opcode(unsigned char byte) {
  const Opcode& opcode = kOpcodes[byte];
  if (opcode.protocol > 1 && opcode.protocol > declared_ && !protocol_noted_) {
    protocol_noted_ = true;
    note(PickleOddity::Kind::kProtocol,
         text("{} is of protocol {}, the pickle declares {}", opcode.name, int{opcode.protocol}, declared_));
  }
  if (frame_end_ != 0 && input_.position() >= frame_end_) {
    if (input_.position() > frame_end_) {
      const std::string what = text("{} straddles the end of its frame at {}", opcode.name, frame_end_);
      note(PickleOddity::Kind::kFrame, what);
      return fail(what);
    }
    frame_end_ = 0;
  }
  return program_.opcodes % kMeasureEvery != 0 || measure(0);
}

bool PickleMachine::measure(std::uint64_t more) {
  std::uint64_t total = arena_.memory() + memo_.memory() + more;
  total += stack_.capacity() * sizeof(NodeId) + marks_.capacity() * sizeof(std::size_t);
  total += moments_.capacity() * sizeof(Moment) + puts_.capacity() * sizeof(std::uint64_t);
  total += heights_.capacity() * sizeof(std::uint32_t) + (unhashable_.size() + set_members_.size() + weights_.size()) * 32;
  total += program_.calls.capacity() * sizeof(PickleCall) + program_.imports.capacity() * sizeof(PickleImport);
  if (total > options_.limits.value_bytes) {
    return fail(over_limit(text("the values take {} bytes, the limit is {}", total, options_.limits.value_bytes)));
  }
  // Nodes are counted in 32 bits.
  return arena_.size() < kNoNode - 2 * kMeasureEvery ||
         fail(over_limit("the pickle makes more than 4 thousand million values"));
}

bool PickleMachine::fail(Error error) {
  program_.error = std::move(error).at(opcode_offset_).in(source_->name());
  program_.end = opcode_offset_;
  program_.root = kNoNode;
  return false;
}

bool PickleMachine::cut_short(std::uint64_t wanted) {
  // The whole frame is there: what passes the end of the source straddles the frame's too.
  if (frame_end_ != 0) note(PickleOddity::Kind::kFrame, text("an operand straddles the end of its frame at {}", frame_end_));
  program_.cut_short = true;
  return fail(input_.failure(wanted));
}

bool PickleMachine::underflow() {
  if (!marks_.empty() && stack_.size() >= fence_) return fail("a value is needed where a mark stands");
  return fail("the stack is empty where a value is needed");
}

// Python's own readers differ in what follows.
bool PickleMachine::fail_here_alone(std::string what) {
  program_.is_read_otherwise = true;
  return fail(std::move(what));
}

// One of a kind is enough to judge by: many of one must not crowd out another.
void PickleMachine::note(PickleOddity::Kind kind, std::string what) {
  const auto is_same = [&](const PickleOddity& oddity) { return oddity.kind == kind; };
  auto& all = program_.oddities;
  if (all.size() >= kMostOddities && std::any_of(all.begin(), all.end(), is_same)) return;
  all.push_back({kind, opcode_offset_, std::move(what)});
}

// ---- the stack

bool PickleMachine::push(NodeId node) {
  top_tuple_ = kNoNode;
  stack_.push_back(node);
  return true;
}

bool PickleMachine::pop_value(NodeId& node) {
  if (stack_.size() <= fence_) return underflow();
  node = stack_.back();
  stack_.pop_back();
  return true;
}

bool PickleMachine::pop_mark_place(std::size_t& place) {
  if (marks_.empty()) return fail("no mark is on the stack");
  place = marks_.back();
  marks_.pop_back();
  if (options_.settle) {
    before_tuple_ = moments_.back();
    moments_.pop_back();
  }
  fence_ = marks_.empty() ? 0 : marks_.back();
  return true;
}

std::vector<NodeId> PickleMachine::pop_from(std::size_t place) {
  std::vector<NodeId> items(stack_.begin() + static_cast<std::ptrdiff_t>(place), stack_.end());
  stack_.resize(place);
  return items;
}

// Nesting is known exactly for what picklers write, who finish an item before they add it; nothing here or behind recurses.
bool PickleMachine::raise_height(NodeId container, NodeId item) {
  const ValueKind what = kind(item);
  if (what < ValueKind::kList) return true;
  if (what == ValueKind::kGlobal) pass_on(item);
  const std::uint32_t needed = height(item) + 1;
  return needed <= height(container) || set_height(container, needed);
}

// What takes part in a value may be called by whoever takes the value.
void PickleMachine::pass_on(NodeId import) {
  if (import == last_passed_) return;
  last_passed_ = import;
  program_.passed.insert(import);
}

bool PickleMachine::set_height(NodeId container, std::uint32_t height) {
  if (height > options_.limits.depth) {
    return fail(over_limit(text("values are nested more than {} deep", options_.limits.depth)));
  }
  if (height == 0) return true;
  if (heights_.size() <= container) heights_.resize(container + 1);
  heights_[container] = height;
  return true;
}

bool PickleMachine::finish_container(NodeId container, const std::vector<NodeId>& items) {
  for (const NodeId item : items)
    if (!raise_height(container, item)) return false;
  return push(container);
}

bool PickleMachine::is_unhashable(NodeId node, ValueKind what) const {
  return what == ValueKind::kList || what == ValueKind::kDict || what == ValueKind::kSet ||
         (what == ValueKind::kTuple && unhashable_.contains(node));
}

bool PickleMachine::hashable(NodeId node) {
  const ValueKind what = kind(node);
  if (!is_unhashable(node, what)) return true;
  return fail(text("a {} cannot be a key of a dict or a member of a set", name(what)));
}

bool PickleMachine::mark() {
  if (marks_.size() >= options_.limits.depth) {
    return fail(over_limit(text("marks are nested more than {} deep", options_.limits.depth)));
  }
  if (options_.settle) {
    if (marks_.empty()) puts_.clear();
    top_tuple_ = kNoNode;
    moments_.push_back({arena_.mark(), puts_.size(), program_.calls.size()});
  }
  fence_ = stack_.size();
  marks_.push_back(fence_);
  return true;
}

bool PickleMachine::stop() {
  if (!pop_value(program_.root)) return false;
  program_.end = input_.position();
  stopped_ = true;
  return measure(0);
}

bool PickleMachine::pop() {
  if (!marks_.empty() && marks_.back() == stack_.size()) return pop_mark();
  NodeId dropped = kNoNode;
  return pop_value(dropped);
}

bool PickleMachine::pop_mark() {
  std::size_t place = 0;
  if (!pop_mark_place(place)) return false;
  stack_.resize(place);
  return true;
}

bool PickleMachine::duplicate() {
  if (stack_.size() <= fence_) return underflow();
  return push(stack_.back());
}

// ---- the memo

bool PickleMachine::put_at(std::uint64_t index) {
  if (stack_.size() <= fence_) return underflow();
  // Python makes room up to the entry, twice: picklers number them one by one.
  constexpr std::uint64_t kFar = 1u << 24, kPerOpcode = 64;
  if (index >= kFar && index / kPerOpcode > program_.opcodes)
    note(PickleOddity::Kind::kCost, text("the memo is given an entry {}, for which Python makes room", index));
  memo_.put(index, stack_.back());
  if (options_.settle) puts_.push_back(index);
  if (memo_.size() <= options_.limits.memo) return true;
  return fail(over_limit(text("the memo has more than {} entries", options_.limits.memo)));
}

bool PickleMachine::get_from(std::uint64_t index) {
  const NodeId node = memo_.get(index);
  if (node == kNoNode) return fail(text("the memo has no entry {}", index));
  if (node == PickleMemo::kForgotten) return wants_forgotten();
  return push(node);
}

bool PickleMachine::memoize() { return put_at(memo_.size()); }

bool PickleMachine::put_line() {
  std::string_view digits;
  if (!line(digits)) return false;
  const auto index = memo_key(digits);
  if (index) return put_at(*index);
  const bool is_number = !digits.empty() && digits.find_first_not_of("0123456789") == digits.npos;
  constexpr const char* kWhat = "the operand of PUT is no memo key";
  return is_number ? fail_here_alone(kWhat) : fail(kWhat);
}

bool PickleMachine::get_line() {
  std::string_view digits;
  if (!line(digits)) return false;
  const auto index = memo_key(digits);
  return index ? get_from(*index) : fail("the operand of GET is no memo key");
}

// ---- the stream

bool PickleMachine::declare_protocol() {
  std::uint8_t version = 0;
  if (!operand(version)) return false;
  if (version > kHighestPickleProtocol)
    return fail(unsupported(text("pickle protocol {}; the highest known is {}", version, kHighestPickleProtocol)));
  declared_ = version;
  program_.protocol = std::max(program_.protocol, declared_);
  return true;
}

bool PickleMachine::frame() {
  std::uint64_t size = 0;
  const bool nested = frame_end_ != 0;
  if (!operand(size)) return false;
  // The reader written in C stops here, the one written in Python (joblib's) takes what there is for the frame and goes on.
  if (size > input_.remaining()) {
    if (!short_frame_) short_frame_ = {opcode_offset_, input_.failure(size)};
    return true;
  }
  if (nested) {
    const std::string what = text("a frame begins inside the frame that ends at {}", frame_end_);
    note(PickleOddity::Kind::kFrame, what);
    return fail_here_alone(what);
  }
  frame_end_ = size == 0 ? 0 : input_.position() + size;
  return true;
}

bool is_pickle_opcode(unsigned char byte) noexcept { return !kOpcodes[byte].name.empty(); }

PickleProgram run_pickle(Arena& arena, const SourceRef& source, std::uint64_t offset, const PickleOptions& options) {
  return PickleMachine(arena, source, offset, options).run();
}

}  // namespace holdall
