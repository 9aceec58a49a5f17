// saved_model.pb: meta graphs with their nodes, functions and signatures.
//
//   SavedModel { meta_graphs = 2 { meta_info_def = 1 { tags = 4, tensorflow_version = 5 }, graph_def = 2 GraphDef,
//                                  signature_def = 5 { key = 1, value = 2 { inputs = 1, outputs = 2 { key = 1, value = 2
//                                      TensorInfo { name = 1, dtype = 2, tensor_shape = 3 } }, method_name = 3,
//                                      defaults = 4 { key = 1 } } },
//                                  collection_def = 4 { key = 1, value = 2 { node_list = 1 { value = 1 },
//                                      any_list = 5 { value = 1 { value = 2 } } } },
//                                  saver_def = 3 { filename_tensor_name = 1, restore_op_name = 3 },
//                                  asset_file_def = 6 { tensor_info = 1, filename = 2 },
//                                  object_graph_def = 7 { nodes = 1 { user_object = 4 { identifier = 1, metadata = 3 },
//                                                 constant = 9 { operation = 1 } },
//                                      concrete_functions = 2 { key = 1, value = 2 { bound_inputs = 2 } } } } }
//   GraphDef { node = 1 NodeDef, library = 2 { function = 1 { signature = 1 { name = 1, input_arg = 2 { name = 1,
//                                      number_attr = 5, type_list_attr = 6 } }, node_def = 3, ret = 4 { value = 2 } } } }
//   NodeDef { name = 1, op = 2, input = 3, attr = 5 { key = 1, value = 2 AttrValue } }
//   AttrValue { list = 1 { func = 9 }, s = 2, tensor = 8, placeholder = 9, func = 10 { name = 1, attr = 2 { value = 2 AttrValue
//   } } }
// Specification: saved_model.proto, meta_graph.proto, graph.proto, function.proto, node_def.proto, attr_value.proto,
// saved_object_graph.proto of TensorFlow.
//
// Thread-safety: value types. Ownership: values own their texts; constants share the source.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "holdall/base/limits.h"
#include "holdall/codec/protobuf.h"

namespace holdall::tf_savedmodel {

inline constexpr std::uint64_t kLongestText = 1u << 16;  // longer attributes are data

struct Node {
  std::string name, op;
  std::vector<std::string> inputs = {};
  std::vector<std::pair<std::string, std::string>> texts = {};  // attributes that are texts, cut to kLongestText
  std::vector<std::string> open = {};                           // attributes that whoever calls the function sets
  std::vector<std::string> functions = {};                      // attributes that are functions, and those of these
  std::optional<Blob> constant = {};                            // the TensorProto of a constant
};

// The graph itself (no name), or a function of its library.
struct Scope {
  std::string name;
  std::vector<std::string> arguments;
  std::vector<Node> nodes;
  std::vector<std::string> returns = {};
  bool has_list_arguments = false;  // arguments that stand for several inputs of a call
};

struct TensorInfo {
  std::string key, name, shape;
  std::uint64_t dtype = 0;
};
struct Signature {
  std::string name, method;
  std::vector<TensorInfo> inputs, outputs;
  std::vector<std::string> defaults;  // keys of inputs for which TensorFlow Serving takes a value of the file
};

// A file of the folder, and the tensor of the graph whose value its path becomes.
struct Asset {
  std::string file, tensor;
};
// What a function's last arguments are when Python calls it: objects of the graph of objects.
struct Captures {
  std::string function;
  std::vector<std::uint64_t> objects;
};

// A layer or a model of Keras: its description as JSON.
struct KerasNode {
  std::string path, identifier;
  Blob metadata;
};

struct MetaGraph {
  std::vector<std::string> tags;
  std::vector<Asset> assets;
  std::vector<Captures> captures;
  std::vector<std::string> object_constants;  // by object: the node of the constant that it is, empty where it is none
  std::vector<KerasNode> keras;               // objects with metadata: TensorFlow 2.0 to 2.4 kept Keras's there
  std::string version;
  std::vector<Scope> scopes;
  std::vector<Signature> signatures;
  std::vector<std::string> initial = {};     // nodes of the graph that loaders run when they have loaded it
  std::string restore = {}, variables = {};  // and what they run before, and feed the path of the variables
};

// What a file's bytes are: a SavedModel, a MetaGraphDef by itself (`.meta`), a GraphDef by itself (a frozen graph).
enum class Root : std::uint8_t { kSavedModel, kMetaGraph, kGraph };
// Errors: corrupt, io.
Result<Root> root_of(const Blob& file);
// What stands before the bytes of a file to make a SavedModel of them; of a GraphDef one for `serve`.
std::string saved_model_head(Root root, std::uint64_t size);
// Whether a file begins as protobuf's text of a SavedModel or a GraphDef does.
bool is_text_of_graph(std::span<const std::byte> head) noexcept;
// Whether a file begins as a GraphDef does: with a node.
bool begins_with_node(std::span<const std::byte> head) noexcept;

// Of saved_model.pb, of the single MetaGraphDef of a `.meta` file, or of a GraphDef. Errors: corrupt, limit (Limits::members of
// nodes, Limits::value_bytes of texts).
Result<std::vector<MetaGraph>> read_saved_graph(Blob file, const Limits& limits);

}  // namespace holdall::tf_savedmodel
