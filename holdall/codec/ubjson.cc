#include "holdall/codec/ubjson.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/base/utf8.h"

namespace holdall {
namespace {

using Token = UbjsonReader::Token;

constexpr std::uint64_t kWindow = 64u << 10;

// Bytes of a number of this type; 0 for what is none.
unsigned number_bytes(char type) noexcept {
  switch (type) {
    case 'i':
    case 'U':
      return 1;
    case 'I':
      return 2;
    case 'l':
    case 'd':
      return 4;
    case 'L':
    case 'D':
      return 8;
    default:
      return 0;
  }
}

DType number_dtype(char type) noexcept {
  switch (type) {
    case 'i':
      return DType::kInt8;
    case 'I':
      return DType::kInt16;
    case 'l':
      return DType::kInt32;
    case 'L':
      return DType::kInt64;
    case 'd':
      return DType::kFloat32;
    case 'D':
      return DType::kFloat64;
    default:
      return DType::kUInt8;
  }
}

bool is_type(char type) noexcept { return std::string_view("ZTFiUIlLdDCSH[{").find(type) != std::string_view::npos; }

std::string shown(char c) {
  if (c > 0x20 && c < 0x7f) return holdall::text("'{}'", c);
  return holdall::text("byte 0x{:02x}", static_cast<unsigned char>(c));
}

}  // namespace

Error UbjsonReader::fault(std::string what) const {
  return corrupt(std::move(what)).at(document_.offset() + position_).in(document_.name());
}

Result<std::span<const std::byte>> UbjsonReader::ahead(std::uint64_t size) {
  if (size > remaining()) return fault(holdall::text("{} bytes are needed, {} remain", size, remaining()));
  const bool is_there =
      position_ >= window_at_ && position_ - window_at_ <= window_.size() && size <= window_.size() - (position_ - window_at_);
  if (!is_there) {
    HOLDALL_ASSIGN(const Blob part, document_.slice(position_, std::min(std::max(size, kWindow), remaining())));
    if (const auto resident = part.source()->resident()) {
      window_ = resident->slice(static_cast<std::size_t>(part.offset()), static_cast<std::size_t>(part.size()));
    } else {
      HOLDALL_ASSIGN(window_, part.without_checks().read());
    }
    window_at_ = position_;
  }
  return window_.span().subspan(static_cast<std::size_t>(position_ - window_at_), static_cast<std::size_t>(size));
}

Result<char> UbjsonReader::peek() {
  HOLDALL_ASSIGN(const auto found, ahead(1));
  return static_cast<char>(std::to_integer<unsigned char>(found[0]));
}

Result<char> UbjsonReader::byte() {
  HOLDALL_ASSIGN(const char found, peek());
  ++position_;
  return found;
}

Result<std::uint64_t> UbjsonReader::number(unsigned bytes) {
  HOLDALL_ASSIGN(const auto found, ahead(bytes));
  std::uint64_t value = 0;
  for (const std::byte each : found) value = value << 8 | std::to_integer<std::uint64_t>(each);
  position_ += bytes;
  return value;
}

Result<std::int64_t> UbjsonReader::integer(char type) {
  const unsigned bytes = type == 'd' || type == 'D' ? 0 : number_bytes(type);
  if (bytes == 0) return fault(holdall::text("{} stands where the type of an integer should", shown(type)));
  HOLDALL_ASSIGN(const std::uint64_t bits, number(bytes));
  const unsigned shift = type == 'U' ? 0 : 64 - 8 * bytes;
  return static_cast<std::int64_t>(bits << shift) >> shift;
}

Result<std::uint64_t> UbjsonReader::length() {
  HOLDALL_ASSIGN(const char type, byte());
  HOLDALL_ASSIGN(const std::int64_t value, integer(type));
  if (value < 0) return fault(holdall::text("a length is {}", value));
  return static_cast<std::uint64_t>(value);
}

Result<std::string> UbjsonReader::text() {
  HOLDALL_ASSIGN(const std::uint64_t size, length());
  if (size > most_text_)
    return over_limit(holdall::text("a text has {} bytes, {} are allowed", size, most_text_))
        .at(document_.offset() + position_)
        .in(document_.name());
  HOLDALL_ASSIGN(const auto bytes, ahead(size));
  std::string found(as_text(bytes));
  if (!is_utf8(found)) return fault("a text is not UTF-8");
  position_ += size;
  return found;
}

Result<UbjsonReader::Item> UbjsonReader::next() {
  Item item;
  item.at = document_.offset() + position_;
  if (open_.empty() && is_begun_) {
    if (remaining() != 0) return fault(holdall::text("{} bytes stand behind the end", remaining()));
    return item;
  }
  is_begun_ = true;
  if (open_.empty()) {
    HOLDALL_ASSIGN(const char type, byte());
    return value(type, std::move(item));
  }
  Open& inner = open_.back();
  if (inner.left == 0 && (!inner.is_object || inner.is_key_next)) return close(std::move(item));
  while (inner.type == 0 && !(inner.is_object && inner.is_key_next)) {
    HOLDALL_ASSIGN(const char nothing, peek());
    if (nothing != 'N') break;
    ++position_;
  }
  if (!inner.left && (!inner.is_object || inner.is_key_next)) {
    HOLDALL_ASSIGN(const char end, peek());
    if (end == (inner.is_object ? '}' : ']')) {
      ++position_;
      return close(std::move(item));
    }
  }
  if (inner.is_object && inner.is_key_next) return key(std::move(item));
  if (inner.left) --*inner.left;
  inner.is_key_next = inner.is_object;
  if (inner.type != 0) return value(inner.type, std::move(item));
  HOLDALL_ASSIGN(const char type, byte());
  return value(type, std::move(item));
}

Result<UbjsonReader::Item> UbjsonReader::key(Item item) {
  HOLDALL_ASSIGN(item.text, text());
  item.token = Token::kKey;
  open_.back().is_key_next = false;
  return item;
}

Result<UbjsonReader::Item> UbjsonReader::close(Item item) {
  item.token = open_.back().is_object ? Token::kEndObject : Token::kEndArray;
  open_.pop_back();
  return item;
}

Result<UbjsonReader::Item> UbjsonReader::value(char type, Item item) {
  switch (type) {
    case 'Z':
      item.token = Token::kNull;
      return item;
    case 'T':
    case 'F':
      item.token = type == 'T' ? Token::kTrue : Token::kFalse;
      return item;
    case 'd':
    case 'D': {
      item.token = Token::kFloat;
      item.is_single = type == 'd';
      HOLDALL_ASSIGN(const std::uint64_t bits, number(number_bytes(type)));
      item.real = item.is_single ? std::bit_cast<float>(static_cast<std::uint32_t>(bits)) : std::bit_cast<double>(bits);
      return item;
    }
    case 'C': {
      item.token = Token::kText;
      HOLDALL_ASSIGN(const char c, byte());
      item.text.assign(1, c);
      return item;
    }
    case 'S': {
      item.token = Token::kText;
      HOLDALL_ASSIGN(item.text, text());
      return item;
    }
    case 'H':
      return unsupported("a number is written as a text").at(item.at).in(document_.name());
    case '[':
    case '{':
      return open(std::move(item), type == '{');
    default:
      break;
  }
  if (number_bytes(type) == 0) return fault(holdall::text("{} is the type of no value", shown(type)));
  item.token = Token::kInteger;
  HOLDALL_ASSIGN(item.integer, integer(type));
  return item;
}

Result<UbjsonReader::Item> UbjsonReader::open(Item item, bool is_object) {
  Open opened;
  opened.is_object = opened.is_key_next = is_object;
  HOLDALL_ASSIGN(char mark, peek());
  if (mark == '$') {
    ++position_;
    HOLDALL_ASSIGN(opened.type, byte());
    if (!is_type(opened.type)) return fault(holdall::text("{} is the type of no value", shown(opened.type)));
    HOLDALL_ASSIGN(mark, peek());
    if (mark != '#') return fault(holdall::text("{} stands where a count should", shown(mark)));
  }
  if (mark == '#') {
    ++position_;
    HOLDALL_ASSIGN(const std::uint64_t count, length());
    if (!is_object && number_bytes(opened.type) != 0) return typed(std::move(item), opened.type, count);
    // A byte each, though null, true and false take none where their type is said once: nobody writes so.
    if (count > remaining()) return fault(holdall::text("{} items are said to follow in {} bytes", count, remaining()));
    opened.left = count;
  }
  if (open_.size() >= depth_) {
    return over_limit(holdall::text("values are nested deeper than the {} levels allowed", depth_))
        .at(item.at)
        .in(document_.name());
  }
  open_.push_back(opened);
  item.token = is_object ? Token::kBeginObject : Token::kBeginArray;
  return item;
}

Result<UbjsonReader::Item> UbjsonReader::typed(Item item, char type, std::uint64_t count) {
  const unsigned bytes = number_bytes(type);
  if (count > remaining() / bytes) {
    return fault(holdall::text("{} numbers of {} bytes are said to follow in {} bytes", count, bytes, remaining()));
  }
  item.token = Token::kNumbers;
  item.integer = static_cast<std::int64_t>(count);
  item.dtype = number_dtype(type);
  item.offset = position_;
  position_ += count * bytes;
  return item;
}

Result<Blob> UbjsonReader::numbers(const Item& item) const {
  const std::size_t bytes = info(item.dtype).block_bytes;
  HOLDALL_ASSIGN(const Blob stored, document_.slice(item.offset, static_cast<std::uint64_t>(item.integer) * bytes));
  if (bytes == 1) return stored;
  HOLDALL_ASSIGN(SourceRef slice, slice_source(stored.source(), stored.offset(), stored.size(), document_.name()));
  HOLDALL_ASSIGN(SourceRef swapped, byte_swapped_source(std::move(slice), bytes));
  return Blob(std::move(swapped));
}

}  // namespace holdall
