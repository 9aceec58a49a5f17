#include "holdall/formats/tensorflow_tensor.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"

namespace holdall {
namespace {

constexpr std::uint32_t kContent = 4;
constexpr std::uint32_t kStrings = 8;
constexpr std::uint32_t kFloat8 = 18;
constexpr std::uint64_t kMostText = 1u << 30;

// How the field of values `number` spells them: bytes of one on the wire (0: a varint); 0 for no such field.
struct Spelling {
  std::uint32_t number;
  std::uint32_t wire_bytes;
};
constexpr Spelling kSpellings[] = {{5, 4}, {6, 8}, {7, 0}, {9, 4}, {10, 0}, {11, 0}, {12, 8}, {13, 0}, {16, 0}, {17, 0}};

// A few bytes, then the last `width` of them again and again.
class RepeatedSource final : public Source {
 public:
  RepeatedSource(std::string first, std::size_t width, std::uint64_t size, std::string name)
      : first_(std::move(first)), width_(width), size_(size), name_(std::move(name)) {}
  std::uint64_t size() const noexcept override { return size_; }
  const std::string& name() const noexcept override { return name_; }
  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (!fits(offset, out.size(), size_))
      return corrupt(text("{} bytes are needed, the end is at {}", out.size(), size_)).at(offset).in(name_);
    const auto first = as_bytes(first_);
    if (offset < first.size()) {
      const auto own = first.subspan(static_cast<std::size_t>(offset));
      const std::size_t some = std::min(own.size(), out.size());
      std::copy_n(own.begin(), some, out.begin());
      offset += some;
      out = out.subspan(some);
    }
    const auto last = first.last(width_);
    for (std::size_t i = static_cast<std::size_t>((offset - (first.size() - width_)) % width_); !out.empty(); i = 0) {
      const std::size_t some = std::min(width_ - i, out.size());
      std::copy_n(last.begin() + static_cast<std::ptrdiff_t>(i), some, out.begin());
      out = out.subspan(some);
    }
    return {};
  }

 private:
  std::string first_;
  std::size_t width_;
  std::uint64_t size_;
  std::string name_;
};

class TensorReader {
 public:
  TensorReader(ProtoReader message, const Limits& limits) : message_(std::move(message)), limits_(limits) {}

  Result<Tensor> run(const std::optional<TensorFlowOutline>& outline) {
    if (outline) {
      dtype_ = outline->dtype;
      shape_.sizes = outline->shape;
    }
    HOLDALL_ASSIGN(ProtoReader pass, message_.message({0, ProtoWire::kBytes, message_.whole().size(), 0, 0}));
    while (!outline) {  // dtype and shape first, wherever they stand
      HOLDALL_ASSIGN(const auto field, pass.next());
      if (!field) break;
      if (field->is_varint(1)) dtype_ = field->value;
      if (!field->is_bytes(2)) continue;
      HOLDALL_ASSIGN(ProtoReader part, pass.message(*field));
      HOLDALL_ASSIGN(shape_, read_tensorflow_shape(std::move(part)));
    }
    type_ = tensorflow_type(dtype_);
    if (type_ == nullptr) return unsupported(text("a tensor of {} is no array", tensorflow_type_name(dtype_)));
    if (!shape_.is_known) return corrupt("a tensor's shape is not known");
    while (true) {
      HOLDALL_ASSIGN(const auto field, message_.next());
      if (!field) break;
      HOLDALL_TRY(take(*field));
    }
    return type_->dtype == DType::kString ? strings() : numbers();
  }

 private:
  Status take(const ProtoField& field) {
    if (field.is_bytes(kContent)) {
      HOLDALL_ASSIGN(content_, message_.blob(field));
      return {};
    }
    if (field.is_bytes(kStrings)) {
      HOLDALL_ASSIGN(const Bytes value, message_.bytes(field, kMostText));
      std::array<char, 8> length;
      store_le<std::uint64_t>(length.data(), value.size());
      values_.append(length.data(), length.size()).append(value.text());
      ++count_;
      last_text_ = 8 + value.size();
      return {};
    }
    if (field.is_bytes(kFloat8)) {
      HOLDALL_ASSIGN(const Bytes value, message_.bytes(field, limits_.value_bytes));
      values_ += value.text();
      return {};
    }
    const auto spelling = std::find_if(std::begin(kSpellings), std::end(kSpellings),
                                       [&](const Spelling& each) { return each.number == field.number; });
    if (spelling == std::end(kSpellings)) return {};
    if (field.wire != ProtoWire::kBytes) return append(field.value, spelling->wire_bytes);
    return packed(field, spelling->wire_bytes);
  }

  // Packed values as they are where the tensor's memory is the same.
  Status packed(const ProtoField& field, std::uint32_t wire_bytes) {
    if (wire_bytes != 0 && values_.empty()) {
      HOLDALL_ASSIGN(const std::uint64_t size, tensorflow_size(*type_, shape_.sizes));
      if (size == field.value) {
        HOLDALL_ASSIGN(content_, message_.blob(field));
        return {};
      }
    }
    HOLDALL_ASSIGN(ProtoReader part, message_.message(field));
    if (wire_bytes != 0) {
      HOLDALL_ASSIGN(const Bytes raw, message_.bytes(field, limits_.value_bytes));
      if (raw.size() % wire_bytes != 0) return part.fault(text("{} bytes of values of {}", raw.size(), wire_bytes));
      values_ += raw.text();
      return {};
    }
    while (!part.at_end()) {
      HOLDALL_ASSIGN(const std::uint64_t value, part.packed_varint());
      HOLDALL_TRY(append(value, 0));
    }
    return {};
  }

  Status append(std::uint64_t value, std::uint32_t wire_bytes) {
    std::array<char, 8> raw;
    store_le(raw.data(), value);
    const std::size_t width = wire_bytes != 0 ? wire_bytes : std::min<std::size_t>(element_bytes(), raw.size());
    values_.append(raw.data(), width);
    if (values_.size() > limits_.value_bytes) return over_limit(text("values take more than {} bytes", limits_.value_bytes));
    return {};
  }

  // In TensorFlow's memory.
  std::size_t element_bytes() const { return is_byte_sized(type_->dtype) ? info(type_->dtype).block_bytes : 1; }

  Result<Tensor> numbers() {
    HOLDALL_ASSIGN(const std::uint64_t size, tensorflow_size(*type_, shape_.sizes));
    const std::string& name = message_.whole().name();
    if (content_) return tensorflow_tensor(*type_, shape_.sizes, *content_, ByteOrder::kLittle);
    const std::size_t width = element_bytes();
    if (values_.size() % width != 0 || values_.size() > size) {
      return message_.fault(
          text("shape {} of {} takes {} bytes, its values {}", to_string(shape_.sizes), type_->name, size, values_.size()));
    }
    if (values_.empty()) values_.assign(width, '\0');
    const std::uint64_t stored = std::max<std::uint64_t>(message_.whole().size(), 1);
    if (size > limits_.expansion_floor && size / stored > limits_.expansion) {
      return over_limit(text("{} bytes of repeated values in {}", size, stored));
    }
    Blob data = size == values_.size() ? Blob::memory(Bytes::adopt(std::move(values_)), name)
                                       : Blob(std::make_shared<RepeatedSource>(std::move(values_), width, size, name));
    return tensorflow_tensor(*type_, shape_.sizes, std::move(data), ByteOrder::kLittle);
  }

  Result<Tensor> strings() {
    if (content_) return unsupported("texts are not read from tensor_content");
    HOLDALL_ASSIGN(const std::uint64_t count, element_count(shape_.sizes));
    if (count_ > count) return message_.fault(text("{} texts for {} elements", count_, count));
    std::string last = count_ == 0 ? std::string(8, '\0') : values_.substr(values_.size() - last_text_);
    const auto more = checked_multiply(count - count_, last.size());
    const std::uint64_t most = std::max(limits_.expansion_floor, message_.whole().size());
    if (!more || *more > most) return over_limit(text("{} texts repeat one of {} bytes", count - count_, last.size()));
    for (; count_ < count; ++count_) values_ += last;
    return Tensor::strings(shape_.sizes, Blob::memory(Bytes::adopt(std::move(values_)), message_.whole().name()));
  }

  ProtoReader message_;
  const Limits& limits_;
  std::uint64_t dtype_ = 0;
  TensorFlowShape shape_;
  const TensorFlowType* type_ = nullptr;
  std::optional<Blob> content_;
  std::string values_;       // as in a Tensor
  std::uint64_t count_ = 0;  // of texts
  std::size_t last_text_ = 0;
};

}  // namespace

Result<Tensor> read_tensorflow_tensor(ProtoReader message, const std::optional<TensorFlowOutline>& outline,
                                      const Limits& limits) {
  return TensorReader(std::move(message), limits).run(outline);
}

}  // namespace holdall
