#include "holdall/codec/deflate_codes.h"

#include <algorithm>

namespace holdall {
namespace {

constexpr unsigned kMostLength = 15;
constexpr unsigned kEndOfBlock = 256;

// What a symbol means, and how many extra bits follow its code.
struct Meaning {
  std::uint16_t base = 0;
  std::uint8_t extra = 0;
};

constexpr std::array<Meaning, 29> kLengths = {{{3, 0},   {4, 0},   {5, 0},   {6, 0},   {7, 0},  {8, 0},  {9, 0},  {10, 0},
                                               {11, 1},  {13, 1},  {15, 1},  {17, 1},  {19, 2}, {23, 2}, {27, 2}, {31, 2},
                                               {35, 3},  {43, 3},  {51, 3},  {59, 3},  {67, 4}, {83, 4}, {99, 4}, {115, 4},
                                               {131, 5}, {163, 5}, {195, 5}, {227, 5}, {258, 0}}};
constexpr std::array<Meaning, 30> kDistances = {
    {{1, 0},    {2, 0},    {3, 0},     {4, 0},     {5, 1},     {7, 1},     {9, 2},     {13, 2},     {17, 3},     {25, 3},
     {33, 4},   {49, 4},   {65, 5},    {97, 5},    {129, 6},   {193, 6},   {257, 7},   {385, 7},    {513, 8},    {769, 8},
     {1025, 9}, {1537, 9}, {2049, 10}, {3073, 10}, {4097, 11}, {6145, 11}, {8193, 12}, {12289, 12}, {16385, 13}, {24577, 13}}};

// An entry without its bits: payload and flags; the extra bits in place of those used up.
DeflateEntry of_length(unsigned symbol) noexcept {
  if (symbol < kEndOfBlock) return kDeflateLiteral | (symbol << 16);
  if (symbol == kEndOfBlock) return kDeflateOther | kDeflateEnd;
  if (symbol - kEndOfBlock > kLengths.size()) return kDeflateOther;
  const Meaning meaning = kLengths[symbol - kEndOfBlock - 1];
  return (DeflateEntry{meaning.base} << 16) | meaning.extra;
}
DeflateEntry of_distance(unsigned symbol) noexcept {
  if (symbol >= kDistances.size()) return kDeflateOther;
  return (DeflateEntry{kDistances[symbol].base} << 16) | kDistances[symbol].extra;
}
DeflateEntry of_code(unsigned symbol) noexcept { return symbol << 16; }

DeflateEntry with_bits(DeflateEntry entry, unsigned bits) noexcept { return (entry + bits) | (bits << 8); }

unsigned reversed(unsigned code, unsigned bits) noexcept {
  unsigned result = 0;
  for (unsigned i = 0; i < bits; ++i) result |= ((code >> i) & 1u) << (bits - 1 - i);
  return result;
}

// The symbols in the order of their codes, and how many codes have each length.
struct Code {
  std::array<std::uint16_t, kMostLength + 1> count{};
  std::array<std::uint16_t, 288> symbols{};
  unsigned used = 0;
  unsigned longest = 0;

  explicit Code(std::span<const std::uint8_t> lengths) noexcept {
    for (const std::uint8_t length : lengths) ++count[length];
    count[0] = 0;
    std::array<std::uint16_t, kMostLength + 2> next{};
    for (unsigned length = 1; length <= kMostLength; ++length) {
      next[length + 1] = static_cast<std::uint16_t>(next[length] + count[length]);
      if (count[length] != 0) longest = length;
    }
    used = next[kMostLength + 1];
    for (unsigned symbol = 0; symbol < lengths.size(); ++symbol)
      if (lengths[symbol] != 0) symbols[next[lengths[symbol]]++] = static_cast<std::uint16_t>(symbol);
  }

  // How much of the codes' space is free; negative where they overlap.
  int left() const noexcept {
    int space = 1;
    for (unsigned length = 1; length <= kMostLength; ++length) {
      space = 2 * space - count[length];
      if (space < 0) return space;
    }
    return space;
  }
};

template <class Table>
void fill(Table& table, unsigned index_bits, unsigned from, unsigned step, DeflateEntry entry) noexcept {
  for (unsigned i = from; i < 1u << index_bits; i += step) table[i] = entry;
}

// Codes longer than the index: those that begin alike share a table, as large as the longest of them wants.
template <class Table, class Of>
class Builder {
 public:
  Builder(const Code& code, Table& table, unsigned index_bits, Of of) noexcept
      : code_(code), table_(table), index_bits_(index_bits), of_(of), end_(1u << index_bits) {}

  void run() noexcept {
    fill(table_, index_bits_, 0, 1, kDeflateOther);
    unsigned next = 0;  // the code, its first bit the highest
    unsigned symbol = 0;
    for (unsigned length = 1; length <= code_.longest; ++length, next <<= 1) {
      for (unsigned i = 0; i < code_.count[length]; ++i, ++next, ++symbol) {
        const unsigned code = reversed(next, length);
        const DeflateEntry entry = of_(code_.symbols[symbol]);
        if (length <= index_bits_) {
          fill(table_, index_bits_, code, 1u << length, with_bits(entry, length));
        } else {
          put_long(code, length, code_.count[length] - i, entry);
        }
      }
    }
  }

 private:
  void put_long(unsigned code, unsigned length, unsigned left, DeflateEntry entry) noexcept {
    const unsigned prefix = code & ((1u << index_bits_) - 1);
    if (prefix != prefix_) {
      prefix_ = prefix;
      begin_ = end_;
      bits_ = length - index_bits_;
      for (unsigned space = left; space < 1u << bits_;) space = 2 * space + code_.count[index_bits_ + ++bits_];
      end_ = begin_ + (1u << bits_);
      table_[prefix] = kDeflateOther | kDeflateLink | (begin_ << 16) | (bits_ << 8) | index_bits_;
    }
    const unsigned rest = length - index_bits_;
    for (unsigned i = code >> index_bits_; i < 1u << bits_; i += 1u << rest) table_[begin_ + i] = with_bits(entry, rest);
  }

  const Code& code_;
  Table& table_;
  unsigned index_bits_;
  Of of_;
  unsigned end_;  // of what is used of the table
  unsigned prefix_ = UINT32_MAX;
  unsigned begin_ = 0;
  unsigned bits_ = 0;
};

template <class Table, class Of>
void build(const Code& code, Table& table, unsigned index_bits, Of of) noexcept {
  Builder<Table, Of>(code, table, index_bits, of).run();
}

// One look-up gives two literals where both codes lie within the index.
void pair_literals(LiteralTable& table) noexcept {
  constexpr DeflateEntry kLiteralMask = kDeflateLiteral | kDeflatePair;
  for (unsigned i = 1u << kLiteralTableBits; i-- > 0;) {
    const DeflateEntry first = table[i];
    if ((first & kDeflateLiteral) == 0) continue;
    const unsigned bits = first & 0xff;
    const DeflateEntry second = table[i >> bits];
    if ((second & kLiteralMask) != kDeflateLiteral || bits + (second & 0xff) > kLiteralTableBits) continue;
    table[i] = (first & 0x00ff'0000) | ((second & 0x00ff'0000) << 8) | kLiteralMask | (bits + (second & 0xff));
  }
}

bool is_code(const Code& code) noexcept {
  const int left = code.left();
  return left == 0 || (left > 0 && code.longest <= 1);
}

}  // namespace

bool make_literal_table(std::span<const std::uint8_t> lengths, LiteralTable& table) noexcept {
  const Code code(lengths);
  if (lengths[kEndOfBlock] == 0 || !is_code(code)) return false;
  build(code, table, kLiteralTableBits, of_length);
  pair_literals(table);
  return true;
}

bool make_distance_table(std::span<const std::uint8_t> lengths, DistanceTable& table) noexcept {
  const Code code(lengths);
  if (!is_code(code)) return false;
  build(code, table, kDistanceTableBits, of_distance);
  return true;
}

bool make_code_table(std::span<const std::uint8_t> lengths, CodeTable& table) noexcept {
  const Code code(lengths);
  if (code.left() != 0) return false;
  build(code, table, kCodeTableBits, of_code);
  return true;
}

}  // namespace holdall
