#include "holdall/codec/inflater.h"

#include <algorithm>
#include <cstring>

#include "holdall/base/endian.h"

// Into functions of every target.
#define HOLDALL_INLINE __attribute__((always_inline)) inline
// Shifts by a variable are one instruction each with BMI2.
#ifdef __x86_64__
#define HOLDALL_FAST_SHIFTS __attribute__((target_clones("bmi2", "default")))
#else
#define HOLDALL_FAST_SHIFTS
#endif

namespace holdall {
namespace {

constexpr unsigned kMostLiterals = 286;
constexpr unsigned kMostDistances = 30;
// What one turn of the fast loop may take, and read ahead, of the input.
constexpr std::ptrdiff_t kFastInput = 32;

constexpr const char* kNoLiteral = "invalid literal/length code";
constexpr const char* kNoDistance = "invalid distance code";
constexpr const char* kTooFar = "invalid distance too far back";

// Writes up to 24 bytes behind the copy.
HOLDALL_INLINE void copy_match(std::byte* out, std::size_t distance, std::size_t length) noexcept {
  const std::byte* from = out - distance;
  std::byte* const end = out + length;
  const auto word = [&] {
    store_le(out, load_le<std::uint64_t>(from));
    out += 8;
    from += 8;
  };
  if (distance >= 8) {
    word();
    word();
    while (out < end) {
      word();
      word();
    }
  } else if (distance == 1) {
    const std::uint64_t repeated = 0x0101'0101'0101'0101u * std::to_integer<std::uint64_t>(*from);
    do {
      store_le(out, repeated);
      out += 8;
    } while (out < end);
  } else {
    // Each word brings `distance` new bytes, and repeats of them that the next word overwrites.
    do {
      store_le(out, load_le<std::uint64_t>(from));
      out += distance;
      from += distance;
    } while (out < end);
  }
}

}  // namespace

// The bits ahead. Above `count` the buffer holds what the next bytes hold, so that filling it again changes nothing there.
// Only the low six bits of `count` count: what an entry says of used bits is subtracted with all that stands above it.
struct Inflater::Bits {
  std::uint64_t buffer;
  std::uint32_t count;
  const std::byte* next;

  // At least 56 bits; reads 8 bytes ahead.
  HOLDALL_INLINE void refill() noexcept {
    buffer |= load_le<std::uint64_t>(next) << (count & 63);
    next += 7 - ((count >> 3) & 7);
    count |= 56;
  }
  // What an entry uses up.
  HOLDALL_INLINE void drop(DeflateEntry entry) noexcept {
    buffer >>= entry & 63;
    count -= entry;
  }
  unsigned take(unsigned bits) noexcept {
    const auto taken = static_cast<unsigned>(buffer & ((1u << bits) - 1));
    drop(bits);
    return taken;
  }
  HOLDALL_INLINE DeflateEntry look_up(const DeflateEntry* table, unsigned index_bits) const noexcept {
    return table[buffer & ((1u << index_bits) - 1)];
  }
  // Where a link leads to.
  HOLDALL_INLINE DeflateEntry follow(const DeflateEntry* table, DeflateEntry link) noexcept {
    drop(link);
    return table[(link >> 16) + (buffer & ((1u << ((link >> 8) & 15)) - 1))];
  }
  // The length or distance of an entry; 0 for one that is none.
  HOLDALL_INLINE std::size_t value(DeflateEntry entry) noexcept {
    const std::uint64_t used = buffer & ((std::uint64_t{1} << (entry & 63)) - 1);
    drop(entry);
    return (entry >> 16) + static_cast<std::size_t>(used >> ((entry >> 8) & 63));
  }
  // Gives back whole bytes that were taken.
  void give_back() noexcept {
    next = place();
    count &= 7;
    buffer &= (1u << count) - 1;
  }
  // And passes over the rest of one that was begun.
  void align() noexcept {
    next = place();
    buffer = 0;
    count = 0;
  }
  // The first byte of which nothing is used.
  const std::byte* place() const noexcept { return next - ((count & 63) >> 3); }
};

namespace {

// One literal, or two.
HOLDALL_INLINE std::byte* put_literals(auto& bits, DeflateEntry entry, std::byte* out) noexcept {
  bits.drop(entry);
  store_le(out, static_cast<std::uint16_t>(entry >> 16));
  return out + 1 + ((entry / kDeflatePair) & 1);
}

}  // namespace

void Inflater::start() noexcept {
  buffer_ = 0;
  count_ = 0;
  place_ = Place::kBlock;
  is_final_ = false;
}

Inflater::Stop Inflater::run(InflateInput& input, InflateOutput& output) noexcept {
  Bits bits{buffer_, count_, input.next};
  Stop stop = Stop::kRoom;
  while (stop == Stop::kRoom && place_ != Place::kEnd && output.next < output.end) {
    if (place_ == Place::kBlock) {
      stop = block(bits, input);
    } else if (place_ == Place::kStored) {
      stop = stored(bits, input, output);
    } else {
      stop = codes(bits, input, output);
    }
  }
  if (stop == Stop::kRoom && place_ == Place::kEnd) {
    bits.align();
    stop = Stop::kEnd;
  }
  bits.give_back();
  input.next = bits.next;
  buffer_ = bits.buffer;
  count_ = bits.count;
  return stop;
}

// kRoom: go on.
Inflater::Stop Inflater::block(Bits& bits, const InflateInput& input) noexcept {
  if (!input.is_last && input.end - bits.next < static_cast<std::ptrdiff_t>(InflateInput::kMostLeft)) return Stop::kInput;
  bits.refill();
  is_final_ = bits.take(1) != 0;
  const unsigned kind = bits.take(2);
  Stop stop = Stop::kRoom;
  if (kind == 0) {
    stop = stored_block(bits);
  } else if (kind == 1) {
    fixed_block();
  } else if (kind == 2) {
    stop = dynamic_block(bits);
  } else {
    stop = damaged("invalid block type");
  }
  return bits.place() > input.end ? Stop::kTruncated : stop;
}

Inflater::Stop Inflater::stored_block(Bits& bits) noexcept {
  bits.align();
  const auto length = load_le<std::uint16_t>(bits.next);
  const auto inverted = load_le<std::uint16_t>(bits.next + 2);
  bits.next += 4;
  if (length != static_cast<std::uint16_t>(~inverted)) return damaged("invalid stored block lengths");
  stored_left_ = length;
  place_ = Place::kStored;
  return Stop::kRoom;
}

void Inflater::fixed_block() noexcept {
  std::array<std::uint8_t, 288> lengths;
  std::fill(lengths.begin(), lengths.begin() + 144, std::uint8_t{8});
  std::fill(lengths.begin() + 144, lengths.begin() + 256, std::uint8_t{9});
  std::fill(lengths.begin() + 256, lengths.begin() + 280, std::uint8_t{7});
  std::fill(lengths.begin() + 280, lengths.end(), std::uint8_t{8});
  (void)make_literal_table(lengths, literals_);
  std::fill_n(lengths.begin(), 32, std::uint8_t{5});
  (void)make_distance_table(std::span(lengths).first(32), distances_);
  place_ = Place::kCodes;
}

Inflater::Stop Inflater::dynamic_block(Bits& bits) noexcept {
  constexpr std::array<std::uint8_t, 19> kOrder = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
  const unsigned literals = bits.take(5) + 257;
  const unsigned distances = bits.take(5) + 1;
  const unsigned codes = bits.take(4) + 4;
  if (literals > kMostLiterals || distances > kMostDistances) return damaged("too many length or distance symbols");
  std::array<std::uint8_t, kMostLiterals + kMostDistances> lengths{};
  for (unsigned i = 0; i < codes; ++i) {
    bits.refill();
    lengths[kOrder[i]] = static_cast<std::uint8_t>(bits.take(3));
  }
  CodeTable table;
  if (!make_code_table(std::span(lengths).first(kOrder.size()), table)) return damaged("invalid code lengths set");
  std::fill_n(lengths.begin(), kOrder.size(), std::uint8_t{0});
  for (unsigned at = 0; at < literals + distances;) {
    bits.refill();
    const DeflateEntry entry = bits.look_up(table.data(), kCodeTableBits);
    bits.drop(entry);
    const unsigned symbol = entry >> 16;
    if (symbol < 16) {
      lengths[at++] = static_cast<std::uint8_t>(symbol);
      continue;
    }
    if (symbol == 16 && at == 0) return damaged("invalid bit length repeat");
    const std::uint8_t repeated = symbol == 16 ? lengths[at - 1] : std::uint8_t{0};
    const unsigned times = symbol == 16 ? 3 + bits.take(2) : symbol == 17 ? 3 + bits.take(3) : 11 + bits.take(7);
    if (times > literals + distances - at) return damaged("invalid bit length repeat");
    std::fill_n(lengths.begin() + at, times, repeated);
    at += times;
  }
  if (lengths[256] == 0) return damaged("invalid code -- missing end-of-block");
  if (!make_literal_table(std::span(lengths).first(literals), literals_)) return damaged("invalid literal/lengths set");
  if (!make_distance_table(std::span(lengths).subspan(literals, distances), distances_)) {
    return damaged("invalid distances set");
  }
  place_ = Place::kCodes;
  return Stop::kRoom;
}

Inflater::Stop Inflater::stored(Bits& bits, const InflateInput& input, InflateOutput& output) noexcept {
  const auto there = static_cast<std::size_t>(input.end - bits.next);
  const std::size_t count = std::min({std::size_t{stored_left_}, there, static_cast<std::size_t>(output.end - output.next)});
  std::memcpy(output.next, bits.next, count);
  output.next += count;
  bits.next += count;
  stored_left_ -= static_cast<std::uint32_t>(count);
  if (stored_left_ == 0) return end_of_block();
  if (bits.next < input.end) return Stop::kRoom;
  return input.is_last ? Stop::kTruncated : Stop::kInput;
}

// The loop where the time goes: whatever it needs is in variables of its own, and the next look-up is begun before a copy.
// Literals of up to three look-ups, or a copy, in each turn: 56 bits are enough for two look-ups of literals and a length, and
// for a distance and one look-up.
HOLDALL_FAST_SHIFTS Inflater::Stop Inflater::fast_codes(Bits& bits, const std::byte* input_end,
                                                        InflateOutput& output) noexcept {
  const DeflateEntry* const literals = literals_.data();
  const DeflateEntry* const distances = distances_.data();
  const std::byte* const begin = output.begin;
  const std::byte* const end = output.end;
  std::byte* out = output.next;
  Bits b = bits;
  Stop stop = Stop::kRoom;
  b.refill();
  DeflateEntry entry = b.look_up(literals, kLiteralTableBits);
  while (b.next < input_end && out < end) {
    if ((entry & kDeflateLiteral) != 0) {
      out = put_literals(b, entry, out);
      entry = b.look_up(literals, kLiteralTableBits);
      if ((entry & kDeflateLiteral) != 0) {
        out = put_literals(b, entry, out);
        entry = b.look_up(literals, kLiteralTableBits);
        if ((entry & kDeflateLiteral) != 0) {
          out = put_literals(b, entry, out);
          entry = b.look_up(literals, kLiteralTableBits);
          b.refill();
          continue;
        }
      }
    }
    if ((entry & kDeflateOther) != 0) [[unlikely]] {
      if ((entry & kDeflateLink) != 0) entry = b.follow(literals, entry);
      if ((entry & kDeflateLiteral) != 0) {
        out = put_literals(b, entry, out);
        entry = b.look_up(literals, kLiteralTableBits);
        b.refill();
        continue;
      }
      if ((entry & kDeflateOther) != 0) {
        b.drop(entry);
        stop = (entry & kDeflateEnd) != 0 ? end_of_block() : damaged(kNoLiteral);
        break;
      }
    }
    const std::size_t length = b.value(entry);
    entry = b.look_up(distances, kDistanceTableBits);
    b.refill();
    if ((entry & kDeflateOther) != 0 && (entry & kDeflateLink) != 0) entry = b.follow(distances, entry);
    const std::size_t distance = b.value(entry);
    if (distance - 1 >= static_cast<std::size_t>(out - begin)) [[unlikely]] {
      stop = damaged((entry & kDeflateOther) != 0 ? kNoDistance : kTooFar);
      break;
    }
    entry = b.look_up(literals, kLiteralTableBits);
    b.refill();
    copy_match(out, distance, length);
    out += length;
  }
  bits = b;
  output.next = out;
  return stop;
}

// One symbol, where the input may end amid it.
Inflater::Stop Inflater::last_code(Bits& bits, const InflateInput& input, InflateOutput& output) noexcept {
  Bits b = bits;
  std::byte* out = output.next;
  b.refill();
  DeflateEntry entry = b.look_up(literals_.data(), kLiteralTableBits);
  if ((entry & kDeflateOther) != 0 && (entry & kDeflateLink) != 0) entry = b.follow(literals_.data(), entry);
  Stop stop = Stop::kRoom;
  bool is_end = false;
  if ((entry & kDeflateLiteral) != 0) {
    out = put_literals(b, entry, out);
  } else if ((entry & kDeflateOther) != 0) {
    b.drop(entry);
    is_end = (entry & kDeflateEnd) != 0;
    if (!is_end) stop = damaged(kNoLiteral);
  } else {
    const std::size_t length = b.value(entry);
    b.refill();
    entry = b.look_up(distances_.data(), kDistanceTableBits);
    if ((entry & kDeflateOther) != 0 && (entry & kDeflateLink) != 0) entry = b.follow(distances_.data(), entry);
    const std::size_t distance = b.value(entry);
    if (b.place() > input.end) return Stop::kTruncated;
    if (distance - 1 >= static_cast<std::size_t>(out - output.begin)) {
      return damaged((entry & kDeflateOther) != 0 ? kNoDistance : kTooFar);
    }
    copy_match(out, distance, length);
    out += length;
  }
  if (b.place() > input.end) return Stop::kTruncated;
  bits = b;
  output.next = out;
  return is_end ? end_of_block() : stop;
}

Inflater::Stop Inflater::codes(Bits& bits, const InflateInput& input, InflateOutput& output) noexcept {
  if (input.end - bits.next > kFastInput) return fast_codes(bits, input.end - kFastInput, output);
  if (!input.is_last) return Stop::kInput;
  return last_code(bits, input, output);
}

Inflater::Stop Inflater::damaged(const char* what) noexcept {
  fault_ = what;
  return Stop::kDamaged;
}

inline Inflater::Stop Inflater::end_of_block() noexcept {
  place_ = is_final_ ? Place::kEnd : Place::kBlock;
  return Stop::kRoom;
}

}  // namespace holdall
