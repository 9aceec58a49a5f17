// Blob: a range of a source, still on disk, and the checksums its container stored for it, if any.
//
// Thread-safety: immutable. Ownership: shares its source.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "holdall/base/checksum.h"
#include "holdall/io/source.h"

namespace holdall {

class Blob {
 public:
  Blob() = default;
  // All of a source.
  explicit Blob(SourceRef source, std::optional<std::uint32_t> crc32 = std::nullopt);
  // [offset, offset + size) of a source. Errors: corrupt when that passes its end.
  static Result<Blob> range(SourceRef source, std::uint64_t offset, std::uint64_t size);
  static Blob memory(Bytes bytes, std::string name);

  std::uint64_t size() const noexcept { return size_; }
  std::uint64_t offset() const noexcept { return offset_; }
  const SourceRef& source() const noexcept { return source_; }
  // The stored CRC-32 of exactly these bytes; checked by read() and by the executor of a Plan in passing.
  std::optional<std::uint32_t> crc32() const noexcept {
    return crc_.kind == Crc::Kind::kCrc32 ? std::optional(crc_.value) : std::nullopt;
  }
  // The same, or a CRC-32C in its place: a container has one of them.
  const Crc& crc() const noexcept { return crc_; }
  // The stored XXH3-128 of exactly these bytes, likewise; nullptr where there is none.
  const Xxh128* xxh3() const noexcept { return xxh3_.get(); }
  Blob with_crc32(std::uint32_t crc) const { return with_crc({Crc::Kind::kCrc32, crc}); }
  Blob with_crc(const Crc& crc) const;
  Blob with_xxh3(const Xxh128& hash) const;
  Blob without_checks() const;

  // Errors: corrupt when the range passes the end.
  Result<Blob> slice(std::uint64_t offset, std::uint64_t size) const;
  Status read_at(std::uint64_t offset, std::span<std::byte> out) const;
  // Everything, checked against the stored checksums. Memory: size() bytes. Errors: limit above `most`, corrupt.
  Result<Bytes> read(std::uint64_t most = UINT64_MAX) const;
  // Compares the stored checksums with those of `bytes`, which are all of the blob's. Errors: corrupt.
  Status check(std::span<const std::byte> bytes) const;
  // Likewise with checksums that were taken of all the bytes, the CRC as crc() takes it; one that is not stored is not looked
  // at. Errors: corrupt.
  Status compare(std::uint32_t crc, const Xxh128& hash) const;
  // Where the bytes lie verbatim in a local file; empty for decoded bytes.
  std::optional<Location> locate() const;
  const std::string& name() const noexcept;

 private:
  SourceRef source_;
  std::uint64_t offset_ = 0;
  std::uint64_t size_ = 0;
  Crc crc_;
  std::shared_ptr<const Xxh128> xxh3_;  // few have one, and a model may have millions of blobs
};

// Calls `use` with successive pieces of the blob, at most `tile` bytes each, then compares the stored checksums.
Status for_each_tile(const Blob& blob, std::size_t tile,
                     const std::function<Status(std::uint64_t offset, std::span<const std::byte>)>& use);

}  // namespace holdall
