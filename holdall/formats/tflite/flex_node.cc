#include "holdall/formats/tflite/flex_node.h"

#include <bit>
#include <cstring>
#include <optional>
#include <span>

#include "holdall/base/text.h"
#include "holdall/codec/protobuf.h"

namespace holdall::tflite {
namespace {

// flatbuffers.dev/internals, FlexBuffers: the last byte is the width of the root, the one before it its type and the width of
// what it points to; a vector has its size before its elements and their types behind them.
enum class FlexType : unsigned { kString = 5, kMap = 9, kVector = 10 };

constexpr std::uint32_t kNodeOp = 2;  // NodeDef.op

struct FlexValue {
  std::uint64_t at = 0;     // of the value, or of the offset to it
  std::uint64_t width = 1;  // of that offset
  unsigned packed = 0;      // type and width of what it points to

  bool is(FlexType type) const noexcept { return packed >> 2 == static_cast<unsigned>(type); }
  std::uint64_t child_width() const noexcept { return 1u << (packed & 3); }
};

class FlexReader {
 public:
  explicit FlexReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::optional<FlexValue> root() const {
    if (bytes_.size() < 3) return std::nullopt;
    const auto width = std::to_integer<std::uint64_t>(bytes_.back());
    if (!std::has_single_bit(width) || width > 8 || bytes_.size() < width + 2) return std::nullopt;
    return FlexValue{bytes_.size() - 2 - width, width, std::to_integer<unsigned>(bytes_[bytes_.size() - 2])};
  }

  // Element `i` of a vector; a null where it has no such element or is none.
  std::optional<FlexValue> element(const FlexValue& vector, std::uint64_t i) const {
    if (!vector.is(FlexType::kVector) && !vector.is(FlexType::kMap)) return FlexValue();
    const auto at = target(vector);
    const std::uint64_t width = vector.child_width();
    const auto size = at && *at >= width ? number(*at - width, width) : std::nullopt;
    if (!size || *size > bytes_.size()) return std::nullopt;
    if (i >= *size) return FlexValue();
    const std::uint64_t type = *at + *size * width + i;
    if (type >= bytes_.size()) return std::nullopt;
    return FlexValue{*at + i * width, width, std::to_integer<unsigned>(bytes_[type])};
  }

  // The bytes of a text; none of what is no text.
  std::optional<std::span<const std::byte>> text(const FlexValue& value) const {
    if (!value.is(FlexType::kString)) return std::span<const std::byte>();
    const auto at = target(value);
    const std::uint64_t width = value.child_width();
    const auto size = at && *at >= width ? number(*at - width, width) : std::nullopt;
    if (!size || *size > bytes_.size() - *at) return std::nullopt;
    return bytes_.subspan(*at, *size);
  }

 private:
  std::optional<std::uint64_t> number(std::uint64_t at, std::uint64_t width) const {
    if (at > bytes_.size() || width > bytes_.size() - at) return std::nullopt;
    std::uint64_t value = 0;
    std::memcpy(&value, bytes_.data() + at, width);
    return value;
  }
  // Offsets lead back from where they stand.
  std::optional<std::uint64_t> target(const FlexValue& value) const {
    const auto back = number(value.at, value.width);
    return back && *back <= value.at ? std::optional(value.at - *back) : std::nullopt;
  }

  std::span<const std::byte> bytes_;
};

std::optional<std::span<const std::byte>> node_of(std::span<const std::byte> options) {
  const FlexReader reader(options);
  const auto root = reader.root();
  const auto node = root ? reader.element(*root, 1) : std::nullopt;
  return node ? reader.text(*node) : std::nullopt;
}

}  // namespace

Result<std::string> operator_of_node(const Blob& options, std::uint64_t most) {
  HOLDALL_ASSIGN(const Bytes bytes, options.read(most));
  const auto node = node_of(bytes.span());
  if (!node)
    return corrupt("the options of an operator of TensorFlow are no FlexBuffer").at(options.offset()).in(options.name());
  const auto from = static_cast<std::uint64_t>(node->data() - bytes.span().data());
  HOLDALL_ASSIGN(Blob message, node->empty() ? Blob::memory({}, options.name()) : options.slice(from, node->size()));
  ProtoReader reader(std::move(message));
  std::string name;
  while (true) {
    HOLDALL_ASSIGN(const auto field, reader.next());
    if (!field) return name;
    if (!field->is_bytes(kNodeOp)) continue;
    HOLDALL_ASSIGN(name, reader.text(*field, most));
  }
}

}  // namespace holdall::tflite
