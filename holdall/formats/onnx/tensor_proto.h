// A TensorProto: what it says of its elements, and the tensor that it is.
//
//   TensorProto { dims = 1, data_type = 2, segment = 3, float_data = 4, int32_data = 5, string_data = 6, int64_data = 7,
//                 name = 8, raw_data = 9, double_data = 10, uint64_data = 11, external_data = 13 { key = 1, value = 2 },
//                 data_location = 14 (1: external) }
// raw_data and external files have the elements row-major, little-endian, packed low bits first. int32_data has an element an
// entry (its bits, for floats); of 4 and 2 bits a byte of packed ones, of 6 bits an element. complex64 and complex128 are two
// entries of float_data and double_data. uint64_data has uint32 as well.
// Specification: onnx.proto of ONNX 1.23.
//
// Thread-safety: value types and free functions. Ownership: tensors share the sources.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdall/base/limits.h"
#include "holdall/core/tensor.h"
#include "holdall/formats/onnx/model_file.h"
#include "holdall/formats/onnx/onnx_types.h"

namespace holdall::onnx {

// Fields of one number that hold elements.
struct Values {
  std::uint32_t number = 0;
  std::uint64_t fields = 0, bytes = 0;  // how many, and of their contents (0 for values that stand alone)
  Blob first;                           // of the first field that has bytes
};

struct ExternalEntry {
  std::string key, value;
};

struct TensorMessage {
  Blob whole;
  std::string name;
  std::uint64_t data_type = 0;
  Shape shape;
  bool has_segment = false, is_external = false;
  std::vector<Values> values;  // by number, raw_data among them
  std::vector<ExternalEntry> external;

  const Values* find(std::uint32_t number) const noexcept;
};

// Errors: corrupt; limit.
Result<TensorMessage> read_tensor_message(ProtoReader message);

// The bytes of an external tensor, of which there must be `bytes`. Errors: those of reading it.
using OpenExternal = std::function<Result<Blob>(const TensorMessage& message, std::uint64_t bytes)>;

// Bytes of raw data for so many elements. Errors: corrupt on overflow.
Result<std::uint64_t> raw_bytes(DType dtype, std::span<const std::uint64_t> shape);
// Whether elements of fewer than eight bits end within a byte: they are read as int8 or uint8, an element a byte, whose
// logical() is the dtype's name.
bool is_ragged(DType dtype, std::span<const std::uint64_t> shape);

// Raw data, and float_data and double_data in one piece, stay on disk; other values are decoded when they are read.
// Errors: corrupt (no values, or others than shape and dtype take), unsupported (a segment, an unknown data type, texts as raw
// data).
Result<Tensor> tensor_of(const TensorMessage& message, const OpenExternal& external);

// The values that an attribute spells out: a scalar, or one dimension. Errors: corrupt.
Result<Tensor> attribute_tensor(ProtoReader message, Form form);

// A SparseTensorProto as the dense tensor that it stands for: values = 1 TensorProto [n], indices = 2 TensorProto int64 [n]
// (places in the row-major order) or [n, rank], dims = 3; indices rise. Errors: those of tensor_of(); limit for more dense
// bytes than Limits::expansion allows. Indices are looked at when the tensor is read.
struct SparseMessage {
  TensorMessage values, indices;
  bool has_values = false, has_indices = false;
  Shape shape;
};
Result<SparseMessage> read_sparse_message(ProtoReader message);
Result<Tensor> sparse_tensor_of(const SparseMessage& message, const OpenExternal& external, const Limits& limits);

}  // namespace holdall::onnx
