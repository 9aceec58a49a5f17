#include "holdall/io/staged.h"

#include <algorithm>
#include <utility>

namespace holdall {
namespace {

constexpr std::size_t kAlignment = 64;

}  // namespace

StagedLoad::StagedLoad(std::vector<Blob> blobs, LoadOptions options) : blobs_(std::move(blobs)), options_(std::move(options)) {}

Result<std::vector<StagedPiece>> StagedLoad::next(std::span<std::byte> buffer) {
  std::vector<StagedPiece> pieces;
  std::vector<LoadRequest> requests;
  std::size_t used = 0;
  while (blob_ < blobs_.size() && used < buffer.size()) {
    const Blob& blob = blobs_[blob_];
    const std::uint64_t left = blob.size() - offset_;
    const std::size_t room = buffer.size() - used;
    // A blob is cut only where a buffer of its own could not hold it.
    if (left > room && used > 0 && blob.size() <= buffer.size()) break;
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left, room));
    HOLDALL_ASSIGN(Blob part, blob.slice(offset_, size));
    requests.push_back({std::move(part), buffer.subspan(used, size)});
    if (size > 0) pieces.push_back({blob_, offset_, used, size});
    used += (size + kAlignment - 1) / kAlignment * kAlignment;
    offset_ += size;
    if (offset_ == blob.size()) {
      ++blob_;
      offset_ = 0;
    }
  }
  HOLDALL_TRY(load_into(requests, options_));
  if (options_.checks == LoadOptions::Checks::kVerified) {
    for (const StagedPiece& piece : pieces) {
      HOLDALL_TRY(check(piece, buffer.subspan(piece.at, piece.size)));
    }
  }
  return pieces;
}

// Of a blob that came whole load_into() has verified the checksums.
Status StagedLoad::check(const StagedPiece& piece, std::span<const std::byte> bytes) {
  const Blob& blob = blobs_[piece.blob];
  if (piece.size == blob.size()) return {};
  if (piece.offset == 0) {
    crc_ = 0;
    hash_ = Xxh3();
  }
  crc_ = blob.crc().of(bytes, crc_);
  if (blob.xxh3() != nullptr) hash_.update(bytes);
  if (piece.offset + piece.size < blob.size()) return {};
  return blob.compare(crc_, blob.xxh3() != nullptr ? hash_.finish() : Xxh128());
}

}  // namespace holdall
