// The graph, its metadata and its associated files, as values.
//
// Thread-safety: free functions. Ownership: nodes are the arena's.
#pragma once

#include "holdall/core/value.h"
#include "holdall/formats/tflite/constants.h"

namespace holdall::tflite {

// {"version","description","subgraphs":[{"name","inputs","outputs","operators":{name: count},"variables"}],"signatures",
//  "tensors":{name: {"quantization":{...},"sparsity":{...}}},"calibrated_tensors","buffers":{name: bytes},"about": TFLite
// Metadata}: what is not there is left out. Adds warnings. Errors: limit, io.
Result<NodeId> describe(Arena& arena, const Graph& graph, const Constants& constants, const Limits& limits,
                        std::vector<std::string>& warnings);

// TFLite Metadata (the buffer TFLITE_METADATA): name, description, author, license, inputs and outputs, associated files.
// `files`: the names of all associated files. Errors: corrupt, limit, io.
Result<NodeId> describe_model(Arena& arena, const Blob& buffer, const Limits& limits,
                              std::vector<std::string>* files = nullptr);

// The buffer that goes by a name in the file's metadata; nothing where there is none.
std::optional<Blob> named_buffer(const Graph& graph, std::string_view name);
inline constexpr std::string_view kModelMetadata = "TFLITE_METADATA";

}  // namespace holdall::tflite
