// The tensors of a graph that have data, and what all of its tensors are called.
//
// Thread-safety: free functions. Ownership: tensors share the file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "holdall/base/shared_text.h"
#include "holdall/core/tensor.h"
#include "holdall/formats/tflite/graph.h"
#include "holdall/io/bundle.h"

namespace holdall::tflite {

struct Constant {
  std::string name;
  std::uint32_t subgraph = 0, place = 0;  // among the subgraph's tensors
  Tensor tensor;
  // Where other values may be written: the bytes in the file. Nothing for texts, sparse tensors and those in files beside.
  std::optional<Blob> bytes;
  bool is_widened = false;  // an odd number of elements that are half a byte or less, read as int8 or uint8
  SharedText file;
};

struct Constants {
  std::vector<Constant> all;
  // By subgraph and tensor, of those without data too: a tensor's own name in the first subgraph, "SUBGRAPH/NAME" in others,
  // "tensor_N" where it has none, "@2" behind what was met before.
  std::vector<std::vector<std::string>> names;
  std::vector<std::string> warnings;
  std::vector<std::string> files;  // beside, with buffers
};

// Errors: corrupt for indices that lead out of their lists.
Status check_indices(const Graph& graph);

// Errors: corrupt (sizes that do not fit), unsupported (types), limit, io, not found (a file with buffers).
Result<Constants> constants_of(const Graph& graph, const Bundle& bundle, const Limits& limits);

// The tensor's own shape. Errors: corrupt where a size is unknown.
Result<Shape> shape_of(const TensorRecord& record, const Graph& graph);
// Whether a tensor's bytes are in the file or beside it.
bool has_data(const Graph& graph, const TensorRecord& record) noexcept;

}  // namespace holdall::tflite
