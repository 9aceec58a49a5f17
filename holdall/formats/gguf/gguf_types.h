// The numbers that a GGUF file says types by: of tensors and of values.
//
// Sources: enum ggml_type of ggml.h, enum gguf_type of gguf.h (github.com/ggml-org/ggml). Thread-safety and ownership: pure
// functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "holdall/core/dtype.h"
#include "holdall/core/value.h"

namespace holdall::gguf {

std::optional<DType> dtype_of_ggml(std::uint32_t number) noexcept;
// Empty for a dtype that GGUF lacks.
std::optional<std::uint32_t> ggml_of_dtype(DType dtype) noexcept;

// Stored: never renumber.
enum class ValueType : std::uint32_t {
  kUInt8,
  kInt8,
  kUInt16,
  kInt16,
  kUInt32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUInt64,
  kInt64,
  kFloat64,
};
inline constexpr std::uint32_t kValueTypes = 13;

// "uint8"; an array's is "[…]" around its elements'.
std::string_view name(ValueType type) noexcept;
std::optional<ValueType> value_type_named(std::string_view name) noexcept;
// Bytes of a number; the least that a string or an array takes, by the width of its counts.
std::uint64_t least_bytes(ValueType type, bool wide) noexcept;

// The type that a plain value is written as where nothing says another: bool, string, uint32 (int32 below zero and in arrays
// that fit it; int64, uint64), float32 where that holds each number exactly, else float64; "[T]" for a list of one T. Empty
// where GGUF has no place for it (null, dicts, bytes, lists of this and that) or ggml takes no file that has it (lists in
// lists).
std::string usual_type(Value value);

// Whether float32 holds exactly this number, or NaN.
bool is_float32(double value) noexcept;

// The key, in a model's metadata, of a dict from keys of this metadata to the types that they have, where those are not usual.
inline constexpr std::string_view kTypesKey = "gguf.types";

}  // namespace holdall::gguf
