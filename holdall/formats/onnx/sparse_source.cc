#include "holdall/formats/onnx/sparse_source.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"

namespace holdall::onnx {
namespace {

class SparseSource final : public Source {
 public:
  SparseSource(Tensor values, Tensor indices, Shape shape)
      : values_(std::move(values)),
        indices_(std::move(indices)),
        shape_(std::move(shape)),
        width_(info(values_.dtype()).block_bytes) {
    size_ = width_;
    for (const std::uint64_t each : shape_) size_ *= each;
    name_ = values_.storage()->data.name();
  }

  std::uint64_t size() const noexcept override { return size_; }
  const std::string& name() const noexcept override { return name_; }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (!fits(offset, out.size(), size_))
      return corrupt(text("{} bytes are needed, the end is at {}", out.size(), size_)).at(offset).in(name_);
    HOLDALL_TRY(load());
    std::fill(out.begin(), out.end(), std::byte{0});
    const std::uint64_t end = offset + out.size();
    auto i = static_cast<std::size_t>(std::lower_bound(places_.begin(), places_.end(), offset / width_) - places_.begin());
    for (; i < places_.size() && places_[i] * width_ < end; ++i) {
      const std::uint64_t at = places_[i] * width_;
      const std::uint64_t from = std::max(at, offset), to = std::min(at + width_, end);
      std::copy_n(bytes_.data() + i * width_ + (from - at), to - from, out.data() + (from - offset));
    }
    return {};
  }

 private:
  Status load() const {
    const std::lock_guard lock(mutex_);
    if (is_loaded_) return {};
    HOLDALL_ASSIGN(bytes_, values_.read_bytes());
    if (values_.elements() != 0) {
      HOLDALL_ASSIGN(const std::vector<std::int64_t> indices, indices_.read<std::int64_t>());
      HOLDALL_TRY(find_places(indices));
    }
    is_loaded_ = true;
    return {};
  }

  // Indices as places in the row-major order.
  Status find_places(const std::vector<std::int64_t>& indices) const {
    const bool is_linear = indices_.shape().size() == 1;
    const std::size_t rank = is_linear ? 1 : shape_.size();
    const Shape sizes = is_linear ? Shape{size_ / width_} : shape_;
    std::vector<std::uint64_t> places;
    places.reserve(indices.size() / std::max<std::size_t>(rank, 1));
    for (std::size_t i = 0; i + rank <= indices.size() && rank != 0; i += rank) {
      std::uint64_t place = 0;
      for (std::size_t d = 0; d < rank; ++d) {
        const auto index = static_cast<std::uint64_t>(indices[i + d]);
        if (index >= sizes[d]) return fault(text("the sparse index {} where a size is {}", indices[i + d], sizes[d]));
        place = place * sizes[d] + index;
      }
      if (!places.empty() && place <= places.back()) return fault(text("the sparse index {} after {}", place, places.back()));
      places.push_back(place);
    }
    if (places.size() != values_.elements())
      return fault(text("{} sparse indices for {} values", places.size(), values_.elements()));
    places_ = std::move(places);
    return {};
  }

  Error fault(std::string what) const { return corrupt(std::move(what)).in(name_); }

  Tensor values_, indices_;
  Shape shape_;
  std::uint64_t width_, size_ = 0;
  std::string name_;
  mutable std::mutex mutex_;
  mutable bool is_loaded_ = false;
  mutable Bytes bytes_;
  mutable std::vector<std::uint64_t> places_;
};

}  // namespace

SourceRef sparse_source(Tensor values, Tensor indices, Shape shape) {
  return std::make_shared<SparseSource>(std::move(values), std::move(indices), std::move(shape));
}

}  // namespace holdall::onnx
