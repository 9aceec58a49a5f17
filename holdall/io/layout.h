// Layout: where the parts of a planned file lie, and what is known of each while they are written.
//
// Thread-safety: immutable apart from `written`, whose elements one thread at a time may change. Ownership: owns its lists.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "holdall/io/plan.h"

namespace holdall {

// Bytes of a part that stands at `offset`; empty for a stream. Errors: invalid argument for an alignment that is no power of
// two, limit where the file would pass 2^63 bytes.
Result<std::optional<std::uint64_t>> part_size(const Part& part, std::uint64_t offset);

struct Layout {
  std::uint64_t size = 0;        // of the file
  std::vector<Written> written;  // by PartId: offset and size at once, checksums once the part is done
};

// Places all parts one behind another. Errors: those of part_size(), invalid argument for a stream.
Result<Layout> place_parts(const PlannedFile& file);
bool has_stream(const PlannedFile& file) noexcept;

// The checksums that are taken of a part: those that the plan asks for and those that its source has stored.
bool wants_crc32(const Part& part) noexcept;
bool wants_crc32c(const Part& part) noexcept;
bool wants_xxh3(const Part& part) noexcept;

struct PartSums {
  std::uint32_t crc32 = 0;
  std::uint32_t crc32c = 0;
  Xxh128 xxh3;
  // Of all bytes of a part at once.
  static PartSums of(const Part& part, std::span<const std::byte> data) noexcept;
};

// Stores in `written` the sums that the plan asks for. Errors: corrupt, named with the source, where a stored one does not
// hold.
Status settle_sums(const Part& part, const PartSums& sums, Written& written);

// The same for bytes that come in order, piece by piece.
class PartCheck {
 public:
  explicit PartCheck(const Part& part);
  void update(std::span<const std::byte> data) noexcept;
  Status finish(Written& written) const;

 private:
  const Part* part_;
  std::uint32_t crc32_ = 0;
  std::uint32_t crc32c_ = 0;
  std::optional<Xxh3> hash_;
};

}  // namespace holdall
