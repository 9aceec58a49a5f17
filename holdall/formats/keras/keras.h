// Keras 3's own files: what is shared between reading, verifying and judging.
//
// Thread-safety: pure functions. Ownership: results share the file's source.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "holdall/codec/hdf5_writer.h"
#include "holdall/codec/zip.h"
#include "holdall/formats/format.h"
#include "holdall/formats/hdf5_model.h"

namespace holdall::keras {

inline constexpr std::string_view kConfig = "config.json";
inline constexpr std::string_view kMetadata = "metadata.json";
inline constexpr std::string_view kWeights = "model.weights.h5";
inline constexpr std::string_view kArrays = "model.weights.npz";
inline constexpr std::string_view kJson = ".json";

// The parts of a saved model: members of a .keras file, or files of the folder that it would be.
class Parts {
 public:
  static Result<Parts> open(const Bundle& bundle, const Limits& limits);
  const std::vector<std::string>& names() const noexcept { return names_; }
  bool has(std::string_view name) const noexcept;
  Result<Blob> blob(std::string_view name) const;
  // Null for a folder.
  const std::shared_ptr<const ZipArchive>& zip() const noexcept { return zip_; }

 private:
  explicit Parts(Bundle bundle) : bundle_(std::move(bundle)) {}
  Bundle bundle_;
  std::shared_ptr<const ZipArchive> zip_;
  std::vector<std::string> names_;
};

// What a .weights.json says: the shards, each once in the order of their names, and holdall.tree where Holdall wrote it.
// Errors: corrupt, limit.
struct Index {
  std::vector<std::string> shards;
  std::string tree_text;
};
Result<Index> read_index_file(const Bundle& index, const Limits& limits);
bool looks_like_index(std::span<const std::byte> head);

// Weights of an .npz file, whose arrays are dicts of arrays, under the names that the .h5 file would give them.
struct Arrays {
  std::vector<StoredTensor> tensors;
  std::vector<std::string> warnings;
};
Result<Arrays> read_arrays(const Blob& file, const Context& context);

// Dicts of dicts of the tensors, by the components of their names, and of `groups`, by path.
NodeId tree_of(Arena& arena, const std::vector<StoredTensor>& tensors, const std::set<std::string_view>& groups = {});

// .keras, .weights.h5 or .weights.json with its shards, by the name that is written. Errors: unsupported where the tensors do
// not have the names of Keras 3's variables, a .keras file would have no config, or shards are asked of anything else.
Result<Plan> plan(const Model& model, const WriteOptions& options);
Result<Plan> plan_shards(const Model& model, const WriteOptions& options);

// What plans of one file and of shards share. The metadata but for the names of layers, which are attributes: {"/PATH/vars":
// {"name": name}}; how the HDF5 file is laid out.
NodeId without_names(Arena& arena, const Model& model);
NodeId names_by_group(Arena& arena, const Model& model);
Hdf5Planner::Options layout_of(const WriteOptions& options);

}  // namespace holdall::keras
