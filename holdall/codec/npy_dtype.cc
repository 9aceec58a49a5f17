#include "holdall/codec/npy_dtype.h"

#include <array>
#include <charconv>
#include <optional>

#include "holdall/base/text.h"

namespace holdall {
namespace {

struct Row {
  std::string_view name;  // kind and size
  DType dtype;
  std::uint32_t item_bytes;
  std::uint32_t unit_bytes;
};

// NumPy's numbers and the dtypes that hold them. "f1" is how ml_dtypes' float8_e5m2 spells itself.
constexpr std::array kNumbers = {
    Row{"b1", DType::kBool, 1, 1},      Row{"i1", DType::kInt8, 1, 1},         Row{"u1", DType::kUInt8, 1, 1},
    Row{"i2", DType::kInt16, 2, 2},     Row{"u2", DType::kUInt16, 2, 2},       Row{"i4", DType::kInt32, 4, 4},
    Row{"u4", DType::kUInt32, 4, 4},    Row{"i8", DType::kInt64, 8, 8},        Row{"u8", DType::kUInt64, 8, 8},
    Row{"f2", DType::kFloat16, 2, 2},   Row{"f4", DType::kFloat32, 4, 4},      Row{"f8", DType::kFloat64, 8, 8},
    Row{"c8", DType::kComplex64, 8, 4}, Row{"c16", DType::kComplex128, 16, 8}, Row{"f1", DType::kFloat8E5M2, 1, 1},
};

constexpr std::array<std::string_view, 13> kUnits = {"Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"};

// Digits without a sign, at most those of a C int, which is what NumPy keeps an item's size in.
std::optional<std::uint32_t> read_count(std::string_view digits) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  if (value > static_cast<std::uint32_t>(INT32_MAX)) return std::nullopt;
  return value;
}

Error not_a_type(std::string_view typestr) { return corrupt(text("'{}' is not a NumPy type string", typestr)); }

// "[ns]", "[25s]" or nothing, behind M8 and m8.
bool is_time_unit(std::string_view unit) {
  if (unit.empty()) return true;
  if (unit.size() < 3 || unit.front() != '[' || unit.back() != ']') return false;
  unit = unit.substr(1, unit.size() - 2);
  const std::size_t digits = std::min(unit.find_first_not_of("0123456789"), unit.size());
  if (digits != 0 && (unit.front() == '0' || !read_count(unit.substr(0, digits)))) return false;
  for (const std::string_view known : kUnits)
    if (unit.substr(digits) == known) return true;
  return false;
}

// Kinds whose size is a count of characters or bytes: S (and its old name a), U, V.
Result<NpyDType> sized(char kind, std::string_view rest, std::string_view typestr, NpyDType result) {
  const auto count = rest.empty() ? std::optional<std::uint32_t>(0) : read_count(rest);
  if (!count || (kind == 'U' && *count > static_cast<std::uint32_t>(INT32_MAX) / 4)) return not_a_type(typestr);
  result.item_bytes = *count;
  if (kind == 'V') {
    result.form = NpyForm::kRecord;
    result.dtype = DType::kRecord;
    result.logical = text("'{}'", typestr);
    return result;
  }
  result.dtype = DType::kString;
  result.form = kind == 'U' ? NpyForm::kUtf32 : NpyForm::kText;
  result.logical = text("{}{}", kind == 'U' ? 'U' : 'S', *count);
  if (kind == 'U') {
    result.item_bytes = std::uint64_t{4} * *count;
    result.unit_bytes = 4;
  }
  return result;
}

}  // namespace

Result<NpyDType> npy_dtype(std::string_view typestr) {
  NpyDType result;
  std::string_view code = typestr;
  if (!code.empty() && std::string_view("<>=|").find(code.front()) != std::string_view::npos) {
    if (code.front() == '>') result.order = ByteOrder::kBig;
    code.remove_prefix(1);
  }
  if (code.empty()) return not_a_type(typestr);
  if (code == "?") code = "b1";
  for (const Row& row : kNumbers) {
    if (code != row.name) continue;
    result.dtype = row.dtype;
    result.item_bytes = row.item_bytes;
    result.unit_bytes = row.unit_bytes;
    if (row.unit_bytes == 1) result.order = ByteOrder::kLittle;
    return result;
  }
  const char kind = code.front();
  const std::string_view rest = code.substr(1);
  if (kind == 'S' || kind == 'a' || kind == 'U' || kind == 'V') return sized(kind, rest, typestr, std::move(result));
  if ((kind == 'M' || kind == 'm') && rest.starts_with('8') && is_time_unit(rest.substr(1))) {
    result.dtype = DType::kInt64;
    result.item_bytes = result.unit_bytes = 8;
    result.logical = text("{}64{}", kind == 'M' ? "datetime" : "timedelta", rest.substr(1));
    return result;
  }
  if (kind == 'O' && (rest.empty() || rest == "8" || rest == "4")) {
    result.form = NpyForm::kObject;
    result.dtype = DType::kRecord;
    result.item_bytes = 8;
    result.order = ByteOrder::kLittle;
    return result;
  }
  // Long doubles (12 or 16 bytes), their complex pairs, and the extension kind W are kept byte for byte.
  if (code == "f12" || code == "f16" || code == "c24" || code == "c32" || code == "W4") {
    result.form = NpyForm::kRecord;
    result.dtype = DType::kRecord;
    result.item_bytes = *read_count(rest);
    result.logical = text("'{}'", typestr);
    return result;
  }
  if (std::string_view("biufcMmT").find(kind) != std::string_view::npos) {
    return unsupported(text("NumPy type '{}' is not known", typestr));
  }
  return not_a_type(typestr);
}

Result<std::string> npy_typestr(DType dtype, std::string_view logical) {
  if (dtype == DType::kInt64) {
    for (const auto& [prefix, code] :
         {std::pair<std::string_view, std::string_view>{"datetime64", "<M8"}, {"timedelta64", "<m8"}})
      if (logical.starts_with(prefix) && is_time_unit(logical.substr(prefix.size())))
        return text("{}{}", code, logical.substr(prefix.size()));
  }
  if (dtype == DType::kString && !logical.empty() && (logical.front() == 'U' || logical.front() == 'S') &&
      read_count(logical.substr(1))) {
    return text("{}{}", logical.front() == 'U' ? '<' : '|', logical);
  }
  for (const Row& row : kNumbers)
    if (row.dtype == dtype && row.name != "f1") return text("{}{}", row.unit_bytes == 1 ? '|' : '<', row.name);
  return unsupported(text("NumPy has no type for dtype {}", name(dtype)));
}

}  // namespace holdall
