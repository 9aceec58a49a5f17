#include "holdall/formats/tensorflow_types.h"

#include <algorithm>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/core/strided.h"

namespace holdall {
namespace {

constexpr TensorFlowType kTypes[] = {
#define HOLDALL_TENSORFLOW_TYPE(number, name, dtype, logical) {number, name, DType::dtype, logical},
#include "holdall/formats/tensorflow_types.inc"
#undef HOLDALL_TENSORFLOW_TYPE
};

bool is_packed(DType dtype) noexcept { return !is_byte_sized(dtype) && info(dtype).block_bytes != 0; }

// Bytes that a processor's order concerns as one: the halves of complex numbers by themselves.
std::size_t swapped_width(DType dtype) noexcept {
  const std::size_t bytes = info(dtype).block_bytes;
  return info(dtype).kind == DTypeKind::kComplex ? bytes / 2 : bytes;
}

// Elements of a few bits, one a byte, as packed ones; or the reverse, with the sign drawn out where there is one.
class BitsSource final : public Source {
 public:
  enum class Direction : std::uint8_t { kPack, kUnpack };
  BitsSource(Blob from, DType dtype, std::uint64_t elements, Direction direction)
      : from_(std::move(from)), direction_(direction), elements_(elements) {
    per_byte_ = info(dtype).block_elements;
    bits_ = 8 / per_byte_;
    is_signed_ = info(dtype).kind == DTypeKind::kSigned;
  }

  std::uint64_t size() const noexcept override {
    return direction_ == Direction::kPack ? (elements_ + per_byte_ - 1) / per_byte_ : elements_;
  }
  const std::string& name() const noexcept override { return from_.name(); }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (!fits(offset, out.size(), size())) return corrupt(text("{} bytes are needed", out.size())).at(offset).in(name());
    constexpr std::size_t kTile = 64u << 10;
    while (!out.empty()) {
      const auto part = out.first(std::min(out.size(), kTile));
      HOLDALL_TRY(direction_ == Direction::kPack ? pack(offset, part) : unpack(offset, part));
      offset += part.size();
      out = out.subspan(part.size());
    }
    return {};
  }

 private:
  Status pack(std::uint64_t offset, std::span<std::byte> out) const {
    const std::uint64_t first = offset * per_byte_;
    std::vector<std::byte> raw(static_cast<std::size_t>(std::min(out.size() * per_byte_, elements_ - first)));
    HOLDALL_TRY(from_.read_at(first, raw));
    std::fill(out.begin(), out.end(), std::byte{0});
    const auto mask = static_cast<std::byte>((1u << bits_) - 1);
    for (std::size_t i = 0; i < raw.size(); ++i) out[i / per_byte_] |= (raw[i] & mask) << (i % per_byte_ * bits_);
    return {};
  }

  Status unpack(std::uint64_t offset, std::span<std::byte> out) const {
    const std::uint64_t first = offset / per_byte_;
    std::vector<std::byte> raw(static_cast<std::size_t>((offset + out.size() - 1) / per_byte_ - first + 1));
    HOLDALL_TRY(from_.read_at(first, raw));
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::uint64_t element = offset + i - first * per_byte_;
      unsigned value =
          static_cast<unsigned>(raw[static_cast<std::size_t>(element / per_byte_)]) >> (element % per_byte_ * bits_);
      value &= (1u << bits_) - 1;
      if (is_signed_ && (value >> (bits_ - 1)) != 0) value |= 0xffu << bits_;
      out[i] = static_cast<std::byte>(value);
    }
    return {};
  }

  Blob from_;
  Direction direction_;
  std::uint64_t elements_;
  unsigned per_byte_ = 1, bits_ = 8;
  bool is_signed_ = false;
};

}  // namespace

const TensorFlowType* tensorflow_type(std::uint64_t number) noexcept {
  constexpr std::uint64_t kReference = 100;
  const std::uint64_t wanted = number > kReference ? number - kReference : number;
  for (const TensorFlowType& type : kTypes)
    if (type.number == wanted) return &type;
  return nullptr;
}

const TensorFlowType* tensorflow_type(DType dtype, std::string_view logical) noexcept {
  const TensorFlowType* plain = nullptr;
  for (const TensorFlowType& type : kTypes) {
    if (type.dtype != dtype) continue;
    if (!type.logical.empty() && type.logical == logical) return &type;
    if (type.logical.empty() && plain == nullptr) plain = &type;
  }
  return plain;
}

std::string tensorflow_type_name(std::uint64_t number) {
  if (number == kTensorFlowResource) return "DT_RESOURCE";
  if (number == kTensorFlowVariant) return "DT_VARIANT";
  const TensorFlowType* type = tensorflow_type(number);
  return type != nullptr ? std::string(type->name) : text("DataType {}", number);
}

Result<TensorFlowShape> read_tensorflow_shape(ProtoReader message) {
  TensorFlowShape shape;
  while (true) {
    HOLDALL_ASSIGN(const auto field, message.next());
    if (!field) break;
    if (field->is_varint(3) && field->value != 0) shape.has_rank = false;
    if (!field->is_bytes(2)) continue;
    std::int64_t size = 0;
    HOLDALL_ASSIGN(ProtoReader dimension, message.message(*field));
    while (true) {
      HOLDALL_ASSIGN(const auto part, dimension.next());
      if (!part) break;
      if (part->is_varint(1)) size = part->as_int();
    }
    if (shape.sizes.size() == kMaxRank) return over_limit(text("more than {} dimensions", kMaxRank)).at(field->at);
    if (size < -1) return corrupt(text("a dimension of {}", size)).at(field->at);
    if (size < 0) shape.is_known = false;
    shape.text += (shape.text.empty() ? "" : ", ") + (size < 0 ? std::string("?") : std::to_string(size));
    shape.sizes.push_back(size < 0 ? 0 : static_cast<std::uint64_t>(size));
  }
  shape.text = shape.has_rank ? "[" + shape.text + "]" : "unknown";
  if (!shape.has_rank) shape.is_known = false;
  return shape;
}

ProtoWriter write_tensorflow_shape(std::span<const std::uint64_t> sizes) {
  ProtoWriter shape;
  for (const std::uint64_t size : sizes) shape.message(2, ProtoWriter().varint(1, size));
  return shape;
}

Result<std::uint64_t> tensorflow_size(const TensorFlowType& type, std::span<const std::uint64_t> shape) {
  return is_packed(type.dtype) ? element_count(shape) : dense_bytes(type.dtype, shape);
}

Result<Tensor> tensorflow_tensor(const TensorFlowType& type, Shape shape, Blob data, ByteOrder order) {
  HOLDALL_ASSIGN(const std::uint64_t bytes, tensorflow_size(type, shape));
  if (bytes != data.size()) {
    return corrupt(text("shape {} of {} takes {} bytes, there are {}", to_string(shape), type.name, bytes, data.size()))
        .at(data.offset())
        .in(data.name());
  }
  if (is_packed(type.dtype)) {
    if (bytes % info(type.dtype).block_elements != 0) {
      return unsupported(text("{} elements of {} are no whole number of bytes", bytes, name(type.dtype))).in(data.name());
    }
    data = Blob(std::make_shared<BitsSource>(std::move(data), type.dtype, bytes, BitsSource::Direction::kPack));
  } else if (order == ByteOrder::kBig && swapped_width(type.dtype) > 1) {
    HOLDALL_ASSIGN(SourceRef part, slice_source(data.source(), data.offset(), data.size(), data.name()));
    HOLDALL_ASSIGN(SourceRef swapped, byte_swapped_source(std::move(part), swapped_width(type.dtype)));
    data = Blob(std::move(swapped));
  }
  HOLDALL_ASSIGN(Tensor tensor, Tensor::dense(type.dtype, std::move(shape), std::move(data)));
  return type.logical.empty() ? tensor : tensor.with_logical(std::string(type.logical));
}

Result<Blob> tensorflow_bytes(const Tensor& tensor) {
  HOLDALL_ASSIGN(Blob data, tensor.data());
  if (!is_packed(tensor.dtype())) return data;
  return Blob(std::make_shared<BitsSource>(std::move(data), tensor.dtype(), tensor.elements(), BitsSource::Direction::kUnpack));
}

}  // namespace holdall
