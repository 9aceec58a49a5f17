// Letters of ASCII.
//
// Thread-safety: pure. Ownership: none.
#pragma once

#include <string>
#include <string_view>

namespace holdall {

// The text with A to Z as a to z; every other byte as it is.
inline std::string ascii_lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

}  // namespace holdall
