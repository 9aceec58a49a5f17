#include <bit>
#include <utility>

#include "holdall/codec/msgpack.h"

namespace holdall {

MsgpackWriter& MsgpackWriter::byte(unsigned value) {
  out_ += static_cast<char>(static_cast<unsigned char>(value));
  return *this;
}

MsgpackWriter& MsgpackWriter::number(std::uint64_t value, unsigned bytes) {
  for (unsigned i = bytes; i-- > 0;) byte(static_cast<unsigned>(value >> (8 * i)) & 0xff);
  return *this;
}

MsgpackWriter& MsgpackWriter::raw(std::string_view bytes) {
  out_ += bytes;
  return *this;
}

// Every integer in the fewest bytes, as msgpack's own packers write it.
MsgpackWriter& MsgpackWriter::integer(std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value);
  if (value >= 0) return unsigned_integer(bits);
  if (value >= -32) return byte(static_cast<unsigned>(bits & 0xff));
  if (value >= INT8_MIN) return byte(0xd0).number(bits, 1);
  if (value >= INT16_MIN) return byte(0xd1).number(bits, 2);
  if (value >= INT32_MIN) return byte(0xd2).number(bits, 4);
  return byte(0xd3).number(bits, 8);
}

MsgpackWriter& MsgpackWriter::unsigned_integer(std::uint64_t value) {
  if (value < 0x80) return byte(static_cast<unsigned>(value));
  if (value <= UINT8_MAX) return byte(0xcc).number(value, 1);
  if (value <= UINT16_MAX) return byte(0xcd).number(value, 2);
  if (value <= UINT32_MAX) return byte(0xce).number(value, 4);
  return byte(0xcf).number(value, 8);
}

MsgpackWriter& MsgpackWriter::real(double value) { return byte(0xcb).number(std::bit_cast<std::uint64_t>(value), 8); }

// A code of 0: there is no such short form.
MsgpackWriter& MsgpackWriter::sized(unsigned code8, unsigned code16, unsigned code32, std::uint64_t size) {
  if (code8 != 0 && size <= UINT8_MAX) return byte(code8).number(size, 1);
  if (size <= UINT16_MAX) return byte(code16).number(size, 2);
  return byte(code32).number(size, 4);
}

MsgpackWriter& MsgpackWriter::string(std::string_view value) {
  if (value.size() < 32) return byte(0xa0 | static_cast<unsigned>(value.size())).raw(value);
  return sized(0xd9, 0xda, 0xdb, value.size()).raw(value);
}

MsgpackWriter& MsgpackWriter::bytes(std::uint64_t size) { return sized(0xc4, 0xc5, 0xc6, size); }

MsgpackWriter& MsgpackWriter::array(std::uint64_t items) {
  return items < 16 ? byte(0x90 | static_cast<unsigned>(items)) : sized(0, 0xdc, 0xdd, items);
}

MsgpackWriter& MsgpackWriter::map(std::uint64_t pairs) {
  return pairs < 16 ? byte(0x80 | static_cast<unsigned>(pairs)) : sized(0, 0xde, 0xdf, pairs);
}

MsgpackWriter& MsgpackWriter::extension(std::int8_t type, std::uint64_t size) {
  const bool is_fixed = std::has_single_bit(size) && size <= 16;
  if (is_fixed) {
    byte(0xd4 + static_cast<unsigned>(std::countr_zero(size)));
  } else {
    sized(0xc7, 0xc8, 0xc9, size);
  }
  return byte(static_cast<unsigned char>(type));
}

}  // namespace holdall
