#include "holdall/formats/gguf/gguf_types.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace holdall::gguf {
namespace {

struct Row {
  std::uint32_t number;
  DType dtype;
};
constexpr Row kRows[] = {
#define HOLDALL_GGML_TYPE(number, dtype) {number, DType::dtype},
#include "holdall/formats/gguf/gguf_types.inc"
#undef HOLDALL_GGML_TYPE
};

constexpr std::array<std::string_view, kValueTypes> kNames = {
    "uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "bool", "string", "array", "uint64", "int64", "float64"};

// The least of integers' types that holds all of them: by the signs and sizes met.
struct Integers {
  bool negative = false, beyond_int64 = false;
  std::int64_t least = 0, most = 0;

  bool add(Value value) {
    if (value.is(ValueKind::kBigInt)) {
      beyond_int64 = true;
      // What int64 does not hold and uint64 does has no sign and at most 20 digits.
      const std::string_view digits = value.as_big_int();
      return digits.size() < 20 || (digits.size() == 20 && digits <= "18446744073709551615");
    }
    least = std::min(least, value.as_int());
    most = std::max(most, value.as_int());
    negative = negative || value.as_int() < 0;
    return true;
  }
  std::string_view type(bool in_list) const {
    if (beyond_int64) return negative ? std::string_view() : "uint64";
    const bool fits_signed = least >= INT32_MIN && most <= INT32_MAX;
    if (negative || (in_list && fits_signed)) return fits_signed ? "int32" : "int64";
    return most <= UINT32_MAX ? "uint32" : "uint64";
  }
};

std::string_view usual_scalar(Value value) {
  Integers integers;
  switch (value.kind()) {
    case ValueKind::kBool:
      return "bool";
    case ValueKind::kString:
      return "string";
    case ValueKind::kInt:
    case ValueKind::kBigInt:
      return integers.add(value) ? integers.type(false) : std::string_view();
    case ValueKind::kFloat:
      return is_float32(value.as_float()) ? "float32" : "float64";
    default:
      return {};
  }
}

bool is_integer(Value value) { return value.is(ValueKind::kInt) || value.is(ValueKind::kBigInt); }

std::string usual_element(Value list) {
  const Value first = list.item(0);
  std::string element;
  Integers integers;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const Value item = list.item(i);
    if (is_integer(item) != is_integer(first)) return {};
    if (is_integer(item)) {
      if (!integers.add(item)) return {};
      continue;
    }
    std::string one(usual_scalar(item));
    if (one.empty()) return {};
    const bool floats = one.starts_with("float") && element.starts_with("float");
    if (i != 0 && one != element && !floats) return {};
    if (i == 0 || one == "float64") element = std::move(one);
  }
  return is_integer(first) ? std::string(integers.type(true)) : element;
}

}  // namespace

bool is_float32(double value) noexcept {
  if (std::isnan(value)) return true;
  return std::isinf(value) ||
         (std::abs(value) <= std::numeric_limits<float>::max() && static_cast<double>(static_cast<float>(value)) == value);
}

std::optional<DType> dtype_of_ggml(std::uint32_t number) noexcept {
  for (const Row& row : kRows)
    if (row.number == number) return row.dtype;
  return std::nullopt;
}

std::optional<std::uint32_t> ggml_of_dtype(DType dtype) noexcept {
  for (const Row& row : kRows)
    if (row.dtype == dtype) return row.number;
  return std::nullopt;
}

std::string_view name(ValueType type) noexcept { return kNames[static_cast<std::size_t>(type)]; }

std::optional<ValueType> value_type_named(std::string_view name) noexcept {
  if (name.starts_with('[')) return ValueType::kArray;
  for (std::uint32_t i = 0; i < kValueTypes; ++i)
    if (kNames[i] == name && i != static_cast<std::uint32_t>(ValueType::kArray)) return static_cast<ValueType>(i);
  return std::nullopt;
}

std::uint64_t least_bytes(ValueType type, bool wide) noexcept {
  switch (type) {
    case ValueType::kUInt8:
    case ValueType::kInt8:
    case ValueType::kBool:
      return 1;
    case ValueType::kUInt16:
    case ValueType::kInt16:
      return 2;
    case ValueType::kUInt32:
    case ValueType::kInt32:
    case ValueType::kFloat32:
      return 4;
    case ValueType::kString:
      return wide ? 8 : 4;
    case ValueType::kArray:
      return wide ? 12 : 8;
    default:
      return 8;
  }
}

std::string usual_type(Value value) {
  if (!value.is(ValueKind::kList)) return std::string(usual_scalar(value));
  if (value.size() == 0) return "[int32]";
  const std::string element = usual_element(value);
  return element.empty() ? std::string() : "[" + element + "]";
}

}  // namespace holdall::gguf
