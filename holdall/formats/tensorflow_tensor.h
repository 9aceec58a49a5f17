// TensorProto: a tensor within a message (the constants of a graph, the slices of a V1 checkpoint).
//
//   dtype = 1, tensor_shape = 2, tensor_content = 4 (its memory), or values by type, packed or not: half_val = 13 (also
//   bfloat16), float_val = 5, double_val = 6, int_val = 7 (all integers up to 32 bits), string_val = 8, scomplex_val = 9,
//   int64_val = 10, bool_val = 11, dcomplex_val = 12, uint32_val = 16, uint64_val = 17, float8_val = 18 (bytes)
// Where there are fewer values than elements, the last one stands for the rest; none: zeros.
// Specification: tensorflow/core/framework/tensor.proto.
//
// Thread-safety: free functions. Ownership: results share the source, or own their bytes.
#pragma once

#include <optional>

#include "holdall/base/limits.h"
#include "holdall/formats/tensorflow_types.h"

namespace holdall {

// What stands in the message's place where it does not say it (V1 checkpoints keep both apart).
struct TensorFlowOutline {
  std::uint64_t dtype = 0;
  Shape shape;
};

// Bytes of tensor_content stay on disk; values are decoded into memory, their repetition is not. Errors: corrupt (other bytes
// than the shape takes), unsupported (a dtype), limit (Limits::expansion of repeated values).
Result<Tensor> read_tensorflow_tensor(ProtoReader message, const std::optional<TensorFlowOutline>& outline,
                                      const Limits& limits);

}  // namespace holdall
