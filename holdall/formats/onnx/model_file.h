// A ModelProto walked where it lies: what it says of itself, and where in it tensors stand.
//
//   ModelProto { ir_version = 1, producer_name = 2, producer_version = 3, domain = 4, model_version = 5, doc_string = 6,
//                graph = 7, opset_import = 8 { domain = 1, version = 2 }, metadata_props = 14 { key = 1, value = 2 },
//                training_info = 20 { initialization = 1 GraphProto, algorithm = 2 GraphProto }, functions = 25 }
//   GraphProto { node = 1, name = 2, initializer = 5 TensorProto, input = 11, output = 12, sparse_initializer = 15 }
//   NodeProto { input = 1, output = 2, name = 3, op_type = 4, attribute = 5, domain = 7, overload = 8 }
//   AttributeProto { name = 1, f = 2, i = 3, s = 4, t = 5 TensorProto, g = 6 GraphProto, floats = 7, ints = 8, strings = 9,
//                    tensors = 10, graphs = 11, sparse_tensor = 22, sparse_tensors = 23 }
//   FunctionProto { name = 1, node = 7, domain = 10, overload = 13 }
//   ValueInfoProto { name = 1, type = 2 TypeProto }
// Specification: onnx.proto of ONNX 1.23.
//
// Thread-safety: value types and a free function. Ownership: values own their texts.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "holdall/base/limits.h"
#include "holdall/codec/protobuf.h"

namespace holdall::onnx {

// A message on the way from the file to a tensor. Positions are in the file.
struct Message {
  std::uint32_t parent = 0;  // the file itself is message 0, and its own parent
  std::uint32_t number = 0;  // field in the parent
  std::uint64_t key = 0;     // of the field's first byte
  std::uint64_t begin = 0;   // of the message's first byte
  std::uint64_t size = 0;
};

// How a tensor is spelled.
enum class Form : std::uint8_t { kTensor, kSparse, kFloat, kInt, kText, kFloats, kInts, kTexts };

// A tensor of the file: an initializer, or (an element of) an attribute.
struct Weight {
  std::string name;  // its own, or its output's, below the path of its graph or function
  Form form = Form::kTensor;
  std::uint32_t message = 0;  // a TensorProto, a SparseTensorProto, or the AttributeProto that holds the values
  bool is_initializer = false;
  bool is_own_name = false;  // of an initializer of the main graph: kept letter for letter
};

struct ValueInfo {
  std::string name, type, shape;  // "float32", "sequence(float32)"; "[batch, 3]", "unknown"
};

// An operator that nodes use.
struct Operator {
  std::uint64_t count = 0;
  std::string first;  // the node that uses it first, by its path
};
// Domain ("" for ai.onnx), and type, with ":" and the overload where there is one.
using OperatorName = std::pair<std::string, std::string>;
// "com.microsoft:Gelu", "Relu".
std::string operator_text(const OperatorName& name);

// A node com.microsoft.EPContext whose native code lies in a file beside the model.
struct ContextFile {
  std::string node, path;
  bool is_file = false;
};

struct ModelFile {
  std::uint64_t ir_version = 0;
  std::int64_t model_version = 0;
  std::string producer, producer_version, domain, doc, graph;
  bool has_graph = false;
  std::vector<std::pair<std::string, std::uint64_t>> opsets;
  std::vector<std::pair<std::string, std::string>> properties;  // metadata_props, in order
  std::vector<ValueInfo> inputs, outputs;                       // of the main graph; inputs that are initializers are not here
  std::vector<OperatorName> functions;                          // of the model itself
  std::map<OperatorName, Operator> operators;
  std::vector<ContextFile> context_files;
  std::vector<Message> messages;
  std::vector<Weight> weights;  // the main graph's initializers first; names are unique
};

// The domain as it is compared: "ai.onnx" is the same as none.
std::string_view plain_domain(std::string_view domain) noexcept;

// Errors: corrupt; limit (Limits::tensors, Limits::members of nodes, Limits::value_bytes of texts, graphs nested deeper than
// protobuf itself reads).
Result<ModelFile> read_model_file(const Blob& file, const Limits& limits);

}  // namespace holdall::onnx
