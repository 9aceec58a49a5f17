#include "holdall/io/image.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/io/fresh_pages.h"
#include "holdall/io/layout.h"
#include "holdall/io/parallel.h"

namespace holdall {
namespace {

constexpr std::uint64_t kPage = 4096;
// Bytes that a thread copies, or touches, at a time.
constexpr std::uint64_t kPiece = 4u << 20;

constexpr std::uint64_t whole_pages(std::uint64_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

struct Copy {
  const Blob* from = nullptr;
  std::uint64_t at = 0;
  std::span<std::byte> out;
};

// A blob of the same bytes and stored checksums, in the image.
Blob in_image(const Blob& blob, const SourceRef& image, std::uint64_t offset) {
  Result<Blob> made = Blob::range(image, offset, blob.size());
  if (!made) return blob;  // cannot be: the layout gave it its place
  Blob placed = std::move(*made);
  if (blob.crc32()) placed = placed.with_crc32(*blob.crc32());
  if (blob.xxh3() != nullptr) placed = placed.with_xxh3(*blob.xxh3());
  return placed;
}

}  // namespace

std::uint64_t Images::bytes() const noexcept { return memory_.size(); }

Result<std::uint64_t> Images::needed(const Plan& plan) {
  std::uint64_t bytes = 0;
  for (const PlannedFile& file : plan.files) {
    HOLDALL_ASSIGN(const Layout layout, place_parts(file));
    const auto sum = checked_add(bytes, whole_pages(layout.size));
    if (!sum) return over_limit("the files pass 2^64 bytes");
    bytes = *sum;
  }
  return bytes;
}

Status Images::prepare(std::uint64_t bytes) {
  if (memory_.size() >= bytes) return {};
  memory_ = Buffer();
  HOLDALL_ASSIGN(memory_, Buffer::allocate(whole_pages(bytes), fresh_pages()));
  const auto memory = memory_.span();
  const std::uint64_t pieces = (memory.size() + kPiece - 1) / kPiece;
  return parallel_for(pieces, worker_count(), [&](std::uint64_t piece) -> Status {
    const std::uint64_t begin = piece * kPiece;
    populate(memory.subspan(begin, std::min<std::uint64_t>(kPiece, memory.size() - begin)));
    return {};
  });
}

Status Images::take(Plan& plan, unsigned threads) {
  HOLDALL_ASSIGN(const std::uint64_t bytes, needed(plan));
  HOLDALL_TRY(prepare(bytes));
  std::vector<Copy> copies;
  std::vector<Layout> layouts;
  std::uint64_t begin = 0;
  for (PlannedFile& file : plan.files) {
    HOLDALL_ASSIGN(Layout layout, place_parts(file));
    file.image = memory_.span().subspan(begin, layout.size);
    for (PartId id = 0; id < file.parts.size(); ++id) {
      const auto* data = std::get_if<Part::Data>(&file.parts[id].content);
      if (data == nullptr) continue;
      const auto place = file.image.subspan(layout.written[id].offset, data->blob.size());
      for (std::uint64_t at = 0; at < place.size(); at += kPiece)
        copies.push_back({&data->blob, at, place.subspan(at, std::min<std::uint64_t>(kPiece, place.size() - at))});
    }
    begin += whole_pages(layout.size);
    layouts.push_back(std::move(layout));
  }
  HOLDALL_TRY(parallel_for(copies.size(), threads != 0 ? threads : worker_count(), [&](std::uint64_t i) {
    const Copy& copy = copies[i];
    return copy.from->read_at(copy.at, copy.out);
  }));
  for (std::size_t i = 0; i < plan.files.size(); ++i) {
    PlannedFile& file = plan.files[i];
    const SourceRef image = memory_source(Bytes::share(nullptr, file.image), file.name);
    for (PartId id = 0; id < file.parts.size(); ++id) {
      if (auto* data = std::get_if<Part::Data>(&file.parts[id].content))
        data->blob = in_image(data->blob, image, layouts[i].written[id].offset);
    }
  }
  return {};
}

}  // namespace holdall
