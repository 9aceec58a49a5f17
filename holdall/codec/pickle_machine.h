// PickleMachine: the state of one run of a pickle and one member a kind of opcode, each doing what CPython's Modules/_pickle.c
// does on the same opcode, except that imports and calls become nodes. For pickle*.cc alone.
//
// A member returns false after fail(): the run ends there. Thread-safety: one thread. Ownership: refers to the arena, the
// source and the options of its run.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "holdall/base/endian.h"
#include "holdall/base/keyed_hash.h"
#include "holdall/codec/pickle.h"
#include "holdall/codec/pickle_input.h"
#include "holdall/codec/pickle_memo.h"

namespace holdall {

class PickleMachine {
 public:
  PickleMachine(Arena& arena, const SourceRef& source, std::uint64_t offset, const PickleOptions& options)
      : arena_(arena), source_(source), options_(options), input_(source, offset, options.read_first) {
    small_integers_.fill(kNoNode);
  }

  PickleProgram run() &&;

 private:
  enum class Keywords : std::uint8_t { kNone, kGiven };
  enum class Script : std::uint8_t { kAscii, kUtf8 };
  bool step();
  bool dispatch(unsigned char byte);
  bool measure(std::uint64_t more);
  bool after_opcode(unsigned char byte);
  bool fail(Error error);
  bool fail(std::string what) { return fail(corrupt(std::move(what))); }
  // Fails because fewer than `wanted` bytes remain, or they cannot be read.
  bool cut_short(std::uint64_t wanted);
  bool underflow();
  void note(PickleOddity::Kind kind, std::string what);

  // The stack.
  ValueKind kind(NodeId node) const { return arena_.at(node).kind(); }
  bool push(NodeId node);
  bool pop_value(NodeId& node);
  bool pop_mark_place(std::size_t& place);
  std::vector<NodeId> pop_from(std::size_t place);
  std::uint32_t height(NodeId node) const { return node < heights_.size() ? heights_[node] : 0; }
  bool raise_height(NodeId container, NodeId item);
  void pass_on(NodeId import);
  bool finish_container(NodeId container, const std::vector<NodeId>& items);
  bool set_height(NodeId container, std::uint32_t height);
  bool is_unhashable(NodeId node, ValueKind what) const;
  bool hashable(NodeId node);

  // Operands.
  // Little-endian.
  template <class T>
  bool operand(T& value) {
    const unsigned char* raw = input_.take(sizeof(T));
    if (raw == nullptr) return cut_short(sizeof(T));
    value = load_le<T>(raw);
    return true;
  }
  // The size of a payload that follows. A negative one is refused.
  template <class T>
  bool size_operand(std::uint64_t& size) {
    T value = 0;
    if (!operand(value)) return false;
    if constexpr (std::is_signed_v<T>) {
      if (value < 0) return fail("a payload has a negative size");
    }
    size = static_cast<std::uint64_t>(value);
    return true;
  }
  bool line(std::string_view& text);
  bool any_line(std::string_view& text);
  bool identifier_line(std::string& text, Script script);
  bool payload(std::uint64_t size, std::string_view& text);
  bool bytes_payload(std::uint64_t size, NodeId& node);

  // Opcodes, named as in pickle_opcodes.inc.
  bool mark();
  bool stop();
  bool pop();
  bool pop_mark();
  bool duplicate();
  bool float_line();
  bool int_line();
  bool long_line();
  bool string_line();
  bool unicode_line();
  template <class T>
  bool integer() {
    T value = 0;
    return operand(value) && push(arena_.integer(value));
  }
  bool small_integer();
  bool too_long_integer(std::uint64_t size);
  bool too_long_line(std::string_view digits);
  bool fail_here_alone(std::string what);
  bool binary_float();
  template <class T>
  bool counted_long() {
    std::uint64_t size = 0;
    return size_operand<T>(size) && counted_long_of(size);
  }
  bool counted_long_of(std::uint64_t size);
  template <class T>
  bool python2_string() {
    std::uint64_t size = 0;
    return size_operand<T>(size) && python2_string_of(size);
  }
  bool python2_string_of(std::uint64_t size);
  template <class T>
  bool unicode() {
    std::uint64_t size = 0;
    return size_operand<T>(size) && unicode_of(size);
  }
  bool unicode_of(std::uint64_t size);
  template <class T>
  bool bytes() {
    std::uint64_t size = 0;
    return size_operand<T>(size) && bytes_of(size);
  }
  bool bytes_of(std::uint64_t size);
  bool byte_array();
  bool next_buffer();
  bool read_only_buffer();
  bool python2_text(std::string_view text);

  bool list_from_mark();
  bool tuple_from_mark();
  bool tuple_of(std::size_t count);
  bool tuple_from(std::size_t place);
  std::uint64_t weight_of(NodeId item, ValueKind what) const;
  void weigh(NodeId tuple, std::uint64_t weight);
  bool dict_from_mark();
  bool frozen_set_from_mark();
  bool append();
  bool append_from_mark();
  bool append_from(std::size_t place);
  bool set_item();
  bool set_items_from_mark();
  bool set_items_from(std::size_t place);
  bool add_items_from_mark();
  bool extend_object(NodeId target, std::size_t place, std::string_view opcode);
  bool fill_dict(NodeId dict, std::size_t place);
  bool distinct(NodeId seen, std::size_t place, std::vector<NodeId>& out);

  bool global_lines();
  bool global_from_stack();
  NodeId import_of(std::string_view module, std::string_view name, bool computed);
  bool reduce();
  bool new_object(Keywords keywords);
  bool instance_lines();
  bool instance_from_mark();
  bool instance(NodeId callee, std::vector<NodeId> arguments);
  template <class T>
  bool extension() {
    T code = 0;
    return operand(code) && extension_of(code);
  }
  bool extension_of(std::int64_t code);
  bool persistent_line();
  bool persistent();
  bool persistent_with(NodeId id);
  bool build();
  bool pass_over(std::uint64_t size);
  bool callable(NodeId callee);
  bool arguments_of(NodeId& args);
  bool keywords_of(NodeId& kwargs);
  bool call(PickleCallKind kind, ObjectParts parts);
  NodeId named_call(std::string_view module, std::string_view name, NodeId argument);
  bool settle(NodeId object, bool is_apart);
  void forget(NodeId settled);
  bool wants_forgotten();
  // Fails where what `node` was before it was settled would matter.
  bool is_settled(NodeId node) const { return options_.settle && kind(node) == ValueKind::kTensor; }
  // What has been made so far may be referred to from anywhere.
  void pin() { pinned_ = static_cast<NodeId>(arena_.size()); }

  bool put_line();
  bool get_line();
  template <class T>
  bool put() {
    T index = 0;
    return operand(index) && put_at(index);
  }
  template <class T>
  bool get() {
    T index = 0;
    return operand(index) && get_from(index);
  }
  bool get_from(std::uint64_t index);
  bool put_at(std::uint64_t index);
  bool memoize();

  bool declare_protocol();
  bool frame();

  Arena& arena_;
  const SourceRef& source_;
  const PickleOptions& options_;
  PickleInput input_;
  PickleProgram program_;
  std::vector<NodeId> stack_;
  std::vector<std::size_t> marks_;
  // With PickleOptions::settle: how far everything was at each mark, and at that of the tuple on top of the stack, if it is
  // there.
  struct Moment {
    Arena::Mark arena;
    std::size_t puts = 0;
    std::size_t calls = 0;
  };
  std::vector<Moment> moments_;
  Moment before_tuple_;
  NodeId top_tuple_ = kNoNode;
  NodeId pinned_ = 0;                // nodes below it stay
  std::vector<std::uint64_t> puts_;  // keys put into the memo since the outermost mark
  std::size_t fence_ = 0;            // stack_ below it belongs to an outer mark
  PickleMemo memo_;
  std::uint64_t opcode_offset_ = 0;
  std::uint64_t frame_end_ = 0;  // 0: in no frame
  struct ShortFrame {
    std::uint64_t offset;
    Error error;
  };
  std::optional<ShortFrame> short_frame_;  // the first that says more than there is: the run's error in the end
  int declared_ = 0;
  bool protocol_noted_ = false;
  NodeId last_passed_ = kNoNode;
  NodeId empty_tuple_ = kNoNode;  // Python has one
  bool stopped_ = false;
  std::int64_t next_buffer_ = 0;
  std::array<NodeId, 256> small_integers_{};
  TextMap<NodeId> imports_;
  PlainVector<std::uint32_t> heights_;                 // nesting below a container, by node
  std::unordered_map<NodeId, std::uint64_t> weights_;  // of tuples: the tuples within, as often as they stand there
  std::unordered_set<NodeId> unhashable_;              // tuples that hold a list, dict or set
  std::unordered_map<NodeId, NodeId> set_members_;     // by set: a dict whose keys are its members
};

}  // namespace holdall
