// What the parts of the SavedModel format share.
#pragma once

#include <string>
#include <vector>

#include "holdall/formats/format.h"
#include "holdall/formats/tf_savedmodel/saved_graph.h"

namespace holdall::tf_savedmodel {

inline constexpr std::string_view kGraphFile = "saved_model.pb";
inline constexpr std::string_view kTextFile = "saved_model.pbtxt";
inline constexpr std::string_view kCutFile = "saved_model.cpb";
inline constexpr std::string_view kVariables = "variables/";
inline constexpr std::string_view kIndexFile = "variables/variables.index";
inline constexpr std::string_view kFingerprint = "fingerprint.pb";
inline constexpr std::string_view kKerasFile = "keras_metadata.pb";
// What a user keeps beside the graph: {"version":1,"metadata":document} (codec/document.h), in the folder that TensorFlow
// leaves to others.
inline constexpr std::string_view kMetadataFile = "assets.extra/holdall.json";
// The key of the tree under which constants stand.
inline constexpr std::string_view kConstants = ".CONSTANTS";

// What a constant's name ends with where a variable has the name.
inline constexpr std::string_view kOfConstant = "@constant";

// A constant of the graph as a tensor. Small integers (up to eight: shapes, axes) and texts are the graph's own business.
struct Constant {
  std::string name;  // "node", of a function "function/node", of a further meta graph made unique with "@2"
  Tensor tensor;
  std::optional<Blob> bytes;  // where they lie verbatim in the file
};
// Errors: corrupt, limit.
Result<std::vector<Constant>> constants_of(const std::vector<MetaGraph>& graphs, const Limits& limits);

// The models of Keras that stand in keras_metadata.pb: SavedMetadata { nodes = 1 { node_path = 2, identifier = 4,
// metadata = 5 (JSON) } }.
Result<std::vector<KerasNode>> read_keras_nodes(Blob file, const Limits& limits);

// The text of kMetadataFile: what the model's metadata has beside what a SavedModel tells of itself; empty where that is all.
// Errors: those of reading bytes.
Result<std::string> metadata_text(const Model& model);
// Adds the entries of such a text to `metadata`, a dict, but for keys that a SavedModel has of its own. Errors: corrupt, limit;
// unsupported for another version.
Status add_metadata(const Blob& file, Arena& arena, NodeId metadata, const Limits& limits);

Result<Plan> plan(const Model& model, const WriteOptions& options);

}  // namespace holdall::tf_savedmodel
