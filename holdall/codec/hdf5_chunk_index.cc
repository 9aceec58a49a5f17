#include "holdall/codec/hdf5_chunk_index.h"

#include <algorithm>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/codec/hdf5_arrays.h"
#include "holdall/codec/hdf5_tree1.h"
#include "holdall/codec/hdf5_tree2.h"

namespace holdall::hdf5 {
namespace {

constexpr std::uint8_t kPlainChunks = 10;
constexpr std::uint8_t kFilteredChunks = 11;

class TableReader {
 public:
  TableReader(Metadata& metadata, const Layout& layout, const Space& space, const Grid& grid)
      : metadata_(metadata), layout_(layout), space_(space), grid_(grid), rank_(grid.counts.size()) {}

  Result<ChunkTable> run() {
    if (layout_.address == kUndefined) return std::move(table_);
    switch (layout_.index) {
      case ChunkIndex::kTree1:
        HOLDALL_TRY(node(layout_.address, UINT8_MAX));
        break;
      case ChunkIndex::kSingle:
        HOLDALL_TRY(add(Shape(rank_), {layout_.address, layout_.single_size.value_or(grid_.chunk_bytes), layout_.single_mask}));
        break;
      case ChunkIndex::kTree2:
        HOLDALL_TRY(for_each_record(metadata_, layout_.address, grid_.filtered ? kFilteredChunks : kPlainChunks,
                                    [&](Fields record) { return tree_record(std::move(record)); }));
        break;
      default:
        HOLDALL_TRY(linear());
    }
    return std::move(table_);
  }

 private:
  // A chunk by its place in the grid.
  Status add(const Shape& place, Chunk chunk) {
    if (chunk.address == kUndefined) return {};
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < rank_; ++i) {
      if (place[i] >= grid_.counts[i]) return {};
      number = number * grid_.counts[i] + place[i];
    }
    if (!metadata_.holds(chunk.address, chunk.stored)) {
      return corrupt(text("a chunk of {} bytes at {} passes the end of the file", chunk.stored, chunk.address))
          .at(metadata_.base() + chunk.address);
    }
    // An entry of the table with what a hash table takes beside it.
    constexpr std::uint64_t kEntryBytes = 64;
    if (table_.chunks.size() >= metadata_.limits().value_bytes / kEntryBytes) {
      return over_limit(text("more than {} chunks", metadata_.limits().value_bytes / kEntryBytes));
    }
    if (!table_.chunks.emplace(number, chunk).second) {
      return corrupt(text("two chunks at the same place, number {}", number)).at(metadata_.base() + chunk.address);
    }
    table_.stored = checked_add(table_.stored, chunk.stored).value_or(UINT64_MAX);
    return {};
  }

  Status node(std::uint64_t address, std::uint16_t below) {
    const std::uint64_t key = 4 + 4 + 8 * (std::uint64_t{rank_} + 1);
    HOLDALL_ASSIGN(OldNode own, open_old_node(metadata_, address, 1, below, key + metadata_.widths.address));
    Fields& entries = own.entries;
    for (std::uint16_t i = 0; i < own.used; ++i) {
      Chunk chunk;
      HOLDALL_ASSIGN(chunk.stored, entries.word());
      HOLDALL_ASSIGN(chunk.mask, entries.word());
      Shape place(rank_);
      for (std::size_t d = 0; d < rank_; ++d) {
        HOLDALL_ASSIGN(const std::uint64_t offset, entries.number(8));
        if (own.level == 0 && offset % layout_.chunk[d] != 0) {
          return entries.fault(text("a chunk at {}, which is not a multiple of {}", offset, layout_.chunk[d]));
        }
        place[d] = offset / layout_.chunk[d];
      }
      HOLDALL_TRY(entries.skip(8));
      HOLDALL_ASSIGN(chunk.address, entries.address());
      HOLDALL_TRY(own.level == 0 ? add(place, chunk) : node(chunk.address, own.level));
    }
    return {};
  }

  Status tree_record(Fields record) {
    Chunk chunk;
    HOLDALL_ASSIGN(chunk.address, record.address());
    chunk.stored = grid_.chunk_bytes;
    if (grid_.filtered) {
      const std::size_t fixed = 4 + 8 * rank_;
      if (record.remaining() < fixed || record.remaining() - fixed > 8)
        return record.fault("the record of a chunk has no size");
      HOLDALL_ASSIGN(chunk.stored, record.number(static_cast<unsigned>(record.remaining() - fixed)));
      HOLDALL_ASSIGN(chunk.mask, record.word());
    }
    Shape place(rank_);
    for (std::size_t d = 0; d < rank_; ++d) {
      HOLDALL_ASSIGN(place[d], record.number(8));
    }
    return add(place, chunk);
  }

  // Indices by one number: row-major by the greatest sizes that the space may grow to; the dimension without bound, if any, is
  // the slowest.
  Status linear() {
    const Shape& most = space_.most.empty() ? space_.shape : space_.most;
    std::vector<std::size_t> order;
    for (std::size_t d = 0; d < rank_; ++d)
      if (layout_.index == ChunkIndex::kExtensible && most[d] == UINT64_MAX) order.push_back(d);
    for (std::size_t d = 0; d < rank_; ++d)
      if (order.empty() || order.front() != d) order.push_back(d);
    if (order.size() != rank_) return corrupt("an extensible array for more than one growing dimension");
    // Counts of chunks by those sizes, in that order; that of the slowest is not needed.
    Shape counts(rank_);
    for (std::size_t i = 0; i < rank_; ++i) {
      const std::uint64_t size = most[order[i]];
      const std::uint64_t chunk = layout_.chunk[order[i]];
      counts[i] = size == UINT64_MAX ? UINT64_MAX : size / chunk + (size % chunk != 0 ? 1 : 0);
      if (i > 0 && (counts[i] == UINT64_MAX || counts[i] == 0)) return corrupt("an index of chunks without bounds");
    }
    const auto use = [&](std::uint64_t number, Chunk chunk) -> Status {
      Shape place(rank_);
      for (std::size_t i = rank_; i-- > 1;) {
        place[order[i]] = number % counts[i];
        number /= counts[i];
      }
      place[order[0]] = number;
      return add(place, chunk);
    };
    if (layout_.index == ChunkIndex::kImplicit) return implicit(counts, use);
    ArrayFacts facts{layout_.address, grid_.filtered, grid_.chunk_bytes};
    return layout_.index == ChunkIndex::kFixed ? for_each_fixed(metadata_, facts, use)
                                               : for_each_extensible(metadata_, facts, use);
  }

  // Chunks one behind the other. Those of the space, by their places: the bytes of the file bound them.
  Status implicit(const Shape& counts, const std::function<Status(std::uint64_t, Chunk)>& use) {
    std::uint64_t count = 1;
    for (const std::uint64_t size : counts) {
      const auto product = checked_multiply(count, size);
      if (!product) return corrupt("an index of 2^64 chunks");
      count = *product;
    }
    const auto bytes = checked_multiply(count, grid_.chunk_bytes);
    if (!bytes || !metadata_.holds(layout_.address, *bytes)) {
      return corrupt(text("{} chunks of {} bytes pass the end of the file", count, grid_.chunk_bytes))
          .at(metadata_.base() + layout_.address);
    }
    for (std::uint64_t i = 0; i < count; ++i) {
      HOLDALL_TRY(use(i, {layout_.address + i * grid_.chunk_bytes, grid_.chunk_bytes, 0}));
    }
    return {};
  }

  Metadata& metadata_;
  const Layout& layout_;
  const Space& space_;
  const Grid& grid_;
  std::size_t rank_;
  ChunkTable table_;
};

}  // namespace

Result<Grid> grid_of(const Layout& layout, const Space& space, std::uint64_t element_bytes) {
  Grid grid;
  if (layout.chunk.size() != space.shape.size() || space.shape.empty() || layout.element_bytes != element_bytes) {
    return corrupt(text("chunks of {} dimensions and elements of {} bytes for {} dimensions and {} bytes", layout.chunk.size(),
                        layout.element_bytes, space.shape.size(), element_bytes));
  }
  std::uint64_t bytes = element_bytes;
  std::uint64_t count = 1;
  for (std::size_t i = 0; i < space.shape.size(); ++i) {
    if (layout.chunk[i] == 0) return corrupt("a chunk without elements");
    const auto product = checked_multiply(bytes, layout.chunk[i]);
    if (!product || *product > UINT32_MAX) return corrupt(text("a chunk of more than {} bytes", UINT32_MAX));
    bytes = *product;
    grid.counts.push_back(space.shape[i] / layout.chunk[i] + (space.shape[i] % layout.chunk[i] != 0 ? 1 : 0));
    const auto all = checked_multiply(count, std::max<std::uint64_t>(grid.counts.back(), 1));
    if (!all) return corrupt("2^64 chunks");
    count = *all;
  }
  grid.chunk_bytes = bytes;
  return grid;
}

Result<ChunkTable> read_chunks(Metadata& metadata, const Layout& layout, const Space& space, const Grid& grid) {
  return TableReader(metadata, layout, space, grid).run();
}

}  // namespace holdall::hdf5
