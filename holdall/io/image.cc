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

// A blob of a plan, and what is to take its place.
struct Placed {
  Blob* blob = nullptr;
  Blob in_image;
};

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
  if (blob.crc()) placed = placed.with_crc(blob.crc());
  if (blob.xxh3() != nullptr) placed = placed.with_xxh3(*blob.xxh3());
  return placed;
}

// Bytes of the images of all files, each from a page's start on, and the files' layouts where they are wanted.
Result<std::uint64_t> lay_out(const Plan& plan, std::vector<Layout>* layouts) {
  std::uint64_t bytes = 0;
  for (const PlannedFile& file : plan.files) {
    HOLDALL_ASSIGN(Layout layout, place_parts(file));
    const auto sum = checked_add(bytes, whole_pages(layout.size));
    if (!sum) return over_limit("the files pass 2^64 bytes");
    bytes = *sum;
    if (layouts != nullptr) layouts->push_back(std::move(layout));
  }
  return bytes;
}

}  // namespace

std::uint64_t Images::bytes() const noexcept { return memory_.size(); }

Result<std::uint64_t> Images::needed(const Plan& plan) { return lay_out(plan, nullptr); }

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
  std::vector<Layout> layouts;
  HOLDALL_ASSIGN(const std::uint64_t bytes, lay_out(plan, &layouts));
  HOLDALL_TRY(prepare(bytes));
  std::vector<std::span<std::byte>> images;
  std::vector<Placed> placed;
  std::vector<Copy> copies;
  std::uint64_t begin = 0;
  for (std::size_t i = 0; i < plan.files.size(); ++i) {
    PlannedFile& file = plan.files[i];
    const auto image = memory_.span().subspan(begin, layouts[i].size);
    const SourceRef source = memory_source(Bytes::share(nullptr, image), file.name);
    for (PartId id = 0; id < file.parts.size(); ++id) {
      auto* const data = std::get_if<Part::Data>(&file.parts[id].content);
      if (data == nullptr) continue;
      const std::uint64_t offset = layouts[i].written[id].offset;
      placed.push_back({&data->blob, in_image(data->blob, source, offset)});
      const auto place = image.subspan(offset, data->blob.size());
      for (std::uint64_t at = 0; at < place.size(); at += kPiece)
        copies.push_back({&data->blob, at, place.subspan(at, std::min<std::uint64_t>(kPiece, place.size() - at))});
    }
    images.push_back(image);
    begin += whole_pages(layouts[i].size);
  }
  HOLDALL_TRY(parallel_for(copies.size(), threads != 0 ? threads : worker_count(), [&](std::uint64_t i) {
    const Copy& copy = copies[i];
    return copy.from->read_at(copy.at, copy.out);
  }));
  // Nothing fails from here on.
  for (std::size_t i = 0; i < images.size(); ++i) plan.files[i].image = images[i];
  for (Placed& part : placed) *part.blob = std::move(part.in_image);
  return {};
}

}  // namespace holdall
