#include "holdall/core/tensor.h"

#include <algorithm>
#include <array>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/core/strided.h"
#include "holdall/io/load.h"
#include "holdall/io/map.h"

namespace holdall {
namespace {

std::vector<std::int64_t> dense_strides(const Shape& shape) {
  std::vector<std::int64_t> strides(shape.size());
  std::int64_t step = 1;
  for (std::size_t d = shape.size(); d-- > 0;) {
    strides[d] = step;
    step *= static_cast<std::int64_t>(std::max<std::uint64_t>(shape[d], 1));
  }
  return strides;
}

bool are_dense(const Shape& shape, const std::vector<std::int64_t>& strides) {
  const auto dense = dense_strides(shape);
  for (std::size_t d = 0; d < shape.size(); ++d)
    if (shape[d] != 1 && strides[d] != dense[d]) return false;
  return true;
}

// The lowest and highest element that a non-empty view touches; empty when that leaves 63 bits.
std::optional<std::pair<std::int64_t, std::int64_t>> touched(const Shape& shape, const Tensor::View& view) {
  if (view.offset > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  std::int64_t low = static_cast<std::int64_t>(view.offset);
  std::int64_t high = low;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    std::int64_t reach = 0;
    if (__builtin_mul_overflow(static_cast<std::int64_t>(shape[d] - 1), view.strides[d], &reach)) return std::nullopt;
    std::int64_t& side = reach < 0 ? low : high;
    if (__builtin_add_overflow(side, reach, &side)) return std::nullopt;
  }
  return std::pair(low, high);
}

}  // namespace

Result<Tensor> Tensor::dense(DType dtype, Shape shape, Blob data) {
  return dense(dtype, std::move(shape), std::make_shared<Storage>(Storage{std::move(data)}));
}

Result<Tensor> Tensor::dense(DType dtype, Shape shape, StorageRef storage) {
  const Blob& data = storage->data;
  HOLDALL_ASSIGN(const std::uint64_t bytes, dense_bytes(dtype, shape));
  if (bytes != data.size()) {
    return corrupt(text("shape {} of {} takes {} bytes, there are {}", to_string(shape), name(dtype), bytes, data.size()))
        .at(data.offset())
        .in(data.name());
  }
  Tensor tensor;
  tensor.dtype_ = dtype;
  tensor.shape_ = std::move(shape);
  tensor.bytes_ = bytes;
  tensor.storage_ = std::move(storage);
  return tensor;
}

Result<Tensor> Tensor::view(DType dtype, Shape shape, StorageRef storage, View view) {
  Tensor tensor;
  HOLDALL_ASSIGN(const std::uint64_t elements, element_count(shape));
  HOLDALL_ASSIGN(tensor.bytes_, dense_bytes(dtype, shape));
  if (shape.size() > kMaxRank) return over_limit(text("{} dimensions, {} are allowed", shape.size(), kMaxRank));
  if (view.strides.empty()) view.strides = dense_strides(shape);
  if (view.strides.size() != shape.size()) {
    return corrupt(text("{} strides for {} dimensions", view.strides.size(), shape.size()));
  }
  const bool dense = elements == 0 || are_dense(shape, view.strides);
  const std::uint64_t block = info(dtype).block_elements;
  if (!dense && block != 1) return unsupported(text("strides on elements of {}", name(dtype)));
  if (elements > 0 && view.offset % block != 0) {
    return corrupt(text("offset {} is not a whole block of {} elements", view.offset, block));
  }
  if (elements > 0) {
    const auto range = touched(shape, view);
    const std::uint64_t held = storage->data.size() / info(dtype).block_bytes * block;
    if (!range || range->first < 0 || static_cast<std::uint64_t>(range->second) >= held) {
      return corrupt(
                 text("a view of shape {} at offset {} leaves its storage of {} elements", to_string(shape), view.offset, held))
          .in(storage->data.name());
    }
  }
  tensor.dtype_ = dtype;
  tensor.dense_ = dense && !view.conjugate && !view.negative;
  tensor.shape_ = std::move(shape);
  tensor.storage_ = std::move(storage);
  const bool is_plain = view.offset == 0 && tensor.dense_ && view.strides == dense_strides(tensor.shape_);
  if (!is_plain) tensor.rare_ = std::make_shared<const Rare>(Rare{std::move(view), {}, {}, {}});
  return tensor;
}

Result<Tensor> Tensor::strings(Shape shape, Blob data) {
  Tensor tensor;
  HOLDALL_ASSIGN(const std::uint64_t elements, element_count(shape));
  if (elements > data.size() / 8) {
    return corrupt(text("{} strings need at least {} bytes each, there are {} in all", elements, 8, data.size()))
        .in(data.name());
  }
  tensor.dtype_ = DType::kString;
  tensor.shape_ = std::move(shape);
  tensor.bytes_ = data.size();
  tensor.storage_ = std::make_shared<Storage>(Storage{std::move(data)});
  return tensor;
}

Result<Tensor> Tensor::records(Shape shape, std::uint64_t item_bytes, Blob data, std::string logical) {
  Tensor tensor;
  HOLDALL_ASSIGN(const std::uint64_t elements, element_count(shape));
  const auto bytes = checked_multiply(elements, item_bytes);
  if (!bytes || *bytes != data.size()) {
    return corrupt(text("{} records of {} bytes, there are {} bytes", elements, item_bytes, data.size())).in(data.name());
  }
  tensor.dtype_ = DType::kRecord;
  tensor.shape_ = std::move(shape);
  tensor.bytes_ = *bytes;
  tensor.storage_ = std::make_shared<Storage>(Storage{std::move(data)});
  if (!logical.empty()) tensor.rare_ = std::make_shared<const Rare>(Rare{{}, std::move(logical), {}, {}});
  return tensor;
}

const Tensor::Rare& Tensor::rare() const noexcept {
  static const Rare kNothing;
  return rare_ == nullptr ? kNothing : *rare_;
}

std::vector<std::int64_t> Tensor::strides() const {
  return layout().strides.empty() ? dense_strides(shape_) : layout().strides;
}

std::pair<std::uint64_t, std::uint64_t> Tensor::span_in_storage() const noexcept {
  if (elements() == 0) return {0, 0};
  const DTypeInfo& row = info(dtype_);
  const bool dense_view = layout().strides.empty() || row.block_elements != 1 || are_dense(shape_, layout().strides);
  if (dense_view) {
    const std::uint64_t begin = layout().offset / row.block_elements * row.block_bytes;
    return {begin, begin + bytes_};
  }
  const auto range = touched(shape_, layout());
  return {static_cast<std::uint64_t>(range->first) * row.block_bytes,
          (static_cast<std::uint64_t>(range->second) + 1) * row.block_bytes};
}

Tensor Tensor::with_logical(std::string logical) const {
  Tensor tensor = *this;
  Rare rare = this->rare();
  rare.logical = std::move(logical);
  tensor.rare_ = std::make_shared<const Rare>(std::move(rare));
  return tensor;
}

Tensor Tensor::with_data_check(const Xxh128& hash) const {
  Tensor tensor = *this;
  Rare rare = this->rare();
  rare.check = hash;
  tensor.rare_ = std::make_shared<const Rare>(std::move(rare));
  return tensor;
}

Tensor Tensor::with_quantization(std::shared_ptr<const Quantization> quantization) const {
  Tensor tensor = *this;
  Rare rare = this->rare();
  rare.quantization = std::move(quantization);
  tensor.rare_ = std::make_shared<const Rare>(std::move(rare));
  return tensor;
}

Result<Blob> Tensor::data() const {
  if (storage_ == nullptr) return Blob::memory(Bytes(), "");
  const View& view = rare().view;
  Blob blob;
  if (dense_) {
    const auto [begin, end] = span_in_storage();
    HOLDALL_ASSIGN(blob, storage_->data.slice(begin, end - begin));
  } else {
    StridedLayout layout{info(dtype_).block_bytes, shape_, view.strides, view.offset, 0, 0};
    const bool is_complex = info(dtype_).kind == DTypeKind::kComplex;
    const std::uint32_t item = info(dtype_).block_bytes;
    // Conjugation flips the sign of the imaginary half, negation every sign, both together that of the real half.
    if (is_complex && view.conjugate) {
      layout.flip_sign_every = item;
      layout.flip_sign_at = view.negative ? item / 2 - 1 : item - 1;
    } else if (view.negative) {
      layout.flip_sign_every = is_complex ? item / 2 : item;
      layout.flip_sign_at = layout.flip_sign_every - 1;
    }
    blob = Blob(strided_source(storage_->data, std::move(layout)));
  }
  return rare().check ? blob.with_xxh3(*rare().check) : blob;
}

Result<Digest> Tensor::digest() const {
  HOLDALL_ASSIGN(const Blob blob, data());
  Sha256 hasher;
  HOLDALL_TRY(for_each_tile(blob, 1u << 20, [&](std::uint64_t, std::span<const std::byte> tile) -> Status {
    hasher.update(tile);
    return {};
  }));
  return hasher.finish();
}

Result<Bytes> Tensor::read_bytes() const {
  HOLDALL_ASSIGN(const Blob blob, data());
  HOLDALL_ASSIGN(std::vector<Bytes> loaded, load_all(std::span(&blob, 1)));
  return std::move(loaded.front());
}

Status Tensor::read_into(std::span<std::byte> out) const {
  HOLDALL_ASSIGN(Blob blob, data());
  const LoadRequest request = {std::move(blob), out};
  return load_into(std::span(&request, 1));
}

Result<Bytes> Tensor::map() const {
  HOLDALL_ASSIGN(Blob blob, data());
  const MapRequest request = {std::move(blob)};
  HOLDALL_ASSIGN(std::vector<Bytes> mapped, map_all(std::span(&request, 1)));
  return std::move(mapped.front());
}

namespace detail {

Status require_element(DType dtype, std::size_t size, bool is_float, bool is_signed) {
  const DTypeInfo& row = info(dtype);
  bool fits_kind = !is_float && !is_signed;
  if (is_float) fits_kind = row.kind == DTypeKind::kFloat;
  if (!is_float && is_signed) fits_kind = row.kind == DTypeKind::kSigned || row.kind == DTypeKind::kQuantized;
  if (row.block_elements == 1 && row.block_bytes == size && fits_kind) return {};
  return invalid_argument(text("elements of dtype {} cannot be read as a {} of {} bytes", row.name,
                               is_float ? "float" : (is_signed ? "signed integer" : "unsigned integer"), size));
}

}  // namespace detail

}  // namespace holdall
