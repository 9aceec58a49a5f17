// The Huffman codes of DEFLATE (RFC 1951, 3.2): tables that a decoder looks its next bits up in.
//
// Thread-safety: pure functions. Ownership: tables are the caller's.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace holdall {

// What a table says of the next bits: which ones are used up, and what they stand for.
//   bits  0-5   how many are used up, those of the code and the extra ones behind it
//   bits  8-11  how many of them are the code's; of a link: the bits that index the table it leads to
//   bits 13-15  what it is, see below; none of them: a length or a distance
//   bits 16-31  the literal, or two of them; the base of the length or distance; where the table of a link begins
using DeflateEntry = std::uint32_t;
inline constexpr DeflateEntry kDeflateLiteral = 1u << 15;
inline constexpr DeflateEntry kDeflatePair = 1u << 13;   // of a literal: two in one
inline constexpr DeflateEntry kDeflateOther = 1u << 14;  // of no literal: a link, the end of the block, or no code at all
inline constexpr DeflateEntry kDeflateLink = 1u << 13;   // of another: a code longer than the table's index goes on there
inline constexpr DeflateEntry kDeflateEnd = 1u << 12;    // of another: the end of the block

// Bits that index the tables. The sizes are the most that any code of 286 (30) symbols of up to 15 bits can need, see zlib's
// `enough`.
inline constexpr unsigned kLiteralTableBits = 11;
inline constexpr unsigned kDistanceTableBits = 8;
inline constexpr unsigned kCodeTableBits = 7;
using LiteralTable = std::array<DeflateEntry, 2342>;
using DistanceTable = std::array<DeflateEntry, 402>;
using CodeTable = std::array<DeflateEntry, 1u << kCodeTableBits>;

// Makes the table of a code, given the length of each symbol's, 0 for none: of literals and lengths, of distances, of the
// lengths of codes themselves (an entry's payload is the symbol). False where the lengths make no code that zlib takes: more
// codes than there are, fewer (but for one of a single bit, or none at all), no end of the block.
bool make_literal_table(std::span<const std::uint8_t> lengths, LiteralTable& table) noexcept;
bool make_distance_table(std::span<const std::uint8_t> lengths, DistanceTable& table) noexcept;
bool make_code_table(std::span<const std::uint8_t> lengths, CodeTable& table) noexcept;

}  // namespace holdall
