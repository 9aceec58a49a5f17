// torch's dtypes and storage classes by name, and what they are here. One table in both directions.
//
// Thread-safety: pure functions over a constant table. Facts: torch/storage.py (_dtype_to_storage_type_map, _new_dtypes) of
// torch 2.13, c10/core/ScalarType.h.
#pragma once

#include <cstdint>
#include <string_view>

#include "holdall/base/limits.h"
#include "holdall/core/tensor.h"

namespace holdall {

struct TorchDType {
  std::string_view name;     // in the module torch: "float32"
  std::string_view storage;  // its storage class: "FloatStorage"; empty for those that only untyped storages hold
  DType dtype;               // of the tensor here
  std::uint8_t item_bytes;   // of one element as torch counts them
  std::uint8_t packed;  // elements in a byte where torch's sizes count them one by one and rows fill whole bytes (quint4x2)
  bool exact;           // the dtype here says it all; else the tensor keeps torch's name among its attributes
};

// nullptr for an unknown name.
const TorchDType* torch_dtype(std::string_view name) noexcept;
// Also by the names that only torch's pickler in C++ has ("UInt16Storage").
const TorchDType* torch_storage_dtype(std::string_view storage_class) noexcept;
// The dtype of torch that holds elements of this one; nullptr where torch has none.
const TorchDType* torch_dtype_for(DType dtype) noexcept;

// The untyped storage's classes: "UntypedStorage" and what it was called before 2.0.
bool is_untyped_storage(std::string_view storage_class) noexcept;

// A view may repeat its storage (strides of 0), but a few bytes must not make terabytes for whoever reads it. `storage` is what
// the file calls it. Errors: limit.
Status check_expansion(const Tensor& tensor, std::string_view storage, const Limits& limits);

}  // namespace holdall
