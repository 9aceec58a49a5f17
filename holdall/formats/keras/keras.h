// Keras 3's own files: what is shared between reading, verifying and judging.
//
// Thread-safety: pure functions. Ownership: results share the file's source.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "holdall/codec/zip.h"
#include "holdall/formats/format.h"
#include "holdall/formats/hdf5_model.h"

namespace holdall::keras {

inline constexpr std::string_view kConfig = "config.json";
inline constexpr std::string_view kMetadata = "metadata.json";
inline constexpr std::string_view kWeights = "model.weights.h5";
inline constexpr std::string_view kArrays = "model.weights.npz";

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

// The shards that a .weights.json names, in the order of their names. Errors: corrupt, limit.
Result<std::vector<std::string>> shards_of(const Bundle& index, const Limits& limits);
bool looks_like_index(std::span<const std::byte> head);

// Weights of an .npz file, whose arrays are dicts of arrays, under the names that the .h5 file would give them.
struct Arrays {
  std::vector<StoredTensor> tensors;
  std::vector<std::string> warnings;
};
Result<Arrays> read_arrays(const Blob& file, const Context& context);

// Dicts of dicts of the tensors, by the components of their names.
NodeId tree_of(Arena& arena, const std::vector<StoredTensor>& tensors);

// .keras or .weights.h5 by the name that is written. Errors: unsupported where the tensors do not have the names of Keras 3's
// variables, or a .keras file would have no config.
Result<Plan> plan(const Model& model, const WriteOptions& options);

}  // namespace holdall::keras
