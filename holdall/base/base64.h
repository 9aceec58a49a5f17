// Base64 (RFC 4648, section 4) with padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace holdall {

std::string to_base64(std::string_view data);
// Empty for a text that to_base64() would not have written.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace holdall
