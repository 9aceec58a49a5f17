// DType: what an element is and how many bytes a tensor of them takes. One table (dtypes.inc) owns every one of them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/base/result.h"
#include "holdall/core/shape.h"

namespace holdall {

enum class DType : std::uint8_t {
#define HOLDALL_DTYPE(id, name, elements, bytes, kind) id,
#include "holdall/core/dtypes.inc"
#undef HOLDALL_DTYPE
};

enum class DTypeKind : std::uint8_t { kBool, kUnsigned, kSigned, kFloat, kComplex, kQuantized, kBlock, kOther };

struct DTypeInfo {
  std::string_view name;
  std::uint32_t block_elements;
  std::uint32_t block_bytes;  // 0: elements have no fixed size
  DTypeKind kind;
};

const DTypeInfo& info(DType dtype) noexcept;
std::string_view name(DType dtype) noexcept;
std::optional<DType> dtype_named(std::string_view name) noexcept;
std::span<const DTypeInfo> all_dtypes() noexcept;
// One element is a whole number of bytes (so strides make sense).
bool is_byte_sized(DType dtype) noexcept;

// The product of the sizes; 1 for a scalar. Errors: corrupt when it does not fit in 63 bits.
Result<std::uint64_t> element_count(std::span<const std::uint64_t> shape);
// Bytes of a dense tensor. Errors: corrupt on overflow, on a sub-byte total that is not whole bytes, on a GGML row that is not
// whole blocks; unsupported for string and record.
Result<std::uint64_t> dense_bytes(DType dtype, std::span<const std::uint64_t> shape);
// "[2, 3]"
std::string to_string(std::span<const std::uint64_t> shape);

}  // namespace holdall
