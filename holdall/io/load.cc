#include "holdall/io/load.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <tuple>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/io/file_read.h"
#include "holdall/io/fresh_memory.h"
#include "holdall/io/fresh_pages.h"
#include "holdall/io/gather.h"
#include "holdall/io/parallel.h"
#include "holdall/io/turns.h"

namespace holdall {
namespace {

// Requests of at least this size are served in tiles of their own.
constexpr std::uint64_t kLarge = 1u << 20;
constexpr std::uint64_t kTile = 8u << 20;
// What is read from the page cache at a time, so that its checksum finds it in the processor's cache.
constexpr std::size_t kStep = 256u << 10;
// And how much fresh memory is asked for at a time.
constexpr std::size_t kPopulated = 2u << 20;
// Small requests are given to a thread in heaps of this many bytes, or this many requests.
constexpr std::uint64_t kHeap = 2u << 20;
constexpr std::size_t kHeapRequests = 4096;
constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kAlignment = 64;

// A request that is served in tiles.
struct Large {
  const LoadRequest* request = nullptr;
  const FileReader* file = nullptr;  // null: read through its source
  std::uint64_t at = 0;              // in that file
  std::vector<std::uint64_t> edges;  // of the tiles, in the blob: first 0, last its size
  std::vector<std::uint32_t> sums;
  std::atomic<std::size_t> left = 0;
  Turn hash_turn;
  std::unique_ptr<Xxh3> hash;
};

// What a thread does in one go: a tile of a large request, or a range of small ones.
struct Work {
  Large* large = nullptr;
  std::size_t tile = 0;
  std::span<const LoadRequest* const> small;
};

// Source::unit() for a blob that begins with one.
std::uint64_t blob_unit(const Blob& blob) noexcept {
  const std::uint64_t unit = blob.source()->unit();
  return blob.offset() % unit == 0 ? unit : 1;
}

// Whether the memory of large requests was never touched.
enum class Memory : std::uint8_t { kAny, kFresh };

class Loader {
 public:
  Loader(std::span<const LoadRequest> requests, const LoadOptions& options, Memory memory)
      : requests_(requests),
        verify_(options.checks == LoadOptions::Checks::kVerified),
        threads_(options.threads),
        loaded_(options.loaded),
        is_fresh_(memory == Memory::kFresh) {
    if (threads_ == 0) threads_ = disk_worker_count();
  }

  Status run() {
    HOLDALL_TRY(arrange());
    std::vector<Buffer> scratch(threads_);
    std::vector<GatheredReads> reads(threads_);
    Status status = parallel_for_workers(work_.size(), threads_, [&](unsigned worker, std::uint64_t i) -> Status {
      const Work& work = work_[i];
      Status done;
      try {
        done =
            work.large != nullptr ? load_tile(*work.large, work.tile, scratch[worker]) : load_small(work.small, reads[worker]);
      } catch (const std::bad_alloc&) {
        done = Error(Code::kOutOfMemory, "no memory left while loading");
      }
      if (!done) fail(i, done.error());
      return done;
    });
    if (failure_) return std::move(*failure_);
    return status;
  }

 private:
  // Lets go whoever waits; of several failures that of the lowest number is reported, and none of those that were let go.
  void fail(std::uint64_t number, const Error& error) {
    board_.stop();
    if (error.code() == Code::kCancelled) return;
    const std::lock_guard lock(mutex_);
    if (failure_ && failed_ < number) return;
    failure_ = error;
    failed_ = number;
  }

  // Sorts the requests by place and cuts them into work.
  Status arrange() {
    struct Placed {
      const LoadRequest* request;
      int descriptor;
      std::uint64_t at;
    };
    std::vector<Placed> placed;
    placed.reserve(requests_.size());
    std::uint64_t bytes = 0;
    for (const LoadRequest& request : requests_) {
      bytes += std::min(request.out.size(), UINT64_MAX - bytes);
      if (request.out.size() != request.blob.size()) {
        return invalid_argument(text("a buffer of {} bytes for {} bytes", request.out.size(), request.blob.size()));
      }
      if (request.out.empty()) {
        HOLDALL_TRY(request.blob.check({}));
        continue;
      }
      std::uint64_t at = request.blob.offset();
      const int descriptor = request.blob.source()->descriptor(at, &at);
      placed.push_back({&request, descriptor, at});
    }
    const auto key = [](const Placed& p) {
      return std::tuple(p.descriptor, p.descriptor < 0 ? p.request->blob.source().get() : nullptr, p.at);
    };
    std::stable_sort(placed.begin(), placed.end(), [&](const Placed& a, const Placed& b) { return key(a) < key(b); });
    most_hashed_at_once_ = std::max(kTile, bytes / threads_ / 4);
    small_.reserve(placed.size());
    std::uint64_t heap_bytes = 0;
    std::size_t heap_from = 0;
    const auto close_heap = [&] {
      if (heap_from < small_.size()) work_.push_back({nullptr, 0, std::span(small_).subspan(heap_from)});
      heap_from = small_.size();
      heap_bytes = 0;
    };
    const Source* ordered = nullptr;
    for (const Placed& p : placed) {
      const Blob& blob = p.request->blob;
      // What can only be read from front to back stays with one thread.
      const Source* one_pass = blob.source()->random_access() ? nullptr : blob.source().get();
      if (one_pass != ordered) close_heap();
      ordered = one_pass;
      if (one_pass == nullptr && blob.size() >= kLarge) {
        add_large(*p.request, p.descriptor, p.at);
        continue;
      }
      small_.push_back(p.request);
      heap_bytes += blob.size();
      if (one_pass == nullptr && (heap_bytes >= kHeap || small_.size() - heap_from >= kHeapRequests)) close_heap();
    }
    close_heap();
    return {};
  }

  void add_large(const LoadRequest& request, int descriptor, std::uint64_t at) {
    auto large = std::make_unique<Large>();
    large->request = &request;
    large->at = at;
    if (descriptor >= 0) {
      auto& file = files_[descriptor];
      if (file == nullptr) file = std::make_unique<FileReader>(descriptor);
      large->file = file.get();
    }
    const bool is_hashed = verify_ && request.blob.xxh3() != nullptr;
    // Tiles end at multiples of the tile in the file, so that direct reads need no block twice. A hash goes from front to back:
    // where there is enough else to do, one thread takes all of it.
    large->edges.push_back(0);
    const bool is_one_tile = is_hashed && request.blob.size() <= most_hashed_at_once_;
    // So do those of what is decoded by units, and there are as many as keep every thread busy.
    const std::uint64_t unit = blob_unit(request.blob);
    const std::uint64_t tile_bytes = unit == 1 ? kTile : std::max(kLarge / unit, std::uint64_t{1}) * unit;
    for (std::uint64_t edge = tile_bytes - (unit == 1 ? at % kTile : 0); edge < request.blob.size() && !is_one_tile;
         edge += tile_bytes) {
      large->edges.push_back(edge);
    }
    large->edges.push_back(request.blob.size());
    const std::size_t tiles = large->edges.size() - 1;
    large->sums.resize(tiles);
    large->left = tiles;
    if (is_hashed) large->hash = std::make_unique<Xxh3>();
    for (std::size_t tile = 0; tile < tiles; ++tile) work_.push_back({large.get(), tile, {}});
    large_.push_back(std::move(large));
  }

  Status load_tile(Large& large, std::size_t tile, Buffer& scratch) {
    const Blob& blob = large.request->blob;
    const std::uint64_t begin = large.edges[tile];
    const auto out =
        large.request->out.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(large.edges[tile + 1] - begin));
    const bool wants_crc = verify_ && blob.crc();
    std::uint32_t crc = 0;
    std::size_t done = 0;
    std::size_t populated = 0;
    bool cold = false;
    // Steps are hashed while the processor's cache has them, except behind a tile that another thread is at.
    const bool hash_by_step = large.hash != nullptr && tile == 0;
    const std::uint64_t unit = blob_unit(blob);
    while (done < out.size()) {
      auto step = out.subspan(done, cold || unit != 1 ? out.size() - done : std::min(kStep, out.size() - done));
      if (is_fresh_ && done + step.size() > populated) {
        const std::size_t next = std::min(out.size(), std::max(done + step.size(), populated + kPopulated));
        populate(out.subspan(populated, next - populated));
        populated = next;
      }
      HOLDALL_TRY(read(large, begin + done, step, cold, scratch));
      if (wants_crc) crc = blob.crc().of(step, crc);
      if (hash_by_step) large.hash->update(step);
      HOLDALL_TRY(tell(step.size()));
      done += step.size();
    }
    large.sums[tile] = crc;
    if (large.hash != nullptr) {
      if (!board_.wait(large.hash_turn, tile)) return Error(Code::kCancelled, "another part failed");
      if (!hash_by_step) large.hash->update(out);
      board_.pass(large.hash_turn);
    }
    if (large.left.fetch_sub(1) > 1 || !verify_) return {};
    std::uint32_t whole = 0;
    for (std::size_t i = 0; i < large.sums.size() && wants_crc; ++i) {
      whole = blob.crc().join(whole, large.sums[i], large.edges[i + 1] - large.edges[i]);
    }
    return blob.compare(whole, large.hash != nullptr ? large.hash->finish() : Xxh128());
  }

  // Reads a piece; what the page cache had of it may be shorter than asked, then `piece` is cut and the rest is cold.
  Status read(const Large& large, std::uint64_t offset, std::span<std::byte>& piece, bool& cold, Buffer& scratch) const {
    const Blob& blob = large.request->blob;
    if (large.file == nullptr) return blob.read_at(offset, piece);
    if (!cold) {
      const std::size_t cached = large.file->read_cached(large.at + offset, piece);
      if (cached == piece.size()) return {};
      cold = true;
      if (cached > 0) {
        piece = piece.first(cached);
        return {};
      }
    }
    if (large.file->read_direct(large.at + offset, piece, scratch)) return {};
    return blob.read_at(offset, piece);
  }

  Status tell(std::uint64_t bytes) const {
    if (!loaded_ || loaded_(bytes)) return {};
    return Error(Code::kCancelled, "cancelled while loading");
  }

  Status load_small(std::span<const LoadRequest* const> requests, GatheredReads& reads) {
    std::uint64_t bytes = 0;
    for (const LoadRequest* request : requests) {
      HOLDALL_TRY(reads.add(request->blob, 0, request->out));
      bytes += request->out.size();
    }
    HOLDALL_TRY(reads.flush());
    HOLDALL_TRY(tell(bytes));
    for (const LoadRequest* request : requests) {
      if (verify_) {
        HOLDALL_TRY(request->blob.check(request->out));
      }
    }
    return {};
  }

  std::span<const LoadRequest> requests_;
  bool verify_;
  unsigned threads_;
  const std::function<bool(std::uint64_t)>& loaded_;
  bool is_fresh_;
  std::uint64_t most_hashed_at_once_ = 0;
  std::map<int, std::unique_ptr<FileReader>> files_;
  std::vector<std::unique_ptr<Large>> large_;
  std::vector<const LoadRequest*> small_;
  std::vector<Work> work_;
  TurnBoard board_;
  std::mutex mutex_;  // guards the failure
  std::optional<Error> failure_;
  std::uint64_t failed_ = 0;
};

// As far from a page's start as in the file, for what lies at a place there.
std::uint64_t skip_of(const Blob& blob) noexcept {
  std::uint64_t at = 0;
  const int descriptor = blob.source()->descriptor(blob.offset(), &at);
  return descriptor >= 0 && at % kAlignment == 0 ? at % kPage : 0;
}

Status load(std::span<const LoadRequest> requests, const LoadOptions& options, Memory memory) {
  try {
    return Loader(requests, options, memory).run();
  } catch (const std::bad_alloc&) {
    return Error(Code::kOutOfMemory, "no memory left for the list of what is to be loaded");
  }
}

}  // namespace

Status load_into(std::span<const LoadRequest> requests, const LoadOptions& options) {
  return load(requests, options, Memory::kAny);
}

Result<std::vector<Bytes>> load_all(std::span<const Blob> blobs, const LoadOptions& options) {
  std::vector<Bytes> loaded(blobs.size());
  std::vector<LoadRequest> requests;
  requests.reserve(blobs.size());
  FreshMemory memory;
  for (std::size_t i = 0; i < blobs.size(); ++i) {
    if (blobs[i].size() == 0) continue;
    const bool is_whole = blobs[i].size() == blobs[i].source()->size();
    if (auto given = is_whole ? blobs[i].source()->give_up() : std::nullopt) {
      loaded[i] = *std::move(given);
      if (options.checks == LoadOptions::Checks::kVerified) HOLDALL_TRY(blobs[i].check(loaded[i]));
      continue;
    }
    if (const auto resident = blobs[i].source()->resident()) {
      loaded[i] = resident->slice(static_cast<std::size_t>(blobs[i].offset()), static_cast<std::size_t>(blobs[i].size()));
      if (options.checks == LoadOptions::Checks::kVerified) {
        HOLDALL_TRY(blobs[i].check(loaded[i]));
      }
      continue;
    }
    HOLDALL_ASSIGN(FreshMemory::Range place, memory.take(blobs[i].size(), skip_of(blobs[i])));
    loaded[i] = std::move(place.bytes);
    requests.push_back({blobs[i], place.memory});
  }
  HOLDALL_TRY(load(requests, options, Memory::kFresh));
  return loaded;
}

bool are_cached(std::span<const Blob> blobs) {
  return std::all_of(blobs.begin(), blobs.end(), [](const Blob& blob) {
    if (blob.size() == 0 || blob.source()->resident()) return true;
    std::uint64_t at = 0;
    const int descriptor = blob.source()->descriptor(blob.offset(), &at);
    if (descriptor < 0) return false;
    const FileReader file(descriptor);
    std::array<std::byte, 1> byte;
    const auto has = [&](std::uint64_t offset) { return file.read_cached(at + offset, byte) == byte.size(); };
    return has(0) && has(blob.size() / 2) && has(blob.size() - 1);
  });
}

Status check_all(std::span<const Blob> blobs, const LoadOptions& options) {
  const unsigned threads = options.threads == 0 ? disk_worker_count() : options.threads;
  return parallel_for(blobs.size(), threads, [&](std::uint64_t i) {
    return for_each_tile(blobs[i], kStep, [&](std::uint64_t, std::span<const std::byte> piece) -> Status {
      if (!options.loaded || options.loaded(piece.size())) return {};
      return Error(Code::kCancelled, "cancelled while reading");
    });
  });
}

}  // namespace holdall
