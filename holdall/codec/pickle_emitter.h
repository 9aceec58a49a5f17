// PickleEmitter: the opcodes of one pickle, one after the other, and its memo. What a value is made of is its caller's
// business: PickleWriter walks values, formats spell theirs through PickleWriteOptions::spell.
//
// Thread-safety: one thread. Ownership: owns what it has emitted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "holdall/base/endian.h"
#include "holdall/base/keyed_hash.h"

namespace holdall {

namespace pickle_code {
#define HOLDALL_PICKLE_OPCODE(name, byte, protocol, action) constexpr char k##name = static_cast<char>(byte);
#include "holdall/codec/pickle_opcodes.inc"
#undef HOLDALL_PICKLE_OPCODE
}  // namespace pickle_code

class PickleEmitter {
 public:
  // Precondition: the protocol is 2 or 4.
  explicit PickleEmitter(int protocol) : protocol_(protocol) {}

  bool newer() const noexcept { return protocol_ >= 4; }

  void op(char code) { out_.push_back(code); }
  void integer(std::int64_t number);
  void big_integer(std::string_view decimal);
  void real(double number);
  void boolean(bool value) { op(value ? pickle_code::kNEWTRUE : pickle_code::kNEWFALSE); }
  // Preconditions: UTF-8, surrogates allowed, of less than 4 GiB; for bytes protocol 4, or less than 2 GiB.
  void string(std::string_view data);
  void bytes(std::string_view data);
  // What stands before bytes that follow in a piece of their own. Precondition: protocol 4.
  void bytes_header(std::uint64_t size);
  void global(std::string_view module, std::string_view name);
  // Precondition: 0 < code <= INT32_MAX.
  void extension(std::int64_t code);

  // These are fetched from the memo when they were spelled before.
  void known_global(std::string_view module, std::string_view name);
  void known_string(std::string_view data);
  void known_tuple(std::span<const std::int64_t> numbers);

  // The memo: a slot for the value at the top of the stack; its value again.
  std::uint32_t memoise();
  void get(std::uint32_t slot);
  std::uint32_t memo_size() const noexcept { return memo_; }

  // Bytes emitted since the last call of take(), which gives them.
  std::size_t pending() const noexcept { return out_.size(); }
  std::string take();

 private:
  template <class T>
  void put(T number) {
    std::array<char, sizeof(T)> raw{};
    store_le(raw.data(), number);
    out_.append(raw.data(), raw.size());
  }
  void once(std::size_t begin);

  int protocol_;
  std::string out_;
  std::uint32_t memo_ = 0;
  TextMap<std::uint32_t> known_;  // memo slots by the opcodes that made the value
  std::string key_;               // of a look-up in it
};

}  // namespace holdall
