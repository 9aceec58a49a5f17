// What TensorFlow's files share: dtypes by number, shapes as messages, string tensors.
//
// Thread-safety: free functions. Ownership: results own what they hold.
#pragma once

#include <optional>
#include <string_view>

#include "holdall/codec/protobuf.h"
#include "holdall/core/tensor.h"

namespace holdall {

struct TensorFlowType {
  std::uint32_t number = 0;  // of the DataType
  std::string_view name;     // "DT_FLOAT"
  DType dtype = DType::kFloat32;
  std::string_view logical;  // Tensor::logical() where the dtype cannot say it
};

inline constexpr std::uint32_t kTensorFlowString = 7;
inline constexpr std::uint32_t kTensorFlowResource = 20;
inline constexpr std::uint32_t kTensorFlowVariant = 21;

// nullptr where there is none; numbers of references (DT_FLOAT_REF is 101) are those of what they refer to.
const TensorFlowType* tensorflow_type(std::uint64_t number) noexcept;
// The type that a tensor is written as; nullptr where TensorFlow has none.
const TensorFlowType* tensorflow_type(DType dtype, std::string_view logical) noexcept;
// "DT_FLOAT", or "DataType 99".
std::string tensorflow_type_name(std::uint64_t number);

struct TensorFlowShape {
  Shape sizes;           // 0 where unknown
  bool is_known = true;  // rank and all sizes
  bool has_rank = true;
  std::string text;  // "[?, 3]", "unknown"
};
// A TensorShapeProto: dim = 2 { size = 1 }, unknown_rank = 3. Errors: corrupt; limit for more dimensions than kMaxRank.
Result<TensorFlowShape> read_tensorflow_shape(ProtoReader message);
ProtoWriter write_tensorflow_shape(std::span<const std::uint64_t> sizes);

// The tensor of `data`, as TensorFlow has its elements in memory, in byte order `order`: elements smaller than a byte are
// packed, others swapped where that is needed. Errors: corrupt where shape × type is not so many bytes.
Result<Tensor> tensorflow_tensor(const TensorFlowType& type, Shape shape, Blob data, ByteOrder order);
// The reverse: the bytes that TensorFlow has in memory for a tensor that is no string.
Result<Blob> tensorflow_bytes(const Tensor& tensor);
// Bytes of so many elements in TensorFlow's memory. Errors: corrupt on overflow.
Result<std::uint64_t> tensorflow_size(const TensorFlowType& type, std::span<const std::uint64_t> shape);

}  // namespace holdall
