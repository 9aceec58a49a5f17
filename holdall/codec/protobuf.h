// Protocol Buffers on the wire: fields of a message by number, without a schema.
//
//   message := field*        field := key value      key := varint(number << 3 | wire)
//   wire 0 varint, 1 fixed64, 2 varint(size) bytes, 5 fixed32; groups (3, 4) are refused by name
//   varint := 7 bits a byte, low ones first, the highest bit of a byte set where more follow; at most 10 bytes, 64 bits
// Specification: protobuf.dev/programming-guides/encoding.
//
// A message is read through a window of a blob: what is passed over stays on disk, and no message is too large (protobuf's own
// readers end at 2 GB).
// Thread-safety: a reader belongs to one thread. Ownership: readers share the source and their windows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "holdall/io/blob.h"

namespace holdall {

enum class ProtoWire : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct ProtoField {
  std::uint32_t number = 0;
  ProtoWire wire = ProtoWire::kVarint;
  std::uint64_t value = 0;   // of a varint, a fixed64, a fixed32; of bytes: how many
  std::uint64_t offset = 0;  // of the bytes, in the message
  std::uint64_t at = 0;      // of the field's key, in the source

  bool is(std::uint32_t field, ProtoWire kind) const noexcept { return number == field && wire == kind; }
  bool is_bytes(std::uint32_t field) const noexcept { return is(field, ProtoWire::kBytes); }
  bool is_varint(std::uint32_t field) const noexcept { return is(field, ProtoWire::kVarint); }
  std::int64_t as_int() const noexcept { return static_cast<std::int64_t>(value); }
};

class ProtoReader {
 public:
  // A message that is all of the blob.
  explicit ProtoReader(Blob message) : message_(std::move(message)) {}

  // The next field, empty at the end of the message; bytes are passed over, not read. Errors of all below: corrupt, io.
  Result<std::optional<ProtoField>> next();
  // The bytes of a field as a message of its own; of what this reader's window holds nothing is read again.
  Result<ProtoReader> message(const ProtoField& field) const;
  // The bytes of a field, on disk; in memory, at most `most` of them (errors: limit).
  Result<Blob> blob(const ProtoField& field) const { return message_.slice(field.offset, field.value); }
  Result<Bytes> bytes(const ProtoField& field, std::uint64_t most) const;
  Result<std::string> text(const ProtoField& field, std::uint64_t most) const;

  // The next varint of packed ones, instead of next(). Precondition: !at_end().
  Result<std::uint64_t> packed_varint() { return varint(); }
  bool at_end() const noexcept { return position_ == message_.size(); }
  // Of the next byte, in the source.
  std::uint64_t place() const noexcept { return message_.offset() + position_; }
  const Blob& whole() const noexcept { return message_; }
  // corrupt, at place().
  Error fault(std::string what) const;

 private:
  Result<std::uint64_t> varint();
  // Bytes of the window from position_ on: `size` of them, or all that remain.
  Result<std::span<const std::byte>> ahead(std::uint64_t size);

  Blob message_;
  std::uint64_t position_ = 0;
  Bytes window_;
  std::uint64_t window_at_ = 0;  // of the window in the message
};

// The bytes of a message, field by field.
class ProtoWriter {
 public:
  ProtoWriter& varint(std::uint32_t field, std::uint64_t value);
  ProtoWriter& fixed32(std::uint32_t field, std::uint32_t value);
  ProtoWriter& bytes(std::uint32_t field, std::string_view value);
  ProtoWriter& message(std::uint32_t field, const ProtoWriter& value) { return bytes(field, value.out_); }

  const std::string& text() const noexcept { return out_; }
  std::string take() { return std::move(out_); }

 private:
  void key(std::uint32_t field, ProtoWire wire);
  std::string out_;
};

void append_varint(std::string& out, std::uint64_t value);
// Takes a varint off the front; empty, and nothing is taken, where there is none.
std::optional<std::uint64_t> take_varint(std::span<const std::byte>& from) noexcept;

}  // namespace holdall
