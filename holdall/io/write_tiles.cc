#include "holdall/io/write_tiles.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <unordered_map>
#include <utility>

#include "holdall/base/crc32c.h"
#include "holdall/base/text.h"
#include "holdall/io/gather.h"
#include "holdall/io/late.h"
#include "holdall/io/parallel.h"
#include "holdall/io/turns.h"

namespace holdall {
namespace {

constexpr std::uint64_t kBlock = 4096;

// A part that crosses the borders of tiles; at most one crosses each border.
struct Crossing {
  std::uint64_t first_tile = 0;
  std::vector<std::uint32_t> sums;   // CRC-32 of each tile's piece
  std::vector<std::uint32_t> csums;  // CRC-32C likewise
  std::vector<std::uint64_t> sizes;  // of each tile's piece
  std::uint64_t left = 0;            // pieces not yet checked
  Turn hash_turn;
  std::unique_ptr<Xxh3> hash;
};

// A source that wants to be read from front to back: the tiles that read from it, in order.
struct OrderedSource {
  std::vector<std::uint64_t> tiles;
  Turn turn;

  std::uint64_t number(std::uint64_t tile) const {
    return static_cast<std::uint64_t>(std::lower_bound(tiles.begin(), tiles.end(), tile) - tiles.begin());
  }
};

// A part's share of a tile.
struct Piece {
  PartId id = 0;
  std::uint64_t from = 0;  // in the part
  std::span<std::byte> out;
  Crossing* crossing = nullptr;  // null: the piece is the whole part
};

struct Worker {
  Buffer buffer;
  GatheredReads reads;
  std::vector<Piece> pieces;
  std::vector<OrderedSource*> held;  // whose turn this tile has
  bool stopped = false;              // gave up because another tile failed
};

class TileWriter {
 public:
  TileWriter(const PlannedFile& file, Layout layout, const WriteTarget& target, const TileOptions& options)
      : file_(file),
        layout_(std::move(layout)),
        target_(target),
        options_(options),
        tiles_(layout_.size / options.tile_bytes + (layout_.size % options.tile_bytes != 0 ? 1 : 0)),
        late_(file),
        direct_(options.direct >= 0) {}

  Status run() {
    HOLDALL_TRY(prepare());
    const auto threads =
        static_cast<unsigned>(std::clamp<std::uint64_t>(options_.threads, 1, std::max<std::uint64_t>(tiles_, 1)));
    {
      std::vector<Worker> workers(threads);
      Status status = parallel_for_workers(tiles_, threads,
                                           [&](unsigned worker, std::uint64_t tile) { return guarded(workers[worker], tile); });
      if (failure_) return std::move(*failure_);
      if (!status) return status;
    }
    return late_.write_rest(target_, layout_.written);
  }

 private:
  std::uint64_t tile_of(std::uint64_t offset) const { return offset / options_.tile_bytes; }

  // Finds the parts that cross tiles and the sources that want order; settles what is empty.
  Status prepare() {
    for (PartId id = 0; id < file_.parts.size(); ++id) {
      const Part& part = file_.parts[id];
      Written& written = layout_.written[id];
      if (std::holds_alternative<Part::Late>(part.content)) continue;
      if (written.size == 0) {
        HOLDALL_TRY(settle_sums(part, PartSums::of(part, {}), written));
        late_.done(id);
        continue;
      }
      const std::uint64_t first = tile_of(written.offset);
      const std::uint64_t last = tile_of(written.offset + written.size - 1);
      if (first != last) {
        Crossing& crossing = crossings_[id];
        crossing.first_tile = first;
        crossing.left = last - first + 1;
        crossing.sums.resize(crossing.left);
        crossing.csums.resize(crossing.left);
        crossing.sizes.resize(crossing.left);
        if (wants_xxh3(part)) crossing.hash = std::make_unique<Xxh3>();
      }
      const auto* data = std::get_if<Part::Data>(&part.content);
      if (data == nullptr || data->blob.source()->random_access()) continue;
      std::vector<std::uint64_t>& readers = ordered_[data->blob.source().get()].tiles;
      for (std::uint64_t tile = first; tile <= last; ++tile)
        if (readers.empty() || readers.back() != tile) readers.push_back(tile);
    }
    return {};
  }

  // A tile's failure lets go whoever waits for it; of several, that of the lowest tile is reported.
  Status guarded(Worker& worker, std::uint64_t tile) {
    Status status;
    try {
      status = write(worker, tile);
    } catch (const std::bad_alloc&) {
      status = Error(Code::kOutOfMemory, "no memory left for a tile").in(target_.place);
    }
    if (!status) {
      board_.stop();
      const std::lock_guard lock(mutex_);
      if (!worker.stopped && (!failure_ || tile < failed_tile_)) {
        failure_ = status.error();
        failed_tile_ = tile;
      }
    }
    return status;
  }

  Status write(Worker& worker, std::uint64_t tile) {
    if (file_.image.empty() && worker.buffer.size() == 0) {
      const std::uint64_t size = std::min(options_.tile_bytes, (layout_.size + kBlock - 1) / kBlock * kBlock);
      // Where a disk is asked for it, memory that lies together is worth its price.
      const Buffer::Pages pages = options_.direct >= 0 ? Buffer::Pages::kHuge : Buffer::Pages::kOrdinary;
      HOLDALL_ASSIGN(worker.buffer, Buffer::allocate(size, pages));
    }
    const std::uint64_t begin = tile * options_.tile_bytes;
    const std::uint64_t size = std::min(options_.tile_bytes, layout_.size - begin);
    const auto out = file_.image.empty() ? worker.buffer.span().first(size) : file_.image.subspan(begin, size);
    collect(worker, tile, begin, out);
    HOLDALL_TRY(fill(worker, tile));
    HOLDALL_TRY(check_whole(worker));
    HOLDALL_TRY(make_late_parts(worker));
    std::vector<Piece> crossing;
    std::copy_if(worker.pieces.begin(), worker.pieces.end(), std::back_inserter(crossing),
                 [](const Piece& piece) { return piece.crossing != nullptr; });
    // A hash whose turn has not come is taken once this tile is written.
    for (Piece& piece : crossing) {
      if (!board_.is_up(piece.crossing->hash_turn, tile - piece.crossing->first_tile)) continue;
      HOLDALL_TRY(check_crossing(worker, tile, std::exchange(piece.crossing, nullptr), piece));
    }
    HOLDALL_TRY(put(begin, out));
    for (const Piece& piece : crossing) {
      if (piece.crossing != nullptr) HOLDALL_TRY(check_crossing(worker, tile, piece.crossing, piece));
    }
    return target_.progress.add(out.size());
  }

  // Lists the pieces of the parts that overlap the tile at `begin`.
  void collect(Worker& worker, std::uint64_t tile, std::uint64_t begin, std::span<std::byte> out) {
    worker.pieces.clear();
    const auto& parts = layout_.written;
    const std::uint64_t end = begin + out.size();
    auto at = std::lower_bound(parts.begin(), parts.end(), begin,
                               [](const Written& part, std::uint64_t offset) { return part.offset < offset; });
    if (at != parts.begin() && (at - 1)->offset + (at - 1)->size > begin) --at;
    for (; at != parts.end() && at->offset < end; ++at) {
      if (at->size == 0) continue;
      const std::uint64_t from = std::max(at->offset, begin);
      const std::uint64_t to = std::min(at->offset + at->size, end);
      Piece piece;
      piece.id = static_cast<PartId>(at - parts.begin());
      piece.from = from - at->offset;
      piece.out = out.subspan(static_cast<std::size_t>(from - begin), static_cast<std::size_t>(to - from));
      if (piece.out.size() != at->size) {
        const auto crossing = crossings_.find(piece.id);
        if (crossing != crossings_.end()) {
          piece.crossing = &crossing->second;
          piece.crossing->sizes[tile - piece.crossing->first_tile] = piece.out.size();
        }
      }
      worker.pieces.push_back(piece);
    }
  }

  Status fill(Worker& worker, std::uint64_t tile) {
    for (const Piece& piece : worker.pieces) {
      const Part& part = file_.parts[piece.id];
      if (const auto* literal = std::get_if<Part::Literal>(&part.content)) {
        std::memcpy(piece.out.data(), literal->bytes.data() + piece.from, piece.out.size());
      } else if (const auto* data = std::get_if<Part::Data>(&part.content)) {
        if (file_.image.empty()) HOLDALL_TRY(read(worker, tile, data->blob, piece));
      } else if (const auto* align = std::get_if<Part::Align>(&part.content)) {
        std::fill(piece.out.begin(), piece.out.end(), align->filler);
      } else {
        std::fill(piece.out.begin(), piece.out.end(), std::byte{0});
      }
    }
    for (OrderedSource* source : worker.held) board_.pass(source->turn);
    worker.held.clear();
    return worker.reads.flush();
  }

  Status read(Worker& worker, std::uint64_t tile, const Blob& blob, const Piece& piece) {
    if (blob.source()->random_access()) return worker.reads.add(blob, piece.from, piece.out);
    OrderedSource& source = ordered_.find(blob.source().get())->second;
    if (std::find(worker.held.begin(), worker.held.end(), &source) == worker.held.end()) {
      HOLDALL_TRY(wait(worker, source.turn, source.number(tile)));
      worker.held.push_back(&source);
    }
    return blob.read_at(piece.from, piece.out);
  }

  Status wait(Worker& worker, const Turn& turn, std::uint64_t number) {
    if (board_.wait(turn, number)) return {};
    worker.stopped = true;
    return internal("another tile failed");
  }

  // Checks the parts that lie in this tile altogether.
  Status check_whole(Worker& worker) {
    for (const Piece& piece : worker.pieces) {
      const Part& part = file_.parts[piece.id];
      if (piece.crossing != nullptr || std::holds_alternative<Part::Late>(part.content)) continue;
      HOLDALL_TRY(settle_sums(part, PartSums::of(part, piece.out), layout_.written[piece.id]));
    }
    const std::lock_guard lock(mutex_);
    for (const Piece& piece : worker.pieces) {
      if (piece.crossing == nullptr && !std::holds_alternative<Part::Late>(file_.parts[piece.id].content)) late_.done(piece.id);
    }
    return {};
  }

  // Makes the late parts of this tile whose needs are done, in place, until no more are.
  Status make_late_parts(Worker& worker) {
    std::vector<Piece> left;
    for (const Piece& piece : worker.pieces) {
      const bool whole = piece.out.size() == layout_.written[piece.id].size;
      if (whole && std::holds_alternative<Part::Late>(file_.parts[piece.id].content)) left.push_back(piece);
    }
    while (!left.empty()) {
      std::vector<Piece> ready;
      {
        const std::lock_guard lock(mutex_);
        const auto split =
            std::stable_partition(left.begin(), left.end(), [&](const Piece& piece) { return !late_.ready(piece.id); });
        ready.assign(split, left.end());
        left.erase(split, left.end());
      }
      if (ready.empty()) return {};
      for (const Piece& piece : ready) HOLDALL_TRY(make_late(file_, piece.id, layout_.written, piece.out));
      const std::lock_guard lock(mutex_);
      for (const Piece& piece : ready) late_.done(piece.id);
    }
    return {};
  }

  // Takes the sums of one tile's piece; the last one settles the part.
  Status check_crossing(Worker& worker, std::uint64_t tile, Crossing* crossing, const Piece& piece) {
    const Part& part = file_.parts[piece.id];
    const std::uint64_t number = tile - crossing->first_tile;
    if (wants_crc32(part)) crossing->sums[number] = crc32(piece.out);
    if (wants_crc32c(part)) crossing->csums[number] = crc32c(piece.out);
    if (crossing->hash) {
      HOLDALL_TRY(wait(worker, crossing->hash_turn, number));
      crossing->hash->update(piece.out);
      board_.pass(crossing->hash_turn);
    }
    const std::lock_guard lock(mutex_);
    if (--crossing->left > 0) return {};
    PartSums sums;
    for (std::size_t i = 0; i < crossing->sums.size() && wants_crc32(part); ++i) {
      sums.crc32 = crc32_join(sums.crc32, crossing->sums[i], crossing->sizes[i]);
    }
    for (std::size_t i = 0; i < crossing->csums.size() && wants_crc32c(part); ++i) {
      sums.crc32c = crc32c_join(sums.crc32c, crossing->csums[i], crossing->sizes[i]);
    }
    if (crossing->hash) sums.xxh3 = crossing->hash->finish();
    late_.done(piece.id);
    return settle_sums(part, sums, layout_.written[piece.id]);
  }

  // Writes a tile: whole blocks directly where that works, the rest through the page cache.
  Status put(std::uint64_t begin, std::span<const std::byte> out) {
    if (direct_.load(std::memory_order_relaxed)) {
      const auto blocks = out.first(out.size() / kBlock * kBlock);
      Status status = target_.system.write_at(options_.direct, begin, blocks);
      if (status) {
        begin += blocks.size();
        out = out.subspan(blocks.size());
      } else if (status.error().system_code() != EINVAL) {
        return std::move(status).error().in(target_.place);
      } else {
        direct_.store(false, std::memory_order_relaxed);  // the file system wants larger blocks than these
      }
    }
    Status status = target_.system.write_at(target_.handle, begin, out);
    if (!status) return std::move(status).error().in(target_.place);
    return {};
  }

  const PlannedFile& file_;
  Layout layout_;
  const WriteTarget& target_;
  const TileOptions& options_;
  const std::uint64_t tiles_;
  std::unordered_map<PartId, Crossing> crossings_;
  std::unordered_map<const Source*, OrderedSource> ordered_;
  TurnBoard board_;
  std::mutex mutex_;  // guards late_, what is left of each crossing, and the failure
  LateParts late_;
  std::optional<Error> failure_;
  std::uint64_t failed_tile_ = 0;
  std::atomic<bool> direct_;
};

}  // namespace

Status write_tiles(const PlannedFile& file, Layout layout, const WriteTarget& target, const TileOptions& options) {
  return TileWriter(file, std::move(layout), target, options).run();
}

}  // namespace holdall
