#include "holdall/formats/tf_checkpoint/slices.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/core/dtype.h"

namespace holdall::tf_checkpoint {
namespace {

class CheckedSource final : public Source {
 public:
  explicit CheckedSource(Blob data) : data_(std::move(data)) {}
  std::uint64_t size() const noexcept override { return data_.size(); }
  const std::string& name() const noexcept override { return data_.name(); }
  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    std::call_once(once_, [&] {
      checked_ = for_each_tile(data_, 1u << 20, [](std::uint64_t, std::span<const std::byte>) { return Status(); });
    });
    if (!checked_) return Error(checked_.error());
    return data_.read_at(offset, out);
  }

 private:
  Blob data_;
  mutable std::once_flag once_;
  mutable Status checked_;
};

// A piece as runs: bytes that lie together in the whole, in rising order.
struct Runs {
  SourceRef data;
  Box box;
  std::size_t inner = 0;    // dimensions from here on, and the one before, lie together
  std::uint64_t bytes = 0;  // of a run
  std::uint64_t count = 0;
};

class Assembly final : public Source {
 public:
  Assembly(Shape shape, std::uint64_t width, std::uint64_t size, std::string name)
      : shape_(std::move(shape)), size_(size), name_(std::move(name)), strides_(shape_.size(), width) {
    for (std::size_t d = shape_.size(); d-- > 1;) strides_[d - 1] = strides_[d] * shape_[d];
  }

  void add(Piece piece) {
    Runs runs;
    runs.box = std::move(piece.box);
    runs.data = checked_source(std::move(piece.data));
    runs.inner = shape_.size();
    while (runs.inner > 1 && runs.box.size[runs.inner - 1] == shape_[runs.inner - 1]) --runs.inner;
    runs.bytes = runs.box.size[runs.inner - 1] * strides_[runs.inner - 1];
    runs.count = runs.bytes == 0 ? 0 : runs.data->size() / runs.bytes;
    if (runs.count != 0) pieces_.push_back(std::move(runs));
  }

  std::uint64_t size() const noexcept override { return size_; }
  const std::string& name() const noexcept override { return name_; }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (!fits(offset, out.size(), size_))
      return corrupt(text("{} bytes are needed, the end is at {}", out.size(), size_)).at(offset).in(name_);
    for (const Runs& runs : pieces_) HOLDALL_TRY(read(runs, offset, out));
    return {};
  }

 private:
  // Where run `i` of a piece begins in the whole.
  std::uint64_t begin(const Runs& runs, std::uint64_t i) const {
    std::uint64_t at = runs.box.start[runs.inner - 1] * strides_[runs.inner - 1];
    for (std::size_t d = runs.inner; d < shape_.size(); ++d) at += runs.box.start[d] * strides_[d];
    for (std::size_t d = runs.inner - 1; d-- > 0; i /= runs.box.size[d]) {
      at += (runs.box.start[d] + i % runs.box.size[d]) * strides_[d];
    }
    return at;
  }

  Status read(const Runs& runs, std::uint64_t offset, std::span<std::byte> out) const {
    std::uint64_t low = 0;
    for (std::uint64_t high = runs.count; low < high;) {  // the first run that ends behind `offset`
      const std::uint64_t middle = low + (high - low) / 2;
      if (begin(runs, middle) + runs.bytes > offset) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    const std::uint64_t end = offset + out.size();
    for (std::uint64_t i = low; i < runs.count; ++i) {
      const std::uint64_t at = begin(runs, i);
      if (at >= end) return {};
      const std::uint64_t from = std::max(at, offset);
      const std::uint64_t to = std::min(at + runs.bytes, end);
      const auto part = out.subspan(static_cast<std::size_t>(from - offset), static_cast<std::size_t>(to - from));
      HOLDALL_TRY(runs.data->read_at(i * runs.bytes + (from - at), part));
    }
    return {};
  }

  Shape shape_;
  std::uint64_t size_;
  std::string name_;
  std::vector<std::uint64_t> strides_;  // in bytes
  std::vector<Runs> pieces_;
};

bool overlap(const Box& a, const Box& b) {
  for (std::size_t d = 0; d < a.start.size(); ++d)
    if (a.start[d] >= b.start[d] + b.size[d] || b.start[d] >= a.start[d] + a.size[d]) return false;
  return true;
}

}  // namespace

SourceRef checked_source(Blob data) { return std::make_shared<CheckedSource>(std::move(data)); }

Result<SourceRef> assembled(const Shape& shape, std::uint64_t width, std::vector<Piece> pieces, std::string name) {
  if (pieces.size() > kMostPieces) return over_limit(text("{} slices, {} are allowed", pieces.size(), kMostPieces));
  if (shape.empty()) return corrupt("a scalar has slices");
  HOLDALL_ASSIGN(const std::uint64_t elements, element_count(shape));
  const auto bytes = checked_multiply(elements, width);
  if (!bytes) return corrupt(text("{} elements of {} bytes", elements, width));
  std::uint64_t covered = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    HOLDALL_ASSIGN(const std::uint64_t count, element_count(pieces[i].box.size));
    if (count * width != pieces[i].data.size()) {
      return corrupt(
          text("a slice {} has {} bytes, {} are needed", to_string(pieces[i].box.size), pieces[i].data.size(), count * width));
    }
    covered += count;
    for (std::size_t j = 0; j < i; ++j)
      if (overlap(pieces[i].box, pieces[j].box)) return corrupt("two slices overlap");
  }
  if (covered != elements) return corrupt(text("the slices have {} elements, {} are needed", covered, elements));
  auto whole = std::make_shared<Assembly>(shape, width, *bytes, std::move(name));
  for (Piece& piece : pieces) whole->add(std::move(piece));
  return SourceRef(std::move(whole));
}

}  // namespace holdall::tf_checkpoint
