// Which files a checkpoint consists of, from whatever of it was named: the index, the prefix, a data file, the state file
// `checkpoint`, or the folder.
//
// Thread-safety: free functions. Ownership: results share the bundle's sources.
#pragma once

#include <string>
#include <vector>

#include "holdall/io/bundle.h"

namespace holdall::tf_checkpoint {

struct Located {
  Bundle index;        // a file: a V2 index, or a V1 checkpoint
  std::string folder;  // "" or "name/": where it lies, from the path that was given
  std::vector<std::string> warnings;
};

// Of a folder without a state file the index with the highest number at its name's end. A state file's paths are looked for
// beside it, wherever they say that they are. Errors: not found, io, limit.
Result<Located> locate(const Bundle& bundle);

// "ckpt-1.index" → "ckpt-1"; any other name is its own prefix.
std::string_view prefix_of(std::string_view index_name) noexcept;
// "ckpt-1.data-00000-of-00001"
std::string data_name(std::string_view prefix, std::uint64_t shard, std::uint64_t shards);
// The prefix of such a name; empty where it is none.
std::string_view prefix_of_data(std::string_view name) noexcept;
bool is_state_file(std::string_view head) noexcept;

}  // namespace holdall::tf_checkpoint
