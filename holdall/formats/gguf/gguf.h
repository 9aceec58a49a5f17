// What the parts of the gguf format share: how a file's or its splits' tensors and values are loaded, and how a model is laid
// out.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdall/formats/format.h"
#include "holdall/formats/gguf/gguf_header.h"
#include "holdall/formats/tree_metadata.h"

namespace holdall::gguf {

// What one file says, its tensors still on disk.
struct Loaded {
  Header header;
  std::vector<StoredTensor> tensors;
  std::string tree;      // holdall.tree; empty where there is none
  std::string tree_key;  // the key that it stands under: another than kTreeKey is damage
  std::string checks;    // of a split: the checksums of its own tensors, in the same form
  std::uint64_t bytes = 0;
  // split.no and split.count, where there is more than one file.
  std::optional<std::pair<std::uint64_t, std::uint64_t>> split;
};

// `file` is the name that the tensors are said to lie in; values go to `arena`.
Result<Loaded> load(const SourceRef& source, const std::string& file, Arena& arena, const Limits& limits);

// All files of a model: the one of the bundle, and beside it the other splits, in their order.
struct Whole {
  std::shared_ptr<Arena> arena = std::make_shared<Arena>();
  std::vector<std::string> names;
  std::vector<Loaded> files;

  // The tree of the model, in its first file.
  const std::string& tree() const noexcept { return files.front().tree; }
};
// Errors: not found (names the splits that are missing), corrupt (splits that do not fit one another), those of load().
Result<Whole> load_whole(const Bundle& bundle, const Limits& limits);

// The values as a dict, types that are not usual among them (kTypesKey); the keys of splits are left out.
NodeId metadata_of(const Whole& whole);

// Where a split keeps the checksums of its own tensors: the first one's holdall.tree is that of all.
inline constexpr std::string_view kChecksKey = "holdall.tree.split";
inline constexpr std::string_view kSplitNumber = "split.no";
inline constexpr std::string_view kSplitCount = "split.count";
inline constexpr std::string_view kSplitTensors = "split.tensors.count";
// "model-00002-of-00003.gguf"; number counts from 0.
std::string split_name(std::string_view stem, std::uint64_t number, std::uint64_t count);

Result<Plan> plan(const Model& model, const WriteOptions& options);

}  // namespace holdall::gguf
