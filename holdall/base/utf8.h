// UTF-8: well-formed sequences as Unicode's table 3-7 has them, without overlong forms and nothing beyond U+10FFFF. Surrogates,
// which Python's texts may hold alone, are taken only where they are asked for.
//
// Thread-safety and ownership: pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace holdall {

enum class Surrogates : std::uint8_t { kRefused, kTaken };

bool is_ascii(std::string_view text) noexcept;
bool is_utf8(std::string_view text, Surrogates surrogates = Surrogates::kRefused) noexcept;
// The length of the well-formed sequence that `text` starts with; 0 when it starts with none. Precondition: not empty.
std::size_t utf8_length(std::string_view text, Surrogates surrogates = Surrogates::kRefused) noexcept;
// Takes one code point, which may be a surrogate, off the front; empty for anything else. Precondition: not empty.
std::optional<std::uint32_t> take_code_point(std::string_view& text) noexcept;
// Precondition: at most U+10FFFF.
void append_utf8(std::string& text, std::uint32_t point);

}  // namespace holdall
