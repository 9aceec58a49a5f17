// NumPy's type strings ("<f4", "|S3", "<M8[ns]", "|V8") and what they are here: one table in both directions, for .npy headers
// and for the dtype objects in pickles.
//
// Thread-safety: pure functions. Facts: numpy/_core/src/multiarray/descriptor.c and the array interface protocol.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "holdall/base/endian.h"
#include "holdall/base/result.h"
#include "holdall/core/dtype.h"

namespace holdall {

enum class NpyForm : std::uint8_t {
  kPlain,   // elements of `dtype`, as they are but for the byte order
  kUtf32,   // "U": code points of 4 bytes, padded with NULs; dtype is kString
  kText,    // "S": bytes padded with NULs; dtype is kString
  kRecord,  // "V", structured types, and what has no dtype here (long double): opaque; dtype is kRecord
  kObject,  // "O": the data is a pickle
};

struct NpyDType {
  NpyForm form = NpyForm::kPlain;
  DType dtype = DType::kUInt8;
  ByteOrder order = ByteOrder::kLittle;
  std::uint32_t unit_bytes = 1;  // what a change of byte order reverses: a complex number's half, a code point
  std::uint64_t item_bytes = 1;  // of one element as NumPy stores it; 8 for objects
  std::string logical;           // Tensor::logical(): "datetime64[ns]", "U5", "S3"; a record's descr as a Python literal
};

// Reads a type string: an optional byte order (none, '=' and '|' mean little-endian), a kind, a size, a datetime's unit.
// Errors: corrupt for what NumPy cannot have written; unsupported for a kind that it may grow.
Result<NpyDType> npy_dtype(std::string_view typestr);

// The type string of a little-endian tensor: "<f4" for float32, "<U5" for strings of the logical type U5, "<M8[ns]" for int64
// of the logical type datetime64[ns]. Errors: unsupported where NumPy has no such type (bfloat16, float8, sub-byte and block
// types, strings without a width, records).
Result<std::string> npy_typestr(DType dtype, std::string_view logical = {});

}  // namespace holdall
