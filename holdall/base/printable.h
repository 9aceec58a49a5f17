// Other people's texts made safe to show: names from files can then neither steer a terminal, nor break a line into two, nor
// turn the text around them.
//
// Thread-safety and ownership: pure.
#pragma once

#include <string>
#include <string_view>

namespace holdall {

struct Rune {
  char32_t code = 0;
  unsigned bytes = 1;
  bool valid = false;
};

// The character at the start of a text that is not empty; one invalid byte where it is not UTF-8 (RFC 3629).
Rune first_rune(std::string_view text) noexcept;

// The text with control characters, bidirectional overrides and bytes that are not UTF-8 as \n, \t, \x1b, \u202e.
std::string printable(std::string_view text);

}  // namespace holdall
