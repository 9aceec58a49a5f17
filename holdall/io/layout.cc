#include "holdall/io/layout.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/crc32c.h"
#include "holdall/base/text.h"

namespace holdall {
namespace {

constexpr std::uint64_t kLargestFile = INT64_MAX;

const Blob* blob_of(const Part& part) {
  const auto* data = std::get_if<Part::Data>(&part.content);
  return data == nullptr ? nullptr : &data->blob;
}

}  // namespace

Result<std::optional<std::uint64_t>> part_size(const Part& part, std::uint64_t offset) {
  std::uint64_t size = 0;
  if (const auto* literal = std::get_if<Part::Literal>(&part.content)) {
    size = literal->bytes.size();
  } else if (const auto* data = std::get_if<Part::Data>(&part.content)) {
    size = data->blob.size();
  } else if (const auto* late = std::get_if<Part::Late>(&part.content)) {
    size = late->size;
  } else if (const auto* align = std::get_if<Part::Align>(&part.content)) {
    if (!std::has_single_bit(align->alignment)) {
      return invalid_argument(text("alignment {} is not a power of two", align->alignment));
    }
    size = (0 - offset) & (align->alignment - 1);
  } else {
    return std::optional<std::uint64_t>();
  }
  if (!fits(offset, size, kLargestFile)) {
    return over_limit(text("a part of {} bytes at {} passes the largest file, {} bytes", size, offset, kLargestFile));
  }
  return std::optional<std::uint64_t>(size);
}

Result<Layout> place_parts(const PlannedFile& file) {
  Layout layout;
  layout.written.reserve(file.parts.size());
  for (const Part& part : file.parts) {
    HOLDALL_ASSIGN(const auto size, part_size(part, layout.size));
    if (!size) return invalid_argument("the size of a stream is not known in advance");
    layout.written.push_back({layout.size, *size, 0, {}, 0});
    layout.size += *size;
  }
  return layout;
}

bool has_stream(const PlannedFile& file) noexcept {
  return std::any_of(file.parts.begin(), file.parts.end(),
                     [](const Part& part) { return std::holds_alternative<Part::Stream>(part.content); });
}

bool wants_crc32(const Part& part) noexcept {
  const Blob* blob = blob_of(part);
  return part.checks.crc32 || (blob != nullptr && blob->crc32());
}

bool wants_crc32c(const Part& part) noexcept {
  const Blob* blob = blob_of(part);
  return part.checks.crc32c || (blob != nullptr && blob->crc().kind == Crc::Kind::kCrc32c);
}

bool wants_xxh3(const Part& part) noexcept {
  const Blob* blob = blob_of(part);
  return part.checks.xxh3 || (blob != nullptr && blob->xxh3());
}

PartSums PartSums::of(const Part& part, std::span<const std::byte> data) noexcept {
  return {wants_crc32(part) ? holdall::crc32(data) : 0, wants_crc32c(part) ? holdall::crc32c(data) : 0,
          wants_xxh3(part) ? xxh3_128(data) : Xxh128()};
}

Status settle_sums(const Part& part, const PartSums& sums, Written& written) {
  if (part.checks.crc32) written.crc32 = sums.crc32;
  if (part.checks.crc32c) written.crc32c = sums.crc32c;
  if (part.checks.xxh3) written.xxh3 = sums.xxh3;
  const Blob* blob = blob_of(part);
  if (blob == nullptr) return {};
  return blob->compare(blob->crc32() ? sums.crc32 : sums.crc32c, sums.xxh3);
}

PartCheck::PartCheck(const Part& part) : part_(&part) {
  if (wants_xxh3(part)) hash_.emplace();
}

void PartCheck::update(std::span<const std::byte> data) noexcept {
  if (wants_crc32(*part_)) crc32_ = holdall::crc32(data, crc32_);
  if (wants_crc32c(*part_)) crc32c_ = holdall::crc32c(data, crc32c_);
  if (hash_) hash_->update(data);
}

Status PartCheck::finish(Written& written) const {
  return settle_sums(*part_, {crc32_, crc32c_, hash_ ? hash_->finish() : Xxh128()}, written);
}

}  // namespace holdall
