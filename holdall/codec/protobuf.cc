#include "holdall/codec/protobuf.h"

#include <algorithm>
#include <array>
#include <utility>

#include "holdall/base/text.h"

namespace holdall {
namespace {

constexpr std::uint64_t kWindow = 64u << 10;
constexpr std::uint64_t kMostVarint = 10;

}  // namespace

void append_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

std::optional<std::uint64_t> take_varint(std::span<const std::byte>& from) noexcept {
  std::uint64_t value = 0;
  const std::size_t most = std::min<std::size_t>(from.size(), kMostVarint);
  for (std::size_t i = 0; i < most; ++i) {
    const auto byte = static_cast<std::uint64_t>(from[i]);
    if (i + 1 == kMostVarint && byte > 1) return std::nullopt;
    value |= (byte & 0x7f) << (7 * i);
    if ((byte & 0x80) != 0) continue;
    from = from.subspan(i + 1);
    return value;
  }
  return std::nullopt;
}

Error ProtoReader::fault(std::string what) const { return corrupt(std::move(what)).at(place()).in(message_.name()); }

Result<std::span<const std::byte>> ProtoReader::ahead(std::uint64_t size) {
  size = std::min(size, message_.size() - position_);
  const bool is_there =
      position_ >= window_at_ && position_ - window_at_ <= window_.size() && size <= window_.size() - (position_ - window_at_);
  if (!is_there) {
    HOLDALL_ASSIGN(const Blob part, message_.slice(position_, std::min(kWindow, message_.size() - position_)));
    const auto resident = part.source()->resident();
    if (resident) {
      window_ = resident->slice(static_cast<std::size_t>(part.offset()), static_cast<std::size_t>(part.size()));
    } else {
      HOLDALL_ASSIGN(window_, part.read());
    }
    window_at_ = position_;
  }
  return window_.span().subspan(static_cast<std::size_t>(position_ - window_at_), static_cast<std::size_t>(size));
}

Result<std::uint64_t> ProtoReader::varint() {
  HOLDALL_ASSIGN(auto bytes, ahead(kMostVarint));
  const std::size_t before = bytes.size();
  const auto value = take_varint(bytes);
  if (!value) return fault(holdall::text("no varint ends within the {} bytes here", before));
  position_ += before - bytes.size();
  return *value;
}

Result<std::optional<ProtoField>> ProtoReader::next() {
  if (at_end()) return std::optional<ProtoField>();
  ProtoField field;
  field.at = place();
  HOLDALL_ASSIGN(const std::uint64_t key, varint());
  const auto wire = static_cast<unsigned>(key & 7);
  if ((key >> 3) == 0 || (key >> 3) > 0x1fffffff) return fault(holdall::text("field number {} is none", key >> 3));
  field.number = static_cast<std::uint32_t>(key >> 3);
  if (wire == 3 || wire == 4) return unsupported("the message has a group").at(field.at).in(message_.name());
  if (wire > 5) return fault(holdall::text("field {} has wire type {}", field.number, wire));
  field.wire = static_cast<ProtoWire>(wire);
  if (field.wire == ProtoWire::kVarint || field.wire == ProtoWire::kBytes) {
    HOLDALL_ASSIGN(field.value, varint());
    if (field.wire == ProtoWire::kVarint) return std::optional(field);
    field.offset = position_;
    if (field.value > message_.size() - position_) {
      return fault(holdall::text("field {} has {} bytes, {} remain", field.number, field.value, message_.size() - position_));
    }
    position_ += field.value;
    return std::optional(field);
  }
  const std::uint64_t size = field.wire == ProtoWire::kFixed64 ? 8 : 4;
  HOLDALL_ASSIGN(const auto bytes, ahead(size));
  if (bytes.size() < size) return fault(holdall::text("field {} has {} bytes, {} remain", field.number, size, bytes.size()));
  field.value = size == 8 ? load_le<std::uint64_t>(bytes.data()) : load_le<std::uint32_t>(bytes.data());
  position_ += size;
  return std::optional(field);
}

Result<ProtoReader> ProtoReader::message(const ProtoField& field) const {
  HOLDALL_ASSIGN(Blob part, blob(field));
  ProtoReader reader(std::move(part));
  const std::uint64_t begin = std::max(field.offset, window_at_);
  const std::uint64_t end = std::min(field.offset + field.value, window_at_ + window_.size());
  if (begin == field.offset && begin < end) {
    reader.window_ = window_.slice(static_cast<std::size_t>(begin - window_at_), static_cast<std::size_t>(end - begin));
  }
  return reader;
}

Result<Bytes> ProtoReader::bytes(const ProtoField& field, std::uint64_t most) const {
  if (field.offset >= window_at_ && field.offset + field.value <= window_at_ + window_.size() && field.value <= most) {
    return window_.slice(static_cast<std::size_t>(field.offset - window_at_), static_cast<std::size_t>(field.value));
  }
  HOLDALL_ASSIGN(const Blob part, blob(field));
  return part.read(most);
}

Result<std::string> ProtoReader::text(const ProtoField& field, std::uint64_t most) const {
  HOLDALL_ASSIGN(const Bytes read, bytes(field, most));
  return std::string(read.text());
}

void ProtoWriter::key(std::uint32_t field, ProtoWire wire) {
  append_varint(out_, std::uint64_t{field} << 3 | static_cast<std::uint64_t>(wire));
}

ProtoWriter& ProtoWriter::varint(std::uint32_t field, std::uint64_t value) {
  key(field, ProtoWire::kVarint);
  append_varint(out_, value);
  return *this;
}

ProtoWriter& ProtoWriter::fixed32(std::uint32_t field, std::uint32_t value) {
  key(field, ProtoWire::kFixed32);
  std::array<char, 4> raw;
  store_le(raw.data(), value);
  out_.append(raw.data(), raw.size());
  return *this;
}

ProtoWriter& ProtoWriter::bytes(std::uint32_t field, std::string_view value) {
  key(field, ProtoWire::kBytes);
  append_varint(out_, value.size());
  out_ += value;
  return *this;
}

}  // namespace holdall
