// The dtypes of ONNX by number.
//
// Thread-safety: free functions over a constant table.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "holdall/core/dtype.h"

namespace holdall::onnx {

struct ElementType {
  std::uint64_t number = 0;  // TensorProto.DataType
  std::string_view name;     // "FLOAT"
  DType dtype = DType::kFloat32;
  std::uint32_t field = 0;  // of TensorProto, for values that are spelled out
};

// nullptr where there is none.
const ElementType* element_type(std::uint64_t number) noexcept;
// What people are told: "float32", or "data type 99".
std::string element_type_name(std::uint64_t number);

// Bits of one element in raw data; 0 for texts.
unsigned bits_of(DType dtype) noexcept;

}  // namespace holdall::onnx
