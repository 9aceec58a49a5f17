// Whether a name is one of a short list.
//
// Thread-safety: pure. Ownership: none.
#pragma once

#include <algorithm>
#include <iterator>
#include <string_view>

namespace holdall {

// `names`: anything with begin() and end() over texts, or an array of them.
template <class Names>
bool is_among(const Names& names, std::string_view name) noexcept {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

}  // namespace holdall
