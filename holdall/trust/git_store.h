// What git keeps in `.git`: copies of what lies beside it, packed, and its own lists.
//
// Thread-safety: pure. Ownership: none.
#pragma once

#include <string_view>

#include "holdall/io/source.h"

namespace holdall {

// Whether a path leads through a folder `.git`.
bool is_of_git(std::string_view name) noexcept;

// Whether a file below a folder `.git` begins as packs, their indexes, the index of the working tree, or an object (a zlib
// stream of "blob 12\0" and what it holds) do: no loader of models gets further than that. Memory: of a decoder.
bool is_git_store(const SourceRef& source);

}  // namespace holdall
