#include "holdall/base/base64.h"

#include <array>
#include <cstdint>

namespace holdall {
namespace {

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNone = 64;

constexpr std::array<std::uint8_t, 256> kValues = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNone);
  for (std::size_t i = 0; i < kDigits.size(); ++i)
    values[static_cast<unsigned char>(kDigits[i])] = static_cast<std::uint8_t>(i);
  return values;
}();

}  // namespace

std::string to_base64(std::string_view data) {
  std::string text;
  text.reserve((data.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < data.size(); i += 3) {
    const auto byte = [&](std::size_t at) { return at < data.size() ? static_cast<unsigned char>(data[at]) : 0u; };
    const std::uint32_t group = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    text += kDigits[group >> 18];
    text += kDigits[group >> 12 & 63];
    text += i + 1 < data.size() ? kDigits[group >> 6 & 63] : '=';
    text += i + 2 < data.size() ? kDigits[group & 63] : '=';
  }
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string data;
  data.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    std::size_t digits = 4;
    if (i + 4 == text.size() && text[i + 3] == '=') digits = text[i + 2] == '=' ? 2 : 3;
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 4; ++j) {
      const std::uint8_t value = j < digits ? kValues[static_cast<unsigned char>(text[i + j])] : std::uint8_t{0};
      if (value == kNone) return std::nullopt;
      group = group << 6 | value;
    }
    // What padding cuts off must be zero: every text has one meaning, every data one text.
    if ((digits == 3 && (group & 0xFF) != 0) || (digits == 2 && (group & 0xFFFF) != 0)) return std::nullopt;
    for (std::size_t j = 0; j + 1 < digits; ++j) data += static_cast<char>(static_cast<unsigned char>(group >> (16 - 8 * j)));
  }
  return data;
}

std::string from_loose_base64(std::string_view text) {
  std::string data;
  data.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  unsigned held = 0, pads = 0;  // digits of a group, and what stands for missing ones
  for (const char c : text) {
    if (c == '=' && held >= 2 && held + ++pads >= 4) break;
    const std::uint8_t value = kValues[static_cast<unsigned char>(c)];
    if (value == kNone) continue;
    pads = 0;
    bits = bits << 6 | value;
    if (++held > 1) data.push_back(static_cast<char>(bits >> (8 - 2 * held) & 0xff));
    held %= 4;
  }
  return data;
}

}  // namespace holdall
