#include "holdall/formats/tflite/sparse.h"

#include <cstring>
#include <mutex>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/core/strided.h"

namespace holdall::tflite {
namespace {

Error fault(const Blob& values, std::string what) { return corrupt(std::move(what)).at(values.offset()).in(values.name()); }

// One dimension of the traversal.
struct Level {
  bool is_sparse = false;
  std::uint64_t size = 0;  // of the dimension
  std::uint64_t step = 0;  // elements of the dense tensor from one index to the next
  IndexVector segments, indices;
};

struct Layout {
  std::vector<Level> levels;
  std::uint64_t stored = 0;  // bytes of all lists
};

Result<std::vector<std::uint32_t>> read_indices(const IndexVector& from) {
  std::vector<std::uint32_t> made;
  HOLDALL_ASSIGN(const Bytes bytes, from.bytes.read());
  made.reserve(bytes.size() / from.width);
  for (std::size_t at = 0; at + from.width <= bytes.size(); at += from.width) {
    const std::byte* const p = bytes.data() + at;
    made.push_back(from.width == 4   ? load_le<std::uint32_t>(p)
                   : from.width == 2 ? load_le<std::uint16_t>(p)
                                     : load_le<std::uint8_t>(p));
  }
  return made;
}

std::uint64_t count_of(const IndexVector& list) { return list.width == 0 ? 0 : list.bytes.size() / list.width; }

// The sizes of dimensions and blocks: those of the tensor, then those of the blocks.
Result<std::vector<std::uint64_t>> expanded(const Shape& shape, const Blob& values, const SparsityRecord& record) {
  const std::size_t rank = shape.size();
  std::vector<std::uint64_t> sizes(shape.begin(), shape.end());
  sizes.resize(rank + record.block_map.size(), 0);
  for (std::size_t level = 0; level < record.dimensions.size(); ++level) {
    const auto dimension = static_cast<std::size_t>(record.traversal_order[level]);
    if (dimension < rank) continue;
    const std::int32_t block = record.dimensions[level].dense_size;
    const std::int32_t of = record.block_map[dimension - rank];
    if (record.dimensions[level].is_sparse || block < 1) return fault(values, text("a block of {} elements", block));
    if (of < 0 || static_cast<std::size_t>(of) >= rank ||
        sizes[static_cast<std::size_t>(of)] % static_cast<std::uint64_t>(block) != 0)
      return fault(values, text("blocks of {} elements in dimension {}", block, of));
    sizes[dimension] = static_cast<std::uint64_t>(block);
    sizes[static_cast<std::size_t>(of)] /= static_cast<std::uint64_t>(block);
  }
  return sizes;
}

Status check_order(const Shape& shape, const Blob& values, const SparsityRecord& record) {
  const std::size_t count = shape.size() + record.block_map.size();
  std::vector<bool> seen(count, false);
  if (record.traversal_order.size() != count || record.dimensions.size() != count || shape.empty())
    return fault(values, text("{} sparse dimensions in an order of {}, {} of the tensor with its blocks",
                              record.dimensions.size(), record.traversal_order.size(), count));
  for (const std::int32_t each : record.traversal_order) {
    if (each < 0 || static_cast<std::size_t>(each) >= count || seen[static_cast<std::size_t>(each)])
      return fault(values, text("{} in the order of {} dimensions", each, count));
    seen[static_cast<std::size_t>(each)] = true;
  }
  for (std::size_t i = 0; i + 1 < record.block_map.size(); ++i)
    if (record.block_map[i] >= record.block_map[i + 1]) return fault(values, "blocks are not in the order of the dimensions");
  return {};
}

// Counts are those of the lists, so that a walk ends: each level has as many entries as the next expects.
Result<Layout> layout_of(const Shape& shape, std::uint64_t width, const Blob& values, const SparsityRecord& record) {
  HOLDALL_TRY(check_order(shape, values, record));
  HOLDALL_ASSIGN(const std::vector<std::uint64_t> sizes, expanded(shape, values, record));
  const std::size_t rank = shape.size();
  std::vector<std::uint64_t> steps(sizes.size(), 1);
  for (std::size_t i = rank - 1; i > 0; --i) steps[i - 1] = steps[i] * shape[i];
  for (std::size_t block = 0; block < record.block_map.size(); ++block) {
    const auto of = static_cast<std::size_t>(record.block_map[block]);
    steps[rank + block] = steps[of];
    steps[of] *= sizes[rank + block];
  }
  Layout layout;
  std::uint64_t count = 1;
  for (std::size_t i = 0; i < record.dimensions.size(); ++i) {
    const SparseDimension& dimension = record.dimensions[i];
    const auto which = static_cast<std::size_t>(record.traversal_order[i]);
    Level level{dimension.is_sparse, sizes[which], steps[which], dimension.segments, dimension.indices};
    if (!level.is_sparse) {
      const auto product = checked_multiply(count, level.size);
      if (dimension.dense_size < 1 || static_cast<std::uint64_t>(dimension.dense_size) != level.size || !product)
        return fault(values, text("a dense dimension of {} where {} was expected", dimension.dense_size, level.size));
      count = *product;
    } else {
      if (count_of(level.segments) != count + 1)
        return fault(values, text("{} segments for {} lists", count_of(level.segments), count));
      count = count_of(level.indices);
    }
    layout.stored += level.segments.bytes.size() + level.indices.bytes.size();
    layout.levels.push_back(std::move(level));
  }
  if (count != values.size() / width || values.size() % width != 0)
    return fault(values, text("{} bytes of values, {} values of {} bytes were expected", values.size(), count, width));
  return layout;
}

class DenseSource final : public Source {
 public:
  DenseSource(Blob values, Layout layout, std::uint64_t width, std::uint64_t size)
      : values_(std::move(values)), layout_(std::move(layout)), width_(width), size_(size) {}

  std::uint64_t size() const noexcept override { return size_; }
  const std::string& name() const noexcept override { return values_.name(); }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    std::call_once(once_, [&] { status_ = make(); });
    if (!status_) return Error(status_.error());
    if (!fits(offset, out.size(), size_))
      return corrupt(text("{} bytes are needed, the end is at {}", out.size(), size_)).at(offset).in(name());
    if (!out.empty()) std::memcpy(out.data(), dense_.data() + offset, out.size());
    return {};
  }

 private:
  struct Lists {
    std::vector<std::uint32_t> segments, indices;
  };

  Status make() const {
    HOLDALL_ASSIGN(const Bytes values, values_.read());
    std::vector<Lists> lists(layout_.levels.size());
    for (std::size_t i = 0; i < lists.size(); ++i) {
      if (!layout_.levels[i].is_sparse) continue;
      HOLDALL_ASSIGN(lists[i].segments, read_indices(layout_.levels[i].segments));
      if (layout_.levels[i].indices.width != 0) {
        HOLDALL_ASSIGN(lists[i].indices, read_indices(layout_.levels[i].indices));
      }
      HOLDALL_TRY(check(layout_.levels[i], lists[i]));
    }
    HOLDALL_ASSIGN(Buffer dense, Buffer::allocate(size_));
    spread(0, 0, 0, lists, values.span(), dense.span());
    dense_ = std::move(dense).into_bytes();
    return {};
  }

  Status check(const Level& level, const Lists& lists) const {
    std::uint32_t last = 0;
    for (const std::uint32_t each : lists.segments) {
      if (each < last || each > lists.indices.size())
        return fault(values_, text("a segment up to {} of {}", each, lists.indices.size()));
      last = each;
    }
    if (lists.segments.front() != 0 || last != lists.indices.size()) return fault(values_, "segments that leave out indices");
    for (const std::uint32_t each : lists.indices)
      if (each >= level.size) return fault(values_, text("index {} of {}", each, level.size));
    return {};
  }

  // Entry `entry` of the level before, whose elements begin at `at`. As deep as the tensor has dimensions and blocks.
  void spread(std::size_t depth, std::uint64_t entry, std::uint64_t at, const std::vector<Lists>& lists,
              std::span<const std::byte> values, std::span<std::byte> dense) const {
    if (depth == layout_.levels.size()) {
      std::memcpy(dense.data() + at * width_, values.data() + entry * width_, width_);
      return;
    }
    const Level& level = layout_.levels[depth];
    if (!level.is_sparse) {
      for (std::uint64_t i = 0; i < level.size; ++i)
        spread(depth + 1, entry * level.size + i, at + i * level.step, lists, values, dense);
      return;
    }
    for (std::uint64_t i = lists[depth].segments[entry]; i < lists[depth].segments[entry + 1]; ++i)
      spread(depth + 1, i, at + lists[depth].indices[i] * level.step, lists, values, dense);
  }

  Blob values_;
  Layout layout_;
  std::uint64_t width_, size_;
  mutable std::once_flag once_;
  mutable Status status_;
  mutable Bytes dense_;
};

}  // namespace

Result<Tensor> read_sparse(DType dtype, const Shape& shape, const Blob& values, const SparsityRecord& record,
                           const Limits& limits) {
  if (!is_byte_sized(dtype) || info(dtype).block_bytes == 0)
    return unsupported(text("sparse tensors of {} are not read", name(dtype))).at(values.offset()).in(values.name());
  if (shape.size() + record.block_map.size() > 2 * kMaxRank)
    return over_limit(text("a sparse tensor of {} dimensions", shape.size())).in(values.name());
  HOLDALL_ASSIGN(const std::uint64_t size, dense_bytes(dtype, shape));
  const std::uint64_t width = info(dtype).block_bytes;
  HOLDALL_ASSIGN(Layout layout, layout_of(shape, width, values, record));
  const std::uint64_t stored = values.size() + layout.stored;
  if (size > limits.expansion_floor && size / limits.expansion > stored)
    return over_limit(text("a dense tensor of {} bytes from {}, {} times as many are allowed", size, stored, limits.expansion))
        .at(values.offset())
        .in(values.name());
  return Tensor::dense(dtype, shape, Blob(std::make_shared<DenseSource>(values, std::move(layout), width, size)));
}

}  // namespace holdall::tflite
