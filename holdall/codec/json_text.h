// The lexical rules that the JSON reader and writer share. For codec/json alone.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "holdall/base/endian.h"

namespace holdall::json_text {

// The bytes that a string holds as they are: neither a control, nor '"', nor '\', nor part of a longer UTF-8 sequence.
inline constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> table{};
  for (std::size_t c = 0x20; c < 0x80; ++c) table[c] = c != '"' && c != '\\';
  return table;
}();

inline bool is_plain(char c) noexcept { return kPlain[static_cast<unsigned char>(c)]; }
inline bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

// Whether any of eight bytes is not plain ("Bit Twiddling Hacks", hasless and haszero).
inline bool any_special(std::uint64_t word) noexcept {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kTops = 0x8080808080808080;
  const auto has_zero = [](std::uint64_t x) { return (x - kOnes) & ~x & kTops; };
  const std::uint64_t controls = (word - kOnes * 0x20) & ~word & kTops;
  return (controls | has_zero(word ^ kOnes * '"') | has_zero(word ^ kOnes * '\\') | (word & kTops)) != 0;
}

inline std::size_t plain_run(std::string_view text, std::size_t at) noexcept {
  while (at + 8 <= text.size() && !any_special(load_le<std::uint64_t>(text.data() + at))) at += 8;
  while (at < text.size() && is_plain(text[at])) ++at;
  return at;
}

// The end of the number that starts at `at`, and whether it is an integer; empty where the grammar is broken, at `*broken`.
struct NumberEnd {
  std::size_t end = 0;
  bool integer = true;
};
inline std::optional<NumberEnd> scan_number(std::string_view text, std::size_t at, std::size_t* broken) {
  const auto digits = [&](std::size_t from) {
    while (from < text.size() && is_digit(text[from])) ++from;
    return from;
  };
  const auto is = [&](std::size_t i, char c) { return i < text.size() && text[i] == c; };
  if (is(at, '-')) ++at;
  std::size_t end = is(at, '0') ? at + 1 : digits(at);
  *broken = end;
  if (end == at || (end < text.size() && is_digit(text[end]))) return std::nullopt;
  NumberEnd number{end, true};
  if (is(end, '.')) {
    number.integer = false;
    number.end = *broken = digits(end + 1);
    if (number.end == end + 1) return std::nullopt;
    end = number.end;
  }
  if (is(end, 'e') || is(end, 'E')) {
    number.integer = false;
    ++end;
    if (is(end, '+') || is(end, '-')) ++end;
    number.end = *broken = digits(end);
    if (number.end == end) return std::nullopt;
  }
  return number;
}

}  // namespace holdall::json_text
