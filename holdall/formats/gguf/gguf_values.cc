#include "holdall/formats/gguf/gguf_values.h"

#include <array>
#include <bit>
#include <charconv>

#include "holdall/base/endian.h"
#include "holdall/base/utf8.h"
#include "holdall/formats/gguf/gguf.h"

namespace holdall::gguf {
namespace {

void put_type(std::string& out, ValueType type) { put_number(out, static_cast<std::uint32_t>(type), 4); }

struct Range {
  std::size_t width;
  bool is_signed;
};

std::optional<Range> range_of(ValueType type) noexcept {
  switch (type) {
    case ValueType::kUInt8:
      return Range{1, false};
    case ValueType::kInt8:
      return Range{1, true};
    case ValueType::kUInt16:
      return Range{2, false};
    case ValueType::kInt16:
      return Range{2, true};
    case ValueType::kUInt32:
      return Range{4, false};
    case ValueType::kInt32:
      return Range{4, true};
    case ValueType::kUInt64:
      return Range{8, false};
    case ValueType::kInt64:
      return Range{8, true};
    default:
      return std::nullopt;
  }
}

bool put_integer(std::string& out, Range range, Value value) {
  if (value.is(ValueKind::kBigInt)) {
    std::uint64_t number = 0;
    const std::string_view digits = value.as_big_int();
    const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (range.width != 8 || range.is_signed || fault != std::errc() || end != digits.data() + digits.size()) return false;
    put_number(out, number, 8);
    return true;
  }
  if (!value.is(ValueKind::kInt)) return false;
  const std::int64_t number = value.as_int();
  const auto bits = static_cast<int>(8 * range.width);
  if (range.is_signed) {
    const std::int64_t end = INT64_MAX >> (64 - bits);
    if (number > end || number < -end - 1) return false;
  } else if (number < 0 || (bits < 64 && number >> bits != 0)) {
    return false;
  }
  put_number(out, static_cast<std::uint64_t>(number), range.width);
  return true;
}

// The value alone, without its type.
bool put_content(std::string& out, std::string_view type, Value value) {
  const std::optional<ValueType> kind = value_type_named(type);
  if (!kind) return false;
  if (const auto range = range_of(*kind)) return put_integer(out, *range, value);
  switch (*kind) {
    case ValueType::kBool:
      if (!value.is(ValueKind::kBool)) return false;
      put_number(out, value.as_bool() ? 1 : 0, 1);
      return true;
    case ValueType::kString:
      if (!value.is(ValueKind::kString)) return false;
      put_string(out, value.as_string());
      return true;
    case ValueType::kFloat32:
      if (!value.is(ValueKind::kFloat) || !is_float32(value.as_float())) return false;
      put_number(out, std::bit_cast<std::uint32_t>(static_cast<float>(value.as_float())), 4);
      return true;
    case ValueType::kFloat64:
      if (!value.is(ValueKind::kFloat)) return false;
      put_number(out, std::bit_cast<std::uint64_t>(value.as_float()), 8);
      return true;
    default:
      break;
  }
  if (!value.is(ValueKind::kList) || type.size() < 3 || type.back() != ']') return false;
  const std::string_view element = type.substr(1, type.size() - 2);
  const std::optional<ValueType> element_kind = value_type_named(element);
  if (!element_kind) return false;
  put_type(out, *element_kind);
  put_number(out, value.size(), 8);
  for (std::size_t i = 0; i < value.size(); ++i)
    if (!put_content(out, element, value.item(i))) return false;
  return true;
}

bool is_alignment(Value value) {
  if (!value.is(ValueKind::kInt)) return false;
  const std::int64_t number = value.as_int();
  return number > 0 && number <= static_cast<std::int64_t>(kMostAlignment) && (number & (number - 1)) == 0;
}

// Whether a key may stand among the pairs as what it is.
bool has_place(std::string_view key, Value value) {
  if (key.empty() || !is_utf8(key) || key == kTreeKey || key == kChecksKey) return false;
  if (key == kSplitCount) return value.is(ValueKind::kInt) && value.as_int() <= 1;
  return key != kAlignmentKey || is_alignment(value);
}

}  // namespace

void put_number(std::string& out, std::uint64_t number, std::size_t width) {
  std::array<char, 8> bytes;
  store_le(bytes.data(), number);
  out.append(bytes.data(), width);
}

void put_string(std::string& out, std::string_view text) {
  put_number(out, text.size(), 8);
  out += text;
}

void put_pair(std::string& out, std::string_view key, std::string_view type, std::uint64_t number) {
  const ValueType kind = *value_type_named(type);
  put_string(out, key);
  put_type(out, kind);
  put_number(out, number, range_of(kind)->width);
}

bool put_value(std::string& out, std::string_view type, Value value) {
  const std::size_t before = out.size();
  const std::optional<ValueType> kind = value_type_named(type);
  if (kind) {
    put_type(out, *kind);
    if (put_content(out, type, value)) return true;
  }
  out.resize(before);
  return false;
}

PairsText pairs_of(const Model& model, std::uint64_t alignment) {
  PairsText pairs;
  pairs.alignment = alignment == 0 ? kDefaultAlignment : alignment;
  const Value metadata = model.metadata();
  const Value types = metadata.find(kTypesKey);
  bool says_alignment = false;
  for (std::size_t i = 0; metadata.is(ValueKind::kDict) && i < metadata.size(); ++i) {
    const Value key = metadata.key(i);
    const Value value = metadata.mapped(i);
    const std::string_view name = key.is(ValueKind::kString) ? key.as_string() : std::string_view();
    if (name == kTypesKey && value.is(ValueKind::kDict)) continue;
    if (!has_place(name, value)) {
      pairs.is_whole = false;
      continue;
    }
    if (name == kAlignmentKey) {
      if (alignment == 0) pairs.alignment = static_cast<std::uint64_t>(value.as_int());
      put_pair(pairs.bytes, name, "uint32", pairs.alignment);
      says_alignment = true;
      ++pairs.count;
      continue;
    }
    const std::size_t before = pairs.bytes.size();
    put_string(pairs.bytes, name);
    const std::string_view kept = types.find_string(name).value_or("");
    if (put_value(pairs.bytes, kept, value) || put_value(pairs.bytes, usual_type(value), value)) {
      ++pairs.count;
    } else {
      pairs.bytes.resize(before);
      pairs.is_whole = false;
    }
  }
  if (!says_alignment && pairs.alignment != kDefaultAlignment) {
    put_pair(pairs.bytes, kAlignmentKey, "uint32", pairs.alignment);
    ++pairs.count;
  }
  return pairs;
}

}  // namespace holdall::gguf
