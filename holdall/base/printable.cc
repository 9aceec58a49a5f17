#include "holdall/base/printable.h"

#include <algorithm>

#include "holdall/base/text.h"

namespace holdall {
namespace {

// What must never reach a terminal or a line as it is: controls, line and paragraph separators, bidirectional marks.
bool is_unsafe(char32_t code) noexcept {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x061c || code == 0x200e || code == 0x200f ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

std::string escaped(const Rune& rune, char byte) {
  if (!rune.valid || rune.code < 0x100) {
    if (byte == '\n') return "\\n";
    if (byte == '\t') return "\\t";
    if (byte == '\r') return "\\r";
    return text("\\x{:02x}", rune.valid ? static_cast<unsigned>(rune.code) : static_cast<unsigned char>(byte));
  }
  return text("\\u{:04x}", static_cast<unsigned>(rune.code));
}

}  // namespace

Rune first_rune(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const unsigned bytes = lead >= 0xf0 && lead < 0xf5   ? 4
                         : lead >= 0xe0 && lead < 0xf0 ? 3
                         : lead >= 0xc2 && lead < 0xe0 ? 2
                                                       : 0;
  if (bytes == 0 || text.size() < bytes) return {};
  char32_t code = lead & (0x7fU >> bytes);
  for (unsigned i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3fU);
  }
  const bool overlong = (bytes == 3 && code < 0x800) || (bytes == 4 && code < 0x10000);
  if (overlong || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return {};
  return {code, bytes, true};
}

std::string printable(std::string_view text) {
  const auto plain = [](char c) { return c >= 0x20 && c < 0x7f; };
  if (std::ranges::all_of(text, plain)) return std::string(text);
  std::string out;
  while (!text.empty()) {
    const Rune rune = first_rune(text);
    if (rune.valid && !is_unsafe(rune.code)) {
      out += text.substr(0, rune.bytes);
    } else {
      out += escaped(rune, text.front());
    }
    text.remove_prefix(rune.bytes);
  }
  return out;
}

}  // namespace holdall
