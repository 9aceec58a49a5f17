// Which files of a Hugging Face folder are what: weights, other forms of the same weights, and everything beside them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/formats/format.h"

namespace holdall::huggingface {

// The weights of one module of a folder: of the model itself, or of a part that has a subfolder of its own.
struct Weights {
  std::string folder;              // "" or "2_Dense/"
  std::vector<std::string> files;  // to be opened, relative to `folder`: one, or shards that have no index
};

struct Layout {
  std::vector<Weights> weights;  // the model's own first; empty: there are none
  std::vector<std::string> warnings;
};

Result<Layout> lay_out(const Bundle& bundle);
// Whether a file (its name without folders) has the name of weights in some framework's form, shards and indices included.
bool is_weights_name(std::string_view name) noexcept;
// Files that are no part of a model: the workings of git and of download caches.
bool is_housekeeping(std::string_view path) noexcept;

// In a download cache ("models--org--name"), the folder of the snapshot that is meant: refs/main's, or the only one. Empty for
// any other folder. Errors: unsupported when several snapshots are there and none is meant.
Result<std::string> snapshot_folder(const Bundle& bundle);

// A side file, opened anew for every read: a folder may have more files than a process may hold open.
Result<Blob> lazy_part(const std::shared_ptr<const Bundle>& bundle, const std::string& name);

}  // namespace holdall::huggingface
