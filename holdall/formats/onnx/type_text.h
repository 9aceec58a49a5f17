// A TypeProto as people write it: "float32" and "[batch, 3]".
//
//   TypeProto { tensor_type = 1 { elem_type = 1, shape = 2 { dim = 1 { dim_value = 1, dim_param = 2 } } },
//               sequence_type = 4 { elem_type = 1 TypeProto }, map_type = 5 { key_type = 1, value_type = 2 TypeProto },
//               opaque_type = 7, sparse_tensor_type = 8 (as a tensor), optional_type = 9 { elem_type = 1 TypeProto } }
//
// Thread-safety: a free function.
#pragma once

#include <string>

#include "holdall/base/limits.h"
#include "holdall/codec/protobuf.h"

namespace holdall::onnx {

struct TypeText {
  std::string type;
  std::string shape;  // "unknown" where the type says none; empty for what has none
};
// Errors: corrupt; limit (types nested too deep, more dimensions than a tensor may have).
Result<TypeText> type_text(ProtoReader message, const Limits& limits, std::uint32_t depth = 0);

}  // namespace holdall::onnx
