// Dtypes of LibTorch and ours. One table in both directions.
//
// Thread-safety: pure functions over a constant table.
#pragma once

#include <c10/core/ScalarType.h>

#include <optional>
#include <string>

#include "holdall/core/dtype.h"

namespace holdall::libtorch {

namespace detail {

struct DTypeRow {
  DType ours;
  c10::ScalarType theirs;
  c10::ScalarType bare = theirs;  // of a quantized tensor that has not met its quantizer: integers
};

inline constexpr DTypeRow kDTypes[] = {
    {DType::kBool, c10::ScalarType::Bool},
    {DType::kUInt8, c10::ScalarType::Byte},
    {DType::kInt8, c10::ScalarType::Char},
    {DType::kUInt16, c10::ScalarType::UInt16},
    {DType::kInt16, c10::ScalarType::Short},
    {DType::kUInt32, c10::ScalarType::UInt32},
    {DType::kInt32, c10::ScalarType::Int},
    {DType::kUInt64, c10::ScalarType::UInt64},
    {DType::kInt64, c10::ScalarType::Long},
    {DType::kFloat16, c10::ScalarType::Half},
    {DType::kBFloat16, c10::ScalarType::BFloat16},
    {DType::kFloat32, c10::ScalarType::Float},
    {DType::kFloat64, c10::ScalarType::Double},
    {DType::kComplex32, c10::ScalarType::ComplexHalf},
    {DType::kComplex64, c10::ScalarType::ComplexFloat},
    {DType::kComplex128, c10::ScalarType::ComplexDouble},
    {DType::kFloat8E4M3FN, c10::ScalarType::Float8_e4m3fn},
    {DType::kFloat8E4M3FNUZ, c10::ScalarType::Float8_e4m3fnuz},
    {DType::kFloat8E5M2, c10::ScalarType::Float8_e5m2},
    {DType::kFloat8E5M2FNUZ, c10::ScalarType::Float8_e5m2fnuz},
    {DType::kFloat8E8M0FNU, c10::ScalarType::Float8_e8m0fnu},
    {DType::kFloat4E2M1, c10::ScalarType::Float4_e2m1fn_x2},  // LibTorch counts pairs
    {DType::kQInt8, c10::ScalarType::QInt8, c10::ScalarType::Char},
    {DType::kQUInt8, c10::ScalarType::QUInt8, c10::ScalarType::Byte},
    {DType::kQInt32, c10::ScalarType::QInt32, c10::ScalarType::Int},
};

inline const DTypeRow* row_of(DType dtype) noexcept {
  for (const DTypeRow& row : kDTypes)
    if (row.ours == dtype) return &row;
  return nullptr;
}

}  // namespace detail

// Empty where the other has none: LibTorch has no tensors of texts, of int4, of GGML's blocks; Holdall none of bits8, of
// quint4x2.
inline std::optional<c10::ScalarType> scalar_type(DType dtype) noexcept {
  const detail::DTypeRow* row = detail::row_of(dtype);
  return row == nullptr ? std::nullopt : std::optional(row->theirs);
}
inline std::optional<DType> dtype_of(c10::ScalarType type) noexcept {
  for (const detail::DTypeRow& row : detail::kDTypes)
    if (row.theirs == type) return row.ours;
  return std::nullopt;
}

}  // namespace holdall::libtorch
