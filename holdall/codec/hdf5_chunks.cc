#include "holdall/codec/hdf5_chunks.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "holdall/base/checked.h"
#include "holdall/io/parallel.h"

namespace holdall::hdf5 {
namespace {

constexpr std::uint64_t kMostCached = 64u << 20;
// A larger band is never decoded to give a part of it.
constexpr std::uint64_t kLargestBand = 256u << 20;
// From here on the chunks of a band are decoded by several threads.
constexpr std::uint64_t kParallel = 1u << 20;
// Keras's own bounds (saving_lib.py).
constexpr std::uint64_t kBombFloor = std::uint64_t{1} << 32;
constexpr std::uint64_t kBombExpansion = 1'000;

// Repeats `value` over `out`, which begins at byte `at` of a repetition.
void repeat(std::span<const std::byte> value, std::uint64_t at, std::span<std::byte> out) noexcept {
  const bool is_zero = std::all_of(value.begin(), value.end(), [](std::byte byte) { return byte == std::byte{0}; });
  if (is_zero) {
    std::fill(out.begin(), out.end(), std::byte{0});
    return;
  }
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = value[static_cast<std::size_t>((at + i) % value.size())];
}

class ChunkedSource final : public Source {
 public:
  ChunkedSource(ChunkedFacts facts, Grid grid, std::uint64_t size)
      : facts_(std::move(facts)), grid_(std::move(grid)), size_(size) {
    chunk_ = facts_.layout.chunk;
    shape_ = facts_.space.shape;
    run_bytes_ = facts_.element_bytes;
    // Dimensions that a chunk spans whole make longer runs.
    while (shape_.size() > 1 && chunk_.back() == shape_.back()) {
      run_bytes_ *= shape_.back();
      chunk_ = Shape(chunk_.begin(), chunk_.end() - 1);
      shape_ = Shape(shape_.begin(), shape_.end() - 1);
    }
    row_bytes_ = run_bytes_;
    for (std::size_t i = 1; i < shape_.size(); ++i) {
      row_bytes_ *= shape_[i];
      chunks_in_band_ *= grid_.counts[i];
    }
    band_bytes_ = row_bytes_ * std::min(chunk_.front(), shape_.front());
  }
  ~ChunkedSource() override = default;

  std::uint64_t size() const noexcept override { return size_; }
  const std::string& name() const noexcept override { return facts_.name; }
  std::uint64_t unit() const noexcept override { return band_bytes_; }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (!fits(offset, out.size(), size_)) {
      return corrupt(text("{} bytes are needed, the end is at {}", out.size(), size_)).at(offset).in(name());
    }
    Status status = read(offset, out);
    if (!status) return std::move(status).error().in(facts_.file->name());
    return status;
  }

 private:
  Status read(std::uint64_t offset, std::span<std::byte> out) const {
    if (out.empty()) return {};
    HOLDALL_TRY(find_chunks());
    while (!out.empty()) {
      const std::uint64_t band = offset / band_bytes_;
      const std::uint64_t begin = band * band_bytes_;
      const std::uint64_t bytes = std::min(band_bytes_, size_ - begin);
      const auto part = out.first(static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), begin + bytes - offset)));
      if (part.size() == bytes) {
        HOLDALL_TRY(decode_band(band, 0, part));
      } else if (bytes > kLargestBand) {
        HOLDALL_TRY(read_rows(band, offset - begin, part));
      } else {
        HOLDALL_TRY(read_part(band, bytes, offset - begin, part));
      }
      out = out.subspan(part.size());
      offset += part.size();
    }
    return {};
  }

  Status read_part(std::uint64_t band, std::uint64_t bytes, std::uint64_t offset, std::span<std::byte> out) const {
    const BandCache::Key key(owner_, band);
    auto decoded = facts_.cache->find(key);
    if (decoded == nullptr) {
      HOLDALL_ASSIGN(Buffer buffer, Buffer::allocate(bytes));
      HOLDALL_TRY(decode_band(band, 0, buffer.span()));
      decoded = std::make_shared<const Buffer>(std::move(buffer));
      facts_.cache->put(key, decoded);
    }
    std::memcpy(out.data(), decoded->data() + offset, out.size());
    // Who reads in order needs it no longer.
    if (offset + out.size() == bytes) facts_.cache->drop(key);
    return {};
  }

  // A part of a band that is too large to be kept: the rows that it touches, decoded for it alone.
  Status read_rows(std::uint64_t band, std::uint64_t offset, std::span<std::byte> out) const {
    const std::uint64_t first = offset / row_bytes_;
    const std::uint64_t last = (offset + out.size() - 1) / row_bytes_;
    HOLDALL_ASSIGN(Buffer rows, Buffer::allocate((last - first + 1) * row_bytes_));
    HOLDALL_TRY(decode_band(band, first, rows.span()));
    std::memcpy(out.data(), rows.data() + (offset - first * row_bytes_), out.size());
    return {};
  }

  // Fills `out` with rows of a band, from its row `first` on.
  Status decode_band(std::uint64_t band, std::uint64_t first, std::span<std::byte> out) const {
    const unsigned threads = out.size() >= kParallel && chunks_in_band_ > 1 ? worker_count() : 1;
    std::vector<Scratch> scratch(threads);
    return parallel_for_workers(chunks_in_band_, threads, [&](unsigned worker, std::uint64_t i) {
      return decode_chunk(band, i, first, out, scratch[worker]);
    });
  }

  struct Scratch {
    std::vector<std::byte> stored, chunk;
    Pipeline::Scratch filters;
  };

  // What of a chunk lies in the space: its place and sizes in elements of the joined dimensions.
  struct Extent {
    Shape begin, size;
    bool is_whole = true;
  };
  Extent extent_of(std::uint64_t band, std::uint64_t in_band) const {
    const std::size_t rank = shape_.size();
    Extent extent{Shape(rank), Shape(rank), true};
    for (std::size_t i = rank; i-- > 0;) {
      const std::uint64_t place = i == 0 ? band : in_band % grid_.counts[i];
      if (i != 0) in_band /= grid_.counts[i];
      extent.begin[i] = place * chunk_[i];
      extent.size[i] = std::min(chunk_[i], shape_[i] - extent.begin[i]);
      extent.is_whole = extent.is_whole && extent.size[i] == chunk_[i];
    }
    return extent;
  }

  Status decode_chunk(std::uint64_t band, std::uint64_t in_band, std::uint64_t first, std::span<std::byte> out,
                      Scratch& scratch) const {
    const Extent extent = extent_of(band, in_band);
    const auto found = table_.chunks.find(band * chunks_in_band_ + in_band);
    if (found == table_.chunks.end()) {
      for_each_run(extent, first, out, [&](std::uint64_t, std::span<std::byte> run) { repeat(facts_.fill, 0, run); });
      return {};
    }
    if (chunks_in_band_ == 1 && extent.is_whole && first == 0 && out.size() == grid_.chunk_bytes) {
      return read_chunk(found->second, extent, out, scratch);
    }
    const Limits& limits = facts_.limits;
    if (grid_.chunk_bytes > limits.expansion_floor && grid_.chunk_bytes / limits.expansion > found->second.stored) {
      return over_limit(text("a chunk of {} bytes is stored in {}", grid_.chunk_bytes, found->second.stored));
    }
    scratch.chunk.resize(static_cast<std::size_t>(grid_.chunk_bytes));
    HOLDALL_TRY(read_chunk(found->second, extent, scratch.chunk, scratch));
    for_each_run(extent, first, out, [&](std::uint64_t from, std::span<std::byte> run) {
      std::memcpy(run.data(), scratch.chunk.data() + from, run.size());
    });
    return {};
  }

  Status read_chunk(const Chunk& chunk, const Extent& extent, std::span<std::byte> decoded, Scratch& scratch) const {
    const std::uint64_t at = facts_.base + chunk.address;
    const bool is_plain = facts_.pipeline.empty() || (facts_.layout.edges_unfiltered && !extent.is_whole);
    if (is_plain) {
      if (chunk.stored != decoded.size()) {
        return corrupt(text("a chunk of {} bytes, {} are needed", chunk.stored, decoded.size())).at(at);
      }
      return facts_.file->read_at(at, decoded);
    }
    // What deflate and checksums may add to bytes that cannot be made fewer.
    const std::uint64_t most = grid_.chunk_bytes + grid_.chunk_bytes / 64 + 1'024;
    if (chunk.stored > most) {
      return corrupt(text("a chunk of {} bytes is stored in {}, {} are allowed", grid_.chunk_bytes, chunk.stored, most)).at(at);
    }
    scratch.stored.resize(static_cast<std::size_t>(chunk.stored));
    HOLDALL_TRY(facts_.file->read_at(at, scratch.stored));
    Status status = facts_.pipeline.decode(scratch.stored, chunk.mask, decoded, scratch.filters);
    if (!status) return std::move(status).error().at(at);
    return status;
  }

  // Calls use() for each run of a chunk: where it begins in the chunk, and its bytes in `out`, which are rows of the band from
  // `first` on.
  template <class Use>
  void for_each_run(const Extent& extent, std::uint64_t first, std::span<std::byte> out, const Use& use) const {
    const std::size_t rank = shape_.size();
    const std::uint64_t end = std::min(extent.size[0], first + out.size() / row_bytes_);
    if (first >= end) return;
    if (rank == 1) {
      use(first * run_bytes_, out.first(static_cast<std::size_t>((end - first) * run_bytes_)));
      return;
    }
    const auto run = static_cast<std::size_t>(extent.size[rank - 1] * run_bytes_);
    Shape place(rank);  // within the chunk; along the last dimension goes the run
    place[0] = first;
    while (place[0] < end) {
      std::uint64_t from = 0;
      std::uint64_t to = place[0] - first;
      for (std::size_t i = 0; i < rank; ++i) {
        from = from * chunk_[i] + place[i];
        if (i > 0) to = to * shape_[i] + extent.begin[i] + place[i];
      }
      use(from * run_bytes_, out.subspan(static_cast<std::size_t>(to * run_bytes_), run));
      std::size_t next = rank - 2;
      for (++place[next]; next > 0 && place[next] == extent.size[next]; ++place[next]) place[next--] = 0;
    }
  }

  Status find_chunks() const {
    const std::lock_guard lock(mutex_);
    if (is_found_) return failure_ ? Status(*failure_) : Status();
    is_found_ = true;
    Metadata metadata(facts_.file, facts_.base, facts_.limits);
    metadata.widths = facts_.widths;
    auto table = read_chunks(metadata, facts_.layout, facts_.space, grid_);
    if (!table) {
      failure_ = std::move(table).error();
      return *failure_;
    }
    if (size_ > kBombFloor && size_ / kBombExpansion > table->stored) {
      failure_ =
          over_limit(text("{} bytes are stored in {}, {} are allowed", size_, table->stored, table->stored * kBombExpansion));
      return *failure_;
    }
    table_ = *std::move(table);
    return {};
  }

  ChunkedFacts facts_;
  Grid grid_;
  std::uint64_t size_;
  Shape chunk_, shape_;  // with the innermost dimensions joined into the run
  std::uint64_t run_bytes_ = 0;
  std::uint64_t row_bytes_ = 0;
  std::uint64_t band_bytes_ = 0;
  std::uint64_t chunks_in_band_ = 1;
  std::uint64_t owner_ = facts_.cache->new_owner();
  mutable std::mutex mutex_;  // guards the three below until is_found_
  mutable bool is_found_ = false;
  mutable std::optional<Error> failure_;
  mutable ChunkTable table_;
};

class FilledSource final : public Source {
 public:
  FilledSource(Bytes value, std::uint64_t size, std::string name)
      : value_(std::move(value)), size_(size), name_(std::move(name)) {}

  std::uint64_t size() const noexcept override { return size_; }
  const std::string& name() const noexcept override { return name_; }
  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (!fits(offset, out.size(), size_)) {
      return corrupt(text("{} bytes are needed, the end is at {}", out.size(), size_)).at(offset).in(name_);
    }
    repeat(value_, offset, out);
    return {};
  }

 private:
  Bytes value_;
  std::uint64_t size_;
  std::string name_;
};

}  // namespace

std::shared_ptr<const Buffer> BandCache::find(const Key& key) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.key == key; });
  if (found == entries_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found);
  return entries_.front().band;
}

void BandCache::put(const Key& key, std::shared_ptr<const Buffer> band) {
  const std::lock_guard lock(mutex_);
  bytes_ += band->size();
  entries_.push_front({key, std::move(band)});
  while (entries_.size() > 1 && bytes_ > kMostCached) {
    bytes_ -= entries_.back().band->size();
    entries_.pop_back();
  }
}

void BandCache::drop(const Key& key) {
  const std::lock_guard lock(mutex_);
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const bool is_it = entry->key == key;
    if (is_it) bytes_ -= entry->band->size();
    entry = is_it ? entries_.erase(entry) : std::next(entry);
  }
}

Result<SourceRef> chunked_source(ChunkedFacts facts) {
  HOLDALL_ASSIGN(Grid grid, grid_of(facts.layout, facts.space, facts.element_bytes));
  HOLDALL_TRY(facts.pipeline.check());
  grid.filtered = !facts.pipeline.empty();
  std::uint64_t size = facts.element_bytes;
  for (const std::uint64_t dim : facts.space.shape) {
    const auto product = checked_multiply(size, dim);
    if (!product) return corrupt("a data set of 2^64 bytes");
    size = *product;
  }
  if (size == 0) return filled_source({}, 0, std::move(facts.name));
  if (!facts.fill.empty() && facts.fill.size() != facts.element_bytes) {
    return corrupt(text("a fill value of {} bytes for elements of {}", facts.fill.size(), facts.element_bytes));
  }
  return SourceRef(std::make_shared<ChunkedSource>(std::move(facts), std::move(grid), size));
}

SourceRef filled_source(Bytes value, std::uint64_t size, std::string name) {
  return std::make_shared<FilledSource>(std::move(value), size, std::move(name));
}

}  // namespace holdall::hdf5
