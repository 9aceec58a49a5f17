#include "holdall/io/gather.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <tuple>

namespace holdall {
namespace {

constexpr std::size_t kWindow = 512u << 10;
// From here on a read of its own costs less than the copy out of the window.
constexpr std::size_t kLarge = 64u << 10;
// Bytes between two reads that are read along rather than skipped.
constexpr std::uint64_t kGap = 16u << 10;
constexpr std::size_t kMostPieces = 8192;

bool read_whole(int descriptor, std::uint64_t at, std::span<std::byte> out) {
  while (!out.empty()) {
    const ssize_t got = ::pread(descriptor, out.data(), out.size(), static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    out = out.subspan(static_cast<std::size_t>(got));
    at += static_cast<std::uint64_t>(got);
  }
  return true;
}

}  // namespace

Status GatheredReads::add(const Blob& blob, std::uint64_t offset, std::span<std::byte> out) {
  if (out.empty()) return {};
  std::uint64_t at = 0;
  if (out.size() >= kLarge) return blob.read_at(offset, out);
  const int descriptor = blob.source()->descriptor(blob.offset() + offset, &at);
  if (descriptor < 0) return blob.read_at(offset, out);
  pieces_.push_back({descriptor, at, out, &blob, offset});
  return pieces_.size() < kMostPieces ? Status() : flush();
}

Status GatheredReads::flush() {
  const auto place = [](const Piece& piece) { return std::tuple(piece.descriptor, piece.at); };
  const auto before = [&](const Piece& a, const Piece& b) { return place(a) < place(b); };
  if (!std::is_sorted(pieces_.begin(), pieces_.end(), before)) std::sort(pieces_.begin(), pieces_.end(), before);
  for (std::size_t first = 0; first < pieces_.size();) {
    std::uint64_t end = pieces_[first].at + pieces_[first].out.size();
    std::size_t last = first + 1;
    for (; last < pieces_.size(); ++last) {
      const Piece& next = pieces_[last];
      const std::uint64_t next_end = next.at + next.out.size();
      if (next.descriptor != pieces_[first].descriptor || (next.at > end && next.at - end > kGap)) break;
      if (std::max(end, next_end) - pieces_[first].at > kWindow) break;
      end = std::max(end, next_end);
    }
    HOLDALL_TRY(read(std::span(pieces_).subspan(first, last - first)));
    first = last;
  }
  pieces_.clear();
  return {};
}

Status GatheredReads::read(std::span<const Piece> run) {
  if (run.size() > 1) {
    if (window_.size() == 0) {
      HOLDALL_ASSIGN(window_, Buffer::allocate(kWindow));
    }
    const std::uint64_t begin = run.front().at;
    std::uint64_t end = begin;
    for (const Piece& piece : run) end = std::max(end, piece.at + piece.out.size());
    const auto window = window_.span().first(static_cast<std::size_t>(end - begin));
    if (read_whole(run.front().descriptor, begin, window)) {
      for (const Piece& piece : run) std::memcpy(piece.out.data(), window.data() + (piece.at - begin), piece.out.size());
      return {};
    }
  }
  // One by one where there is one, or so that the failing read is named by its own source.
  for (const Piece& piece : run) HOLDALL_TRY(piece.blob->read_at(piece.offset, piece.out));
  return {};
}

}  // namespace holdall
