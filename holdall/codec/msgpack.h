// MessagePack: values in a byte stream that says sizes ahead. Specification: github.com/msgpack/msgpack, spec.md (version 5).
//
//   0x00-0x7f, 0xe0-0xff  integer      0xc0 nil   0xc2 0xc3 false, true   0xcc-0xd3 uint8 to uint64, int8 to int64
//   0xca 0xcb float32, float64         0xa0-0xbf, 0xd9-0xdb text          0xc4-0xc6 bytes
//   0x90-0x9f, 0xdc 0xdd array         0x80-0x8f, 0xde 0xdf map           0xd4-0xd8, 0xc7-0xc9 extension: type, bytes
// Numbers are big-endian. 0xc1 is never used.
//
// A document is read through a window of a blob: bytes of texts, binaries and extensions that nobody asks for stay on disk.
// Thread-safety: a reader belongs to one thread. Ownership: readers share the source and their windows.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "holdall/base/limits.h"
#include "holdall/core/value.h"
#include "holdall/io/blob.h"

namespace holdall {

struct MsgpackItem {
  enum class Kind : std::uint8_t { kNil, kBool, kInteger, kFloat, kText, kBytes, kArray, kMap, kExtension };
  Kind kind = Kind::kNil;
  bool is_negative = false;   // of an integer
  std::uint64_t integer = 0;  // in two's complement; of a bool: 0 or 1
  double real = 0;
  std::uint64_t size = 0;    // bytes of a text, of bytes, of an extension; items of an array, pairs of a map
  std::uint64_t offset = 0;  // of those bytes, in the document
  std::uint64_t at = 0;      // of the item's first byte, in the source
  std::int8_t extension = 0;

  bool is(Kind other) const noexcept { return kind == other; }
};

class MsgpackReader {
 public:
  // Values that are all of the blob.
  explicit MsgpackReader(Blob document) : document_(std::move(document)) {}

  // The next item: a container's items follow one by one; bytes are passed over, not read. An array or a map never says more
  // items than bytes remain. Precondition: !at_end(). Errors of all below: corrupt, io.
  Result<MsgpackItem> next();
  // The bytes of an item as values of their own; of what this reader's window holds nothing is read again.
  Result<MsgpackReader> within(const MsgpackItem& item) const;
  // The bytes of an item, on disk; in memory.
  Result<Blob> blob(const MsgpackItem& item) const { return document_.slice(item.offset, item.size); }
  Result<std::string> text(const MsgpackItem& item) const;

  // Of the document.
  const std::string& name() const noexcept { return document_.name(); }
  bool at_end() const noexcept { return position_ == document_.size(); }
  std::uint64_t remaining() const noexcept { return document_.size() - position_; }
  // corrupt, at the next byte.
  Error fault(std::string what) const;

 private:
  Result<std::uint64_t> number(unsigned bytes);
  Result<MsgpackItem> sized(MsgpackItem item, std::uint64_t size);
  Result<MsgpackItem> counted(MsgpackItem item, std::uint64_t count);
  Result<MsgpackItem> coded(MsgpackItem item, unsigned code);
  Result<std::span<const std::byte>> ahead(std::uint64_t size);

  Blob document_;
  std::uint64_t position_ = 0;
  Bytes window_;
  std::uint64_t window_at_ = 0;  // of the window in the document
};

struct MsgpackOptions {
  Limits limits = {};
  // What an extension means. Absent: extensions are refused.
  std::function<Result<NodeId>(const MsgpackReader& reader, const MsgpackItem& extension)> extension = {};
};

// The next value with all that it holds; long bytes stay on disk. Errors: corrupt (also a key met twice, a text that is not
// UTF-8), limit, unsupported (a key that is an array, a map or an extension).
Result<NodeId> read_msgpack(Arena& arena, MsgpackReader& reader, const MsgpackOptions& options);

class MsgpackWriter {
 public:
  MsgpackWriter& nil() { return byte(0xc0); }
  MsgpackWriter& boolean(bool value) { return byte(value ? 0xc3 : 0xc2); }
  MsgpackWriter& integer(std::int64_t value);
  MsgpackWriter& unsigned_integer(std::uint64_t value);
  MsgpackWriter& real(double value);
  // At most 2^32 - 1 bytes or items, in all below.
  MsgpackWriter& string(std::string_view value);
  // Heads alone: the bytes, items or pairs follow.
  MsgpackWriter& bytes(std::uint64_t size);
  MsgpackWriter& array(std::uint64_t items);
  MsgpackWriter& map(std::uint64_t pairs);
  MsgpackWriter& extension(std::int8_t type, std::uint64_t size);
  MsgpackWriter& raw(std::string_view bytes);

  const std::string& text() const noexcept { return out_; }
  std::string take() { return std::exchange(out_, {}); }

 private:
  MsgpackWriter& byte(unsigned value);
  MsgpackWriter& number(std::uint64_t value, unsigned bytes);
  MsgpackWriter& sized(unsigned code8, unsigned code16, unsigned code32, std::uint64_t size);
  std::string out_;
};

}  // namespace holdall
