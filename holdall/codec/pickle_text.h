// The operands that pickles hold as text, read as CPython reads them; and integers as bytes in two's complement.
//
// All are functions of their arguments. Empty results: CPython would raise.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace holdall::pickle_text {

// More digits than these are refused (limit) wherever an integer is read: turning them into decimal takes quadratic time.
inline constexpr std::size_t kMostIntegerBytes = 1024;

// A Python integer literal as PyLong_FromString(s, base) takes it: white space around, sign, underscores between digits; for
// base 0 the prefixes 0x, 0o, 0b and no needless zeros in front. The result is decimal, without '+' and leading zeros.
std::optional<std::string> integer(std::string_view text, int base);
// The operand of INT: strtol with base 0 first (so 010 is 8), then integer(). "00" and "01" are booleans.
struct IntOperand {
  std::string decimal;
  bool boolean = false;
};
std::optional<IntOperand> int_operand(std::string_view line);
// PyOS_string_to_double: no white space, "inf", "nan"; out of range upwards is empty.
std::optional<double> real(std::string_view text);
// The operand of STRING: quotes around, Python 2's escapes inside (PyBytes_DecodeEscape).
std::optional<std::string> quoted(std::string_view line);
// The operand of UNICODE (raw-unicode-escape), as UTF-8 in which surrogates may stand alone.
std::optional<std::string> raw_unicode(std::string_view line);

// Little-endian two's complement to decimal, and back with the fewest bytes (none for 0), as LONG1 holds integers.
std::string decimal_of(std::string_view two_complement);
std::string two_complement_of(std::string_view decimal);
// Parses digits of a base of 2, 8 or 16 (no sign) to decimal.
std::string decimal_of_digits(std::string_view digits, unsigned bits_per_digit);

}  // namespace holdall::pickle_text
