// What the parts of the safetensors format share: how a file's tensors are loaded and how a model is laid out.
#pragma once

#include <string>
#include <vector>

#include "holdall/formats/format.h"
#include "holdall/formats/safetensors/safetensors_header.h"
#include "holdall/formats/tree_metadata.h"

namespace holdall::safetensors {

// One file's tensors, still on disk, and its metadata.
struct Loaded {
  std::vector<StoredTensor> tensors;
  std::string tree;      // holdall.tree; empty where there is none
  std::string tree_key;  // the key that it stands under: another than kTreeKey is damage
  std::vector<std::pair<std::string, std::string>> metadata;
  std::uint64_t bytes = 0;
};
// `file` is the name that the tensors are said to lie in.
Result<Loaded> load(const SourceRef& source, const std::string& file, const Limits& limits);
// The metadata as a dict.
NodeId metadata_of(const Loaded& loaded, Arena& arena);

// model.safetensors.index.json: which shard holds which tensor.
bool looks_like_index(std::span<const std::byte> head);
Result<Model> read_index(const Bundle& bundle, const Context& context);
Status verify_index(const Bundle& bundle, const Context& context, Faults& faults);

Result<Plan> plan(const Model& model, const WriteOptions& options);

}  // namespace holdall::safetensors
