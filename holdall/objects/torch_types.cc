#include "holdall/objects/torch_types.h"

#include "holdall/base/text.h"

namespace holdall {

namespace {

// The first row with a dtype is the one that torch_dtype_for() gives.
constexpr TorchDType kRows[] = {
    {"bool", "BoolStorage", DType::kBool, 1, 0, true},
    {"uint8", "ByteStorage", DType::kUInt8, 1, 0, true},
    {"int8", "CharStorage", DType::kInt8, 1, 0, true},
    {"int16", "ShortStorage", DType::kInt16, 2, 0, true},
    {"int32", "IntStorage", DType::kInt32, 4, 0, true},
    {"int64", "LongStorage", DType::kInt64, 8, 0, true},
    {"uint16", "", DType::kUInt16, 2, 0, true},
    {"uint32", "", DType::kUInt32, 4, 0, true},
    {"uint64", "", DType::kUInt64, 8, 0, true},
    {"float16", "HalfStorage", DType::kFloat16, 2, 0, true},
    {"bfloat16", "BFloat16Storage", DType::kBFloat16, 2, 0, true},
    {"float32", "FloatStorage", DType::kFloat32, 4, 0, true},
    {"float64", "DoubleStorage", DType::kFloat64, 8, 0, true},
    {"complex32", "", DType::kComplex32, 4, 0, true},
    {"complex64", "ComplexFloatStorage", DType::kComplex64, 8, 0, true},
    {"complex128", "ComplexDoubleStorage", DType::kComplex128, 16, 0, true},
    {"float8_e4m3fn", "", DType::kFloat8E4M3FN, 1, 0, true},
    {"float8_e4m3fnuz", "", DType::kFloat8E4M3FNUZ, 1, 0, true},
    {"float8_e5m2", "", DType::kFloat8E5M2, 1, 0, true},
    {"float8_e5m2fnuz", "", DType::kFloat8E5M2FNUZ, 1, 0, true},
    {"float8_e8m0fnu", "", DType::kFloat8E8M0FNU, 1, 0, true},
    {"float4_e2m1fn_x2", "", DType::kFloat4E2M1, 1, 0, true},
    {"qint8", "QInt8Storage", DType::kQInt8, 1, 0, true},
    {"quint8", "QUInt8Storage", DType::kQUInt8, 1, 0, true},
    {"qint32", "QInt32Storage", DType::kQInt32, 4, 0, true},
    {"quint4x2", "QUInt4x2Storage", DType::kUInt8, 1, 2, false},
    {"quint2x4", "QUInt2x4Storage", DType::kUInt8, 1, 4, false},
    {"bits8", "", DType::kUInt8, 1, 0, false},
    {"bits16", "", DType::kUInt16, 2, 0, false},
    {"bits1x8", "", DType::kUInt8, 1, 0, false},
    {"bits2x4", "", DType::kUInt8, 1, 0, false},
    {"bits4x2", "", DType::kUInt8, 1, 0, false},
    {"uint1", "", DType::kUInt8, 1, 0, false},
    {"uint2", "", DType::kUInt8, 1, 0, false},
    {"uint3", "", DType::kUInt8, 1, 0, false},
    {"uint4", "", DType::kUInt8, 1, 0, false},
    {"uint5", "", DType::kUInt8, 1, 0, false},
    {"uint6", "", DType::kUInt8, 1, 0, false},
    {"uint7", "", DType::kUInt8, 1, 0, false},
    {"int1", "", DType::kInt8, 1, 0, false},
    {"int2", "", DType::kInt8, 1, 0, false},
    {"int3", "", DType::kInt8, 1, 0, false},
    {"int4", "", DType::kInt8, 1, 0, false},
    {"int5", "", DType::kInt8, 1, 0, false},
    {"int6", "", DType::kInt8, 1, 0, false},
    {"int7", "", DType::kInt8, 1, 0, false},
};

// What the pickler in C++, TorchScript's, calls storages that Python knows as untyped ones alone: c10's name of the dtype and
// "Storage".
struct ScriptStorage {
  std::string_view storage, dtype;
};
constexpr ScriptStorage kScriptStorages[] = {
    {"UInt16Storage", "uint16"},
    {"UInt32Storage", "uint32"},
    {"UInt64Storage", "uint64"},
    {"ComplexHalfStorage", "complex32"},
    {"Float8_e4m3fnStorage", "float8_e4m3fn"},
    {"Float8_e4m3fnuzStorage", "float8_e4m3fnuz"},
    {"Float8_e5m2Storage", "float8_e5m2"},
    {"Float8_e5m2fnuzStorage", "float8_e5m2fnuz"},
    {"Float8_e8m0fnuStorage", "float8_e8m0fnu"},
    {"Float4_e2m1fn_x2Storage", "float4_e2m1fn_x2"},
    {"Bits8Storage", "bits8"},
    {"Bits16Storage", "bits16"},
    {"Bits1x8Storage", "bits1x8"},
    {"Bits2x4Storage", "bits2x4"},
    {"Bits4x2Storage", "bits4x2"},
};

}  // namespace

const TorchDType* torch_dtype(std::string_view name) noexcept {
  for (const TorchDType& row : kRows)
    if (row.name == name) return &row;
  return nullptr;
}

const TorchDType* torch_storage_dtype(std::string_view storage_class) noexcept {
  if (storage_class.empty()) return nullptr;
  for (const TorchDType& row : kRows)
    if (row.storage == storage_class) return &row;
  for (const ScriptStorage& script : kScriptStorages)
    if (script.storage == storage_class) return torch_dtype(script.dtype);
  return nullptr;
}

const TorchDType* torch_dtype_for(DType dtype) noexcept {
  for (const TorchDType& row : kRows)
    if (row.dtype == dtype && row.exact) return &row;
  return nullptr;
}

bool is_untyped_storage(std::string_view storage_class) noexcept {
  return storage_class == "UntypedStorage" || storage_class == "_UntypedStorage";
}

Status check_expansion(const Tensor& tensor, std::string_view storage, const Limits& limits) {
  const std::uint64_t held = tensor.storage()->data.size();
  if (tensor.bytes() <= limits.expansion_floor || tensor.bytes() / limits.expansion <= held) return {};
  return over_limit(text("a view of shape {} makes {} bytes of the {} in storage '{}', {} times as many are allowed",
                         to_string(tensor.shape()), tensor.bytes(), held, storage, limits.expansion));
}

}  // namespace holdall
