#include "holdall/core/strided.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"

namespace holdall {
namespace {

// Storage is read through windows of at most this many bytes and scattered from there.
constexpr std::uint64_t kWindow = 1u << 20;

struct Axis {
  std::uint64_t extent;
  std::int64_t stride;       // elements, in the storage
  std::uint64_t out_stride;  // elements, in the output
};

class StridedSource final : public Source {
 public:
  StridedSource(Blob storage, StridedLayout layout) : storage_(std::move(storage)), layout_(std::move(layout)) {
    const std::size_t rank = layout_.shape.size();
    inner_.assign(rank + 1, 1);
    for (std::size_t d = rank; d-- > 0;) inner_[d] = inner_[d + 1] * layout_.shape[d];
    size_ = inner_[0] * layout_.item_bytes;
  }

  std::uint64_t size() const noexcept override { return size_; }
  const std::string& name() const noexcept override { return storage_.name(); }
  bool random_access() const noexcept override { return storage_.source()->random_access(); }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (!fits(offset, out.size(), size_)) {
      return corrupt(text("{} bytes are needed, the end is at {}", out.size(), size_)).at(offset).in(name());
    }
    if (out.empty()) return {};
    const std::uint64_t item = layout_.item_bytes;
    const std::uint64_t first = offset / item;
    const std::uint64_t last = (offset + out.size() + item - 1) / item;
    if (offset % item == 0 && out.size() % item == 0) return read_elements(first, last, out);
    HOLDALL_ASSIGN(Buffer whole, Buffer::allocate((last - first) * item));
    HOLDALL_TRY(read_elements(first, last, whole.span()));
    std::copy_n(whole.data() + (offset - first * item), out.size(), out.data());
    return {};
  }

 private:
  Status read_elements(std::uint64_t first, std::uint64_t last, std::span<std::byte> out) const {
    HOLDALL_TRY(gather(0, first, last, static_cast<std::int64_t>(layout_.offset), out.data()));
    if (layout_.flip_sign_every != 0)
      for (std::size_t i = layout_.flip_sign_at; i < out.size(); i += layout_.flip_sign_every) out[i] ^= std::byte{0x80};
    return {};
  }

  // Elements [first, last) of the sub-tensor of dimensions d…, whose first element is element `base` of the storage. A range
  // is a cut slice, whole slices and another cut slice; the whole ones are one box.
  Status gather(std::size_t d, std::uint64_t first, std::uint64_t last, std::int64_t base, std::byte* out) const {
    if (first >= last) return {};
    if (d == layout_.shape.size()) return copy_box({}, base, out);
    const std::uint64_t slice = inner_[d + 1];
    const auto step = [&](std::uint64_t index) { return base + static_cast<std::int64_t>(index) * layout_.strides[d]; };
    std::uint64_t index = first / slice;
    if (first % slice != 0) {
      const std::uint64_t end = std::min((index + 1) * slice, last);
      HOLDALL_TRY(gather(d + 1, first % slice, end - index * slice, step(index), out));
      out += (end - first) * layout_.item_bytes;
      first = end;
      ++index;
    }
    const std::uint64_t whole = (last - std::min(first, last)) / slice;
    if (whole > 0) {
      std::vector<Axis> axes{{whole, layout_.strides[d], slice}};
      for (std::size_t i = d + 1; i < layout_.shape.size(); ++i)
        axes.push_back({layout_.shape[i], layout_.strides[i], inner_[i + 1]});
      HOLDALL_TRY(copy_box(std::move(axes), step(index), out));
      out += whole * slice * layout_.item_bytes;
      first += whole * slice;
      index += whole;
    }
    return first < last ? gather(d + 1, 0, last - first, step(index), out) : Status();
  }

  // Copies a box by the order of the storage: the axes with the smallest strides lie innermost, and as many of them as fit
  // in a window are read at once.
  Status copy_box(std::vector<Axis> axes, std::int64_t base, std::byte* out) const {
    std::erase_if(axes, [](const Axis& axis) { return axis.extent == 1; });
    std::stable_sort(axes.begin(), axes.end(),
                     [](const Axis& a, const Axis& b) { return std::abs(a.stride) > std::abs(b.stride); });
    merge_dense(axes);
    if (axes.size() <= 1 && (axes.empty() || (axes[0].stride == 1 && axes[0].out_stride == 1))) {
      const std::uint64_t count = axes.empty() ? 1 : axes[0].extent;
      return storage_.read_at(position(base), {out, static_cast<std::size_t>(count * layout_.item_bytes)});
    }
    std::size_t split = axes.size();
    std::uint64_t span = 1;
    while (split > 0) {
      const Axis& axis = axes[split - 1];
      const std::uint64_t more = (axis.extent - 1) * static_cast<std::uint64_t>(std::abs(axis.stride));
      if ((span + more) * layout_.item_bytes > kWindow) break;
      span += more;
      --split;
    }
    return copy_outer(axes, 0, split, base, out);
  }

  static void merge_dense(std::vector<Axis>& axes) {
    for (std::size_t i = axes.size(); i-- > 1;) {
      const Axis& inner = axes[i];
      Axis& outer = axes[i - 1];
      const auto extent = static_cast<std::int64_t>(inner.extent);
      if (outer.stride == inner.stride * extent && outer.out_stride == inner.out_stride * inner.extent) {
        outer = {outer.extent * inner.extent, inner.stride, inner.out_stride};
        axes.erase(axes.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
  }

  Status copy_outer(const std::vector<Axis>& axes, std::size_t d, std::size_t split, std::int64_t base, std::byte* out) const {
    if (d == split) return copy_window(axes, split, base, out);
    const Axis& axis = axes[d];
    const bool innermost = d + 1 == axes.size();
    if (innermost && axis.stride == 1 && axis.out_stride == 1) {
      return storage_.read_at(position(base), {out, static_cast<std::size_t>(axis.extent * layout_.item_bytes)});
    }
    // The innermost axis may be longer than a window: it is cut into pieces that fit.
    const std::uint64_t reach = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::abs(axis.stride)));
    const std::uint64_t piece = innermost ? std::max<std::uint64_t>(1, kWindow / layout_.item_bytes / reach) : 1;
    for (std::uint64_t i = 0; i < axis.extent; i += piece) {
      const std::int64_t from = base + static_cast<std::int64_t>(i) * axis.stride;
      std::byte* to = out + i * axis.out_stride * layout_.item_bytes;
      if (innermost) {
        HOLDALL_TRY(copy_window({{std::min(piece, axis.extent - i), axis.stride, axis.out_stride}}, 0, from, to));
      } else {
        HOLDALL_TRY(copy_outer(axes, d + 1, split, from, to));
      }
    }
    return {};
  }

  // Reads the span of axes [split, end) in one request and scatters it.
  Status copy_window(const std::vector<Axis>& axes, std::size_t split, std::int64_t base, std::byte* out) const {
    std::int64_t low = 0;
    std::int64_t high = 0;
    for (std::size_t i = split; i < axes.size(); ++i) {
      const std::int64_t reach = static_cast<std::int64_t>(axes[i].extent - 1) * axes[i].stride;
      (reach < 0 ? low : high) += reach;
    }
    const std::uint64_t item = layout_.item_bytes;
    std::vector<std::byte> window(static_cast<std::size_t>(static_cast<std::uint64_t>(high - low + 1) * item));
    HOLDALL_TRY(storage_.read_at(position(base + low), window));
    scatter(axes, split, window.data() - low * static_cast<std::int64_t>(item), out);
    return {};
  }

  void scatter(const std::vector<Axis>& axes, std::size_t d, const std::byte* from, std::byte* to) const {
    const std::uint64_t item = layout_.item_bytes;
    if (d == axes.size()) {
      std::copy_n(from, item, to);
      return;
    }
    const Axis& axis = axes[d];
    const std::int64_t step = axis.stride * static_cast<std::int64_t>(item);
    if (d + 1 < axes.size()) {
      for (std::uint64_t i = 0; i < axis.extent; ++i)
        scatter(axes, d + 1, from + static_cast<std::int64_t>(i) * step, to + i * axis.out_stride * item);
      return;
    }
    if (axis.stride == 1 && axis.out_stride == 1) {
      std::copy_n(from, axis.extent * item, to);
      return;
    }
    switch (item) {
      case 1:
        return scatter_items<std::uint8_t>(axis, from, to);
      case 2:
        return scatter_items<std::uint16_t>(axis, from, to);
      case 4:
        return scatter_items<std::uint32_t>(axis, from, to);
      case 8:
        return scatter_items<std::uint64_t>(axis, from, to);
      default:
        for (std::uint64_t i = 0; i < axis.extent; ++i)
          std::copy_n(from + static_cast<std::int64_t>(i) * step, item, to + i * axis.out_stride * item);
    }
  }

  template <class T>
  static void scatter_items(const Axis& axis, const std::byte* from, std::byte* to) {
    const std::int64_t step = axis.stride * static_cast<std::int64_t>(sizeof(T));
    const std::uint64_t out_step = axis.out_stride * sizeof(T);
    for (std::uint64_t i = 0; i < axis.extent; ++i, from += step, to += out_step) store_le<T>(to, load_le<T>(from));
  }

  std::uint64_t position(std::int64_t element) const noexcept {
    return static_cast<std::uint64_t>(element) * layout_.item_bytes;
  }

  Blob storage_;
  StridedLayout layout_;
  std::vector<std::uint64_t> inner_;  // inner_[d]: elements of dimensions d…
  std::uint64_t size_ = 0;
};

}  // namespace

SourceRef strided_source(Blob storage, StridedLayout layout) {
  return std::make_shared<StridedSource>(std::move(storage), std::move(layout));
}

}  // namespace holdall
