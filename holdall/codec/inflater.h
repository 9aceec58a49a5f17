// Inflater: one bare DEFLATE stream (RFC 1951), decoded from front to back into a window that its caller moves along.
//
// As fast as libdeflate, which wants all of the stream and of what it decodes to in memory at once; this stops wherever its
// input or its room ends. Thread-safety: one thread at a time. Ownership: none of what it is given.
#pragma once

#include <cstddef>
#include <cstdint>

#include "holdall/codec/deflate_codes.h"

namespace holdall {

// Encoded bytes, and what must be readable behind them.
struct InflateInput {
  // Readable, whatever it is, behind `end`.
  static constexpr std::size_t kPadding = 384;
  // Less than this is left when decoding stops for want of input: what the codes of a block take, at most.
  static constexpr std::size_t kMostLeft = 384;

  const std::byte* next = nullptr;
  const std::byte* end = nullptr;
  bool is_last = false;  // nothing follows `end`
};

// Decoded bytes: [begin, next) are there, the last 32 KiB of them at least of what was decoded; up to `end` there is room.
struct InflateOutput {
  // Writable, and overwritten, behind `end`.
  static constexpr std::size_t kPadding = 320;
  static constexpr std::size_t kHistory = 32'768;

  std::byte* begin = nullptr;
  std::byte* next = nullptr;
  std::byte* end = nullptr;
};

class Inflater {
 public:
  enum class Stop : std::uint8_t {
    kRoom,       // output.next has reached output.end, or passed it by less than the padding
    kInput,      // more input is needed, and there is more
    kEnd,        // the stream is complete; input.next stands behind it
    kTruncated,  // it ends too early
    kDamaged,    // fault() says how
  };

  // Begins a stream.
  void start() noexcept;
  // Goes on with `input` and `output`, which are moved along.
  Stop run(InflateInput& input, InflateOutput& output) noexcept;
  const char* fault() const noexcept { return fault_; }

 private:
  enum class Place : std::uint8_t { kBlock, kStored, kCodes, kEnd };
  struct Bits;

  Stop block(Bits& bits, const InflateInput& input) noexcept;
  Stop stored_block(Bits& bits) noexcept;
  Stop dynamic_block(Bits& bits) noexcept;
  void fixed_block() noexcept;
  Stop stored(Bits& bits, const InflateInput& input, InflateOutput& output) noexcept;
  Stop codes(Bits& bits, const InflateInput& input, InflateOutput& output) noexcept;
  Stop fast_codes(Bits& bits, const std::byte* input_end, InflateOutput& output) noexcept;
  Stop last_code(Bits& bits, const InflateInput& input, InflateOutput& output) noexcept;
  Stop damaged(const char* what) noexcept;
  Stop end_of_block() noexcept;

  std::uint64_t buffer_ = 0;  // bits taken from the input and not used
  unsigned count_ = 0;
  Place place_ = Place::kBlock;
  bool is_final_ = false;
  std::uint32_t stored_left_ = 0;
  const char* fault_ = "";
  LiteralTable literals_;
  DistanceTable distances_;
};

}  // namespace holdall
