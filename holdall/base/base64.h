// Base64 (RFC 4648, section 4) with padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace holdall {

std::string to_base64(std::string_view data);
// Empty for a text that to_base64() would not have written.
std::optional<std::string> from_base64(std::string_view text);
// As Python's base64.b64decode() takes it: what is not of the alphabet is passed over, and nothing is read behind the end that
// `=` makes. Bits that fill no byte are dropped.
std::string from_loose_base64(std::string_view text);

}  // namespace holdall
