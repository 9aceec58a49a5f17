#include "holdall/codec/msgpack.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "holdall/base/endian.h"
#include "holdall/base/text.h"

namespace holdall {
namespace {

using Kind = MsgpackItem::Kind;

constexpr std::uint64_t kWindow = 64u << 10;
// A head and what is usually near it: what is read where bytes have been passed over.
constexpr std::uint64_t kPeep = 4u << 10;

std::uint64_t low_bits(unsigned bytes) { return bytes == 8 ? UINT64_MAX : (std::uint64_t{1} << (8 * bytes)) - 1; }

}  // namespace

Error MsgpackReader::fault(std::string what) const {
  return corrupt(std::move(what)).at(document_.offset() + position_).in(document_.name());
}

Result<std::span<const std::byte>> MsgpackReader::ahead(std::uint64_t size) {
  if (size > remaining()) return fault(holdall::text("{} bytes are needed, {} remain", size, remaining()));
  const bool follows = position_ >= window_at_ && position_ - window_at_ <= window_.size();
  if (!follows || size > window_.size() - (position_ - window_at_)) {
    const std::uint64_t most = std::max(size, follows ? kWindow : kPeep);
    HOLDALL_ASSIGN(const Blob part, document_.slice(position_, std::min(most, remaining())));
    if (const auto resident = part.source()->resident()) {
      window_ = resident->slice(static_cast<std::size_t>(part.offset()), static_cast<std::size_t>(part.size()));
    } else {
      HOLDALL_ASSIGN(window_, part.without_checks().read());
    }
    window_at_ = position_;
  }
  return window_.span().subspan(static_cast<std::size_t>(position_ - window_at_), static_cast<std::size_t>(size));
}

Result<std::uint64_t> MsgpackReader::number(unsigned bytes) {
  HOLDALL_ASSIGN(const auto found, ahead(bytes));
  std::uint64_t value = 0;
  for (const std::byte each : found) value = value << 8 | std::to_integer<std::uint64_t>(each);
  position_ += bytes;
  return value;
}

Result<MsgpackItem> MsgpackReader::sized(MsgpackItem item, std::uint64_t size) {
  if (size > remaining()) return fault(holdall::text("{} bytes are said to follow, {} remain", size, remaining()));
  item.size = size;
  item.offset = position_;
  position_ += size;
  return item;
}

Result<MsgpackItem> MsgpackReader::counted(MsgpackItem item, std::uint64_t count) {
  const std::uint64_t least = item.is(Kind::kMap) ? 2 * count : count;  // a byte each; counts have 32 bits
  if (least > remaining()) return fault(holdall::text("{} items are said to follow in {} bytes", least, remaining()));
  item.size = count;
  return item;
}

Result<MsgpackItem> MsgpackReader::next() {
  MsgpackItem item;
  item.at = document_.offset() + position_;
  HOLDALL_ASSIGN(const std::uint64_t first, number(1));
  const auto code = static_cast<unsigned>(first);
  if (code < 0x80 || code >= 0xe0) {
    item.kind = Kind::kInteger;
    item.is_negative = code >= 0xe0;
    item.integer = item.is_negative ? code | ~std::uint64_t{0xff} : code;
    return item;
  }
  if (code < 0x90 || code < 0xa0) {
    item.kind = code < 0x90 ? Kind::kMap : Kind::kArray;
    return counted(item, code & 0x0f);
  }
  if (code < 0xc0) {
    item.kind = Kind::kText;
    return sized(item, code & 0x1f);
  }
  return coded(item, code);
}

// What has a byte of its own in front: 0xc0 to 0xdf.
Result<MsgpackItem> MsgpackReader::coded(MsgpackItem item, unsigned code) {
  const auto width = [&](unsigned first) { return 1u << (code - first); };
  if (code == 0xc0) return item;
  if (code == 0xc2 || code == 0xc3) {
    item.kind = Kind::kBool;
    item.integer = code & 1;
  } else if (code == 0xc1) {
    --position_;
    return fault("byte 0xc1 begins no value");
  } else if (code == 0xca || code == 0xcb) {
    item.kind = Kind::kFloat;
    HOLDALL_ASSIGN(const std::uint64_t bits, number(code == 0xca ? 4 : 8));
    item.real = code == 0xca ? std::bit_cast<float>(static_cast<std::uint32_t>(bits)) : std::bit_cast<double>(bits);
  } else if (code >= 0xcc && code <= 0xd3) {
    item.kind = Kind::kInteger;
    const unsigned bytes = width(code < 0xd0 ? 0xcc : 0xd0);
    HOLDALL_ASSIGN(item.integer, number(bytes));
    item.is_negative = code >= 0xd0 && (item.integer >> (8 * bytes - 1)) != 0;
    if (item.is_negative) item.integer |= ~low_bits(bytes);
  } else if (code >= 0xc4 && code <= 0xc6) {
    item.kind = Kind::kBytes;
    HOLDALL_ASSIGN(const std::uint64_t size, number(width(0xc4)));
    return sized(item, size);
  } else if (code >= 0xd9 && code <= 0xdb) {
    item.kind = Kind::kText;
    HOLDALL_ASSIGN(const std::uint64_t size, number(width(0xd9)));
    return sized(item, size);
  } else if (code >= 0xdc) {
    item.kind = code <= 0xdd ? Kind::kArray : Kind::kMap;
    HOLDALL_ASSIGN(const std::uint64_t count, number(code % 2 == 0 ? 2 : 4));
    return counted(item, count);
  } else {
    item.kind = Kind::kExtension;
    std::uint64_t size = code >= 0xd4 ? width(0xd4) : 0;
    if (code < 0xd4) {
      HOLDALL_ASSIGN(size, number(width(0xc7)));
    }
    HOLDALL_ASSIGN(const std::uint64_t type, number(1));
    item.extension = static_cast<std::int8_t>(type);
    return sized(item, size);
  }
  return item;
}

Result<MsgpackReader> MsgpackReader::within(const MsgpackItem& item) const {
  HOLDALL_ASSIGN(Blob inner, blob(item));
  MsgpackReader reader(std::move(inner));
  if (item.offset >= window_at_ && item.offset - window_at_ < window_.size()) {
    const auto begin = static_cast<std::size_t>(item.offset - window_at_);
    const std::uint64_t held = std::min<std::uint64_t>(window_.size() - begin, item.size);
    reader.window_ = window_.slice(begin, static_cast<std::size_t>(held));
  }
  return reader;
}

Result<std::string> MsgpackReader::text(const MsgpackItem& item) const {
  std::string text(static_cast<std::size_t>(item.size), '\0');
  const std::span<std::byte> out = std::as_writable_bytes(std::span(text));
  if (item.offset >= window_at_ && item.offset - window_at_ <= window_.size() &&
      item.size <= window_.size() - (item.offset - window_at_)) {
    const auto held = window_.span().subspan(static_cast<std::size_t>(item.offset - window_at_), out.size());
    std::copy(held.begin(), held.end(), out.begin());
  } else {
    HOLDALL_TRY(document_.read_at(item.offset, out));
  }
  return text;
}

}  // namespace holdall
