#include "holdall/io/blob.h"

#include <algorithm>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"

namespace holdall {
namespace {

const std::string kNoName;

}  // namespace

Blob::Blob(SourceRef source, std::optional<std::uint32_t> crc32) : source_(std::move(source)), size_(source_->size()) {
  if (crc32) crc_ = {Crc::Kind::kCrc32, *crc32};
}

Result<Blob> Blob::range(SourceRef source, std::uint64_t offset, std::uint64_t size) {
  return Blob(std::move(source)).slice(offset, size);
}

Blob Blob::memory(Bytes bytes, std::string name) { return Blob(memory_source(std::move(bytes), std::move(name))); }

Blob Blob::with_crc(const Crc& crc) const {
  Blob blob = *this;
  blob.crc_ = crc;
  return blob;
}

Blob Blob::with_xxh3(const Xxh128& hash) const {
  Blob blob = *this;
  blob.xxh3_ = std::make_shared<const Xxh128>(hash);
  return blob;
}

Blob Blob::without_checks() const {
  Blob blob = *this;
  blob.crc_ = {};
  blob.xxh3_.reset();
  return blob;
}

Result<Blob> Blob::slice(std::uint64_t offset, std::uint64_t size) const {
  if (!fits(offset, size, size_)) {
    return corrupt(text("bytes {} to {} are needed, there are {}", offset, offset + size, size_)).at(offset_).in(name());
  }
  if (offset == 0 && size == size_) return *this;
  Blob blob = without_checks();
  blob.offset_ += offset;
  blob.size_ = size;
  return blob;
}

Status Blob::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  if (!fits(offset, out.size(), size_)) {
    return corrupt(text("{} bytes are needed, the end is at {}", out.size(), size_)).at(offset).in(name());
  }
  if (out.empty()) return {};
  return source_->read_at(offset_ + offset, out);
}

Result<Bytes> Blob::read(std::uint64_t most) const {
  if (size_ > most) {
    return over_limit(text("{} bytes would have to be in memory, {} are allowed", size_, most)).at(offset_).in(name());
  }
  if (size_ == 0) return Bytes();
  HOLDALL_ASSIGN(Bytes bytes, read_range(*source_, offset_, size_));
  HOLDALL_TRY(check(bytes));
  return bytes;
}

Status Blob::check(std::span<const std::byte> bytes) const {
  return compare(crc_.of(bytes), xxh3_ ? xxh3_128(bytes) : Xxh128());
}

Status Blob::compare(std::uint32_t crc, const Xxh128& hash) const {
  if (crc_ && crc_.value != crc) {
    const char* const kind = crc_.kind == Crc::Kind::kCrc32 ? "CRC-32" : "CRC-32C";
    return corrupt(text("{} is {:08x}, {:08x} was stored", kind, crc, crc_.value)).at(offset_).in(name());
  }
  if (xxh3_ && *xxh3_ != hash) {
    return corrupt(text("XXH3-128 is {}, {} was stored", to_hex(hash), to_hex(*xxh3_))).at(offset_).in(name());
  }
  return {};
}

std::optional<Location> Blob::locate() const {
  if (!source_) return std::nullopt;
  return source_->locate(offset_);
}

const std::string& Blob::name() const noexcept { return source_ ? source_->name() : kNoName; }

Status for_each_tile(const Blob& blob, std::size_t tile,
                     const std::function<Status(std::uint64_t offset, std::span<const std::byte>)>& use) {
  std::uint32_t crc = 0;
  Xxh3 hasher;
  const auto take = [&](std::uint64_t offset, std::span<const std::byte> part) -> Status {
    if (blob.crc()) crc = blob.crc().of(part, crc);
    if (blob.xxh3()) hasher.update(part);
    return use(offset, part);
  };
  const auto resident = blob.size() > 0 ? blob.source()->resident() : std::nullopt;
  Buffer buffer;
  if (!resident) {
    HOLDALL_ASSIGN(buffer, Buffer::allocate(std::min<std::uint64_t>(tile, blob.size())));
  }
  for (std::uint64_t offset = 0; offset < blob.size();) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(tile, blob.size() - offset));
    if (resident) {
      HOLDALL_TRY(take(offset, resident->span().subspan(static_cast<std::size_t>(blob.offset() + offset), size)));
    } else {
      HOLDALL_TRY(blob.read_at(offset, buffer.span().first(size)));
      HOLDALL_TRY(take(offset, buffer.span().first(size)));
    }
    offset += size;
  }
  return blob.compare(crc, blob.xxh3() ? hasher.finish() : Xxh128());
}

}  // namespace holdall
