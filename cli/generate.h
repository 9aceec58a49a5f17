// Generate: the manual page and the shells' completions, by the flag table.
//
// Thread-safety: pure. Ownership: the result is an owned text.
#pragma once

#include <string>
#include <string_view>

namespace holdall::cli {

// "man", "bash", "zsh" or "fish". Precondition: one of these.
std::string generate(std::string_view kind);

}  // namespace holdall::cli
