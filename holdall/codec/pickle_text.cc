#include "holdall/codec/pickle_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <system_error>
#include <vector>

#include "holdall/base/utf8.h"

namespace holdall::pickle_text {
namespace {

constexpr std::uint32_t kBillion = 1'000'000'000;

bool is_space(char c) noexcept { return c == ' ' || (c >= '\t' && c <= '\r'); }

// C strings end at their first NUL.
std::string_view c_string(std::string_view text) noexcept { return text.substr(0, text.find('\0')); }

int digit_of(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'z') return c - 'a' + 10;
  if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
  return 99;
}

unsigned byte_of(char c) noexcept { return static_cast<unsigned char>(c); }

// Decimal digits of a magnitude in 32-bit limbs, lowest first; the limbs are used up.
std::string decimal_of_limbs(std::vector<std::uint32_t> limbs) {
  std::vector<std::uint32_t> groups;
  while (!limbs.empty()) {
    std::uint64_t rest = 0;
    for (std::size_t i = limbs.size(); i-- > 0;) {
      rest = (rest << 32) | limbs[i];
      limbs[i] = static_cast<std::uint32_t>(rest / kBillion);
      rest %= kBillion;
    }
    groups.push_back(static_cast<std::uint32_t>(rest));
    while (!limbs.empty() && limbs.back() == 0) limbs.pop_back();
  }
  if (groups.empty()) return "0";
  std::string digits = std::to_string(groups.back());
  for (std::size_t i = groups.size() - 1; i-- > 0;) {
    const std::string part = std::to_string(groups[i]);
    digits.append(9 - part.size(), '0');
    digits += part;
  }
  return digits;
}

// The digits of `text` without single underscores between them; empty when anything else stands there.
std::optional<std::string> plain_digits(std::string_view text, int base) {
  std::string digits;
  char before = '_';
  for (const char c : text) {
    if (c == '_') {
      if (before == '_') return std::nullopt;
    } else if (digit_of(c) < base) {
      digits.push_back(c);
    } else {
      return std::nullopt;
    }
    before = c;
  }
  if (before == '_') return std::nullopt;
  return digits;
}

}  // namespace

std::optional<std::string> integer(std::string_view text, int base) {
  text = c_string(text);
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  bool negative = false;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  bool zero_only = false;
  unsigned bits = 0;
  if (base == 0) {
    base = 10;
    if (text.size() > 1 && text[0] == '0') {
      const char mark = static_cast<char>(text[1] | 0x20);
      if (mark == 'x') bits = 4;
      if (mark == 'o') bits = 3;
      if (mark == 'b') bits = 1;
      if (bits != 0) {
        base = 1 << bits;
        text.remove_prefix(2);
        if (text.size() > 1 && text[0] == '_') text.remove_prefix(1);
      } else {
        zero_only = true;
      }
    }
  }
  const auto digits = plain_digits(text, base);
  if (!digits) return std::nullopt;
  std::string decimal;
  if (bits != 0) {
    decimal = decimal_of_digits(*digits, bits);
  } else {
    decimal = digits->substr(std::min(digits->find_first_not_of('0'), digits->size() - 1));
  }
  if (zero_only && decimal != "0") return std::nullopt;
  if (negative && decimal != "0") decimal.insert(decimal.begin(), '-');
  return decimal;
}

std::optional<IntOperand> int_operand(std::string_view line) {
  const std::string_view whole = c_string(line);
  std::string_view text = whole;
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  const bool negative = !text.empty() && text.front() == '-';
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  int base = 10;
  if (text.size() > 2 && text[0] == '0' && (text[1] | 0x20) == 'x' && digit_of(text[2]) < 16) {
    base = 16;
    text.remove_prefix(2);
  } else if (!text.empty() && text[0] == '0') {
    base = 8;
  }
  std::uint64_t magnitude = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), magnitude, base);
  const std::uint64_t most = (std::uint64_t{1} << 63) - (negative ? 0 : 1);
  if (whole.empty() || (error == std::errc() && stop == text.data() + text.size() && magnitude <= most)) {
    const bool boolean = line.size() == 2 && magnitude <= (negative ? 0 : 1);
    std::string decimal = std::to_string(magnitude);
    if (negative && magnitude != 0) decimal.insert(decimal.begin(), '-');
    return IntOperand{std::move(decimal), boolean};
  }
  auto decimal = integer(whole, 0);
  if (!decimal) return std::nullopt;
  return IntOperand{*std::move(decimal), false};
}

std::optional<double> real(std::string_view text) {
  text = c_string(text);
  if (!text.empty() && text.front() == '+') {
    text.remove_prefix(1);
    if (!text.empty() && text.front() == '-') return std::nullopt;
  }
  if (text.empty() || text.find('(') != std::string_view::npos) return std::nullopt;
  double value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (stop != text.data() + text.size()) return std::nullopt;
  if (error == std::errc()) return value;
  if (error != std::errc::result_out_of_range) return std::nullopt;
  // Beyond the range of double: tell too large from too small by the place of the first digit that is not 0.
  const bool negative = text.front() == '-';
  const std::size_t mark = text.find_first_of("eE");
  const std::string_view digits = text.substr(0, mark);
  const std::size_t first = digits.find_first_of("123456789");
  if (first == std::string_view::npos) return negative ? -0.0 : 0.0;
  const std::size_t point = std::min(digits.find('.'), digits.size());
  if (mark == std::string_view::npos) return first > point ? std::optional<double>(negative ? -0.0 : 0.0) : std::nullopt;
  // An exponent that alone overflows 64 bits decides; else it is moved by the place of the first digit.
  std::string_view power = text.substr(mark + 1);
  if (!power.empty() && power.front() == '+') power.remove_prefix(1);
  std::int64_t exponent = 0;
  const auto parsed = std::from_chars(power.data(), power.data() + power.size(), exponent);
  bool large = !power.empty() && power.front() != '-';
  if (parsed.ec == std::errc()) {
    constexpr std::int64_t kFar = std::int64_t{1} << 60;
    exponent = std::clamp(exponent, -kFar, kFar);
    large = exponent + static_cast<std::int64_t>(point) - static_cast<std::int64_t>(first) > 0;
  }
  if (large) return std::nullopt;
  return negative ? -0.0 : 0.0;
}

namespace {

// One escape of Python 2 behind its backslash; returns the characters used, 0 for a bad one.
std::size_t unescape(std::string_view rest, std::string& out) {
  constexpr std::string_view kNames = "\\'\"abfnrtv";
  constexpr std::string_view kMeanings = "\\'\"\a\b\f\n\r\t\v";
  const char c = rest.front();
  if (c == '\n') return 1;
  if (const std::size_t place = kNames.find(c); place != std::string_view::npos) {
    out.push_back(kMeanings[place]);
    return 1;
  }
  if (c == 'x') {
    if (rest.size() < 3 || digit_of(rest[1]) > 15 || digit_of(rest[2]) > 15) return 0;
    out.push_back(static_cast<char>(digit_of(rest[1]) * 16 + digit_of(rest[2])));
    return 3;
  }
  std::size_t used = 0;
  int value = 0;
  while (used < 3 && used < rest.size() && rest[used] >= '0' && rest[used] <= '7') value = value * 8 + (rest[used++] - '0');
  if (used > 0) {
    out.push_back(static_cast<char>(value));
    return used;
  }
  out.push_back('\\');
  out.push_back(c);
  return 1;
}

}  // namespace

std::optional<std::string> quoted(std::string_view line) {
  if (line.size() < 2 || line.front() != line.back() || (line.front() != '\'' && line.front() != '"')) return std::nullopt;
  line = line.substr(1, line.size() - 2);
  std::string out;
  out.reserve(line.size());
  while (!line.empty()) {
    const std::size_t plain = std::min(line.find('\\'), line.size());
    out.append(line.substr(0, plain));
    line.remove_prefix(plain);
    if (line.empty()) break;
    line.remove_prefix(1);
    const std::size_t used = line.empty() ? 0 : unescape(line, out);
    if (used == 0) return std::nullopt;
    line.remove_prefix(used);
  }
  return out;
}

std::optional<std::string> raw_unicode(std::string_view line) {
  std::string out;
  out.reserve(line.size());
  for (std::size_t i = 0; i < line.size();) {
    const char c = line[i++];
    if (c != '\\' || i == line.size()) {
      append_utf8(out, byte_of(c));
      continue;
    }
    const char mark = line[i++];
    if (mark != 'u' && mark != 'U') {
      out.push_back('\\');
      append_utf8(out, byte_of(mark));
      continue;
    }
    std::uint32_t point = 0;
    for (int left = mark == 'u' ? 4 : 8; left > 0; --left) {
      if (i == line.size() || digit_of(line[i]) > 15) return std::nullopt;
      point = point * 16 + static_cast<std::uint32_t>(digit_of(line[i++]));
    }
    if (point > 0x10FFFF) return std::nullopt;
    append_utf8(out, point);
  }
  return out;
}

std::string decimal_of(std::string_view two_complement) {
  if (two_complement.empty()) return "0";
  const bool negative = (byte_of(two_complement.back()) & 0x80) != 0;
  std::vector<std::uint32_t> limbs((two_complement.size() + 3) / 4, negative ? 0xFFFFFFFFu : 0u);
  for (std::size_t i = 0; i < two_complement.size(); ++i) {
    const unsigned shift = 8 * static_cast<unsigned>(i % 4);
    limbs[i / 4] = (limbs[i / 4] & ~(0xFFu << shift)) | (byte_of(two_complement[i]) << shift);
  }
  if (negative) {
    bool carry = true;
    for (std::uint32_t& limb : limbs) {
      limb = ~limb + (carry ? 1u : 0u);
      carry = carry && limb == 0;
    }
    if (carry) limbs.push_back(1);
  }
  while (!limbs.empty() && limbs.back() == 0) limbs.pop_back();
  std::string decimal = decimal_of_limbs(std::move(limbs));
  if (negative) decimal.insert(decimal.begin(), '-');
  return decimal;
}

std::string two_complement_of(std::string_view decimal) {
  const bool negative = !decimal.empty() && decimal.front() == '-';
  if (negative) decimal.remove_prefix(1);
  std::vector<std::uint32_t> limbs;
  for (std::size_t i = 0; i < decimal.size();) {
    const std::size_t count = (decimal.size() - i) % 9 == 0 ? 9 : (decimal.size() - i) % 9;
    std::uint32_t group = 0;
    std::uint32_t scale = 1;
    for (const char c : decimal.substr(i, count)) {
      group = group * 10 + static_cast<std::uint32_t>(c - '0');
      scale *= 10;
    }
    std::uint64_t carry = group;
    for (std::uint32_t& limb : limbs) {
      carry += std::uint64_t{limb} * scale;
      limb = static_cast<std::uint32_t>(carry);
      carry >>= 32;
    }
    if (carry != 0) limbs.push_back(static_cast<std::uint32_t>(carry));
    i += count;
  }
  if (limbs.empty()) return {};
  limbs.push_back(0);
  if (negative) {
    bool carry = true;
    for (std::uint32_t& limb : limbs) {
      limb = ~limb + (carry ? 1u : 0u);
      carry = carry && limb == 0;
    }
  }
  std::string bytes;
  for (const std::uint32_t limb : limbs)
    for (unsigned shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(limb >> shift));
  const char fill = negative ? '\xFF' : '\0';
  while (bytes.size() > 1 && bytes.back() == fill && ((byte_of(bytes[bytes.size() - 2]) & 0x80) != 0) == negative)
    bytes.pop_back();
  return bytes;
}

std::string decimal_of_digits(std::string_view digits, unsigned bits_per_digit) {
  std::vector<std::uint32_t> limbs;
  std::uint64_t held = 0;
  unsigned bits = 0;
  for (std::size_t i = digits.size(); i-- > 0;) {
    held |= static_cast<std::uint64_t>(digit_of(digits[i])) << bits;
    bits += bits_per_digit;
    if (bits >= 32) {
      limbs.push_back(static_cast<std::uint32_t>(held));
      held >>= 32;
      bits -= 32;
    }
  }
  limbs.push_back(static_cast<std::uint32_t>(held));
  while (!limbs.empty() && limbs.back() == 0) limbs.pop_back();
  return decimal_of_limbs(std::move(limbs));
}

}  // namespace holdall::pickle_text
