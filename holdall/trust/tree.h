// Tree: files by their relative paths, whether a folder of this machine or an archive keeps them.
//
// Thread-safety: immutable. Ownership: opens through what made it, which outlives it.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/io/bundle.h"

namespace holdall {

struct Tree {
  std::string prefix;                                       // of what a file of it is called: "folder/", "archive.zip!"
  std::vector<std::string> names;                           // with '/', sorted
  std::function<Result<SourceRef>(std::string_view)> open;  // errors: not found, those of the archive

  bool has(std::string_view name) const { return std::binary_search(names.begin(), names.end(), name); }
};

// Precondition: a bundle of a folder.
inline Tree tree_of(const Bundle& folder) {
  return {folder.path() + "/", folder.names(), [&folder](std::string_view name) { return folder.open_part(name); }};
}

}  // namespace holdall
