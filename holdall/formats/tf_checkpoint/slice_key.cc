#include "holdall/formats/tf_checkpoint/slice_key.h"

#include <array>
#include <bit>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/core/strided.h"

namespace holdall::tf_checkpoint {
namespace {

void append_number(std::string& out, std::uint64_t value) {
  const int bytes = (static_cast<int>(std::bit_width(value)) + 7) / 8;
  out += static_cast<char>(bytes);
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i));
}

void append_text(std::string& out, std::string_view value) {
  for (const char c : value) {
    out += c;
    if (c == '\0') out += '\xff';
    if (c == '\xff') out += '\0';
  }
  out.append("\0\1", 2);
}

// One byte holds 6 bits and the sign, each further byte 7 bits more; a length of n is n ones, inverted for negative values.
void append_signed(std::string& out, std::int64_t value) {
  const auto magnitude = static_cast<std::uint64_t>(value < 0 ? ~value : value);
  const int length = static_cast<int>(std::bit_width(magnitude)) / 7 + 1;
  std::array<unsigned char, 10> raw;
  const unsigned char sign = value < 0 ? 0xff : 0;
  raw[0] = raw[1] = sign;
  for (std::size_t i = 0; i < 8; ++i)
    raw[2 + i] = static_cast<unsigned char>(static_cast<std::uint64_t>(value) >> (56 - 8 * i));
  const std::size_t begin = raw.size() - static_cast<std::size_t>(length);
  const unsigned ones = ((1u << length) - 1) << (16 - length);
  raw[begin] ^= static_cast<unsigned char>(ones >> 8);
  if (length > 1) raw[begin + 1] ^= static_cast<unsigned char>(ones);
  out.append(reinterpret_cast<const char*>(raw.data()) + begin, static_cast<std::size_t>(length));
}

}  // namespace

Result<Slice> read_slice(ProtoReader message) {
  Slice slice;
  while (true) {
    HOLDALL_ASSIGN(const auto field, message.next());
    if (!field) return slice;
    if (!field->is_bytes(1)) continue;
    if (slice.size() == kMaxRank) return over_limit(text("a slice has more than {} dimensions", kMaxRank));
    Extent extent;
    HOLDALL_ASSIGN(ProtoReader part, message.message(*field));
    while (true) {
      HOLDALL_ASSIGN(const auto value, part.next());
      if (!value) break;
      if (value->is_varint(1)) extent.start = value->as_int();
      if (value->is_varint(2)) extent.length = value->as_int();
    }
    if (extent.start < 0 || extent.length < -1)
      return corrupt(text("a slice starts at {} and has {}", extent.start, extent.length));
    slice.push_back(extent);
  }
}

std::string slice_key(std::string_view tensor, const Slice& slice) {
  std::string key;
  append_number(key, 0);
  append_text(key, tensor);
  append_number(key, slice.size());
  for (const Extent& extent : slice) {
    append_signed(key, extent.start);
    append_signed(key, extent.length);
  }
  return key;
}

Result<Box> box_of(const Slice& slice, const Shape& shape) {
  if (slice.size() != shape.size())
    return corrupt(text("a slice of {} dimensions of a tensor of {}", slice.size(), shape.size()));
  Box box;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    const auto start = static_cast<std::uint64_t>(slice[d].start);
    const std::uint64_t size = slice[d].length < 0 ? shape[d] : static_cast<std::uint64_t>(slice[d].length);
    if (!fits(start, size, shape[d])) return corrupt(text("a slice of [{}, {}) of {}", start, start + size, shape[d]));
    box.start.push_back(start);
    box.size.push_back(size);
  }
  return box;
}

}  // namespace holdall::tf_checkpoint
