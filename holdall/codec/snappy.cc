#include "holdall/codec/snappy.h"

#include <algorithm>
#include <cstring>

#include "holdall/base/text.h"
#include "holdall/codec/protobuf.h"

namespace holdall {
namespace {

// No element decodes to more than 64 bytes from 3; a literal to less than it takes.
constexpr std::uint64_t kMostExpansion = 22;

struct Element {
  bool is_copy = false;
  std::uint64_t size = 0;
  std::uint64_t back = 0;
};

class SnappyDecoder {
 public:
  SnappyDecoder(std::span<const std::byte> block, std::span<const std::byte> elements, std::span<std::byte> out)
      : block_(block), left_(elements), out_(out) {}

  Status run() {
    while (!left_.empty()) {
      HOLDALL_ASSIGN(const Element element, next());
      if (element.size > out_.size() - done_) {
        return fault(text("{} bytes more are decoded, {} were announced", element.size, out_.size() - done_));
      }
      if (!element.is_copy) {
        if (element.size > left_.size()) return fault(text("a literal has {} bytes, {} remain", element.size, left_.size()));
        std::memcpy(out_.data() + done_, left_.data(), element.size);
        left_ = left_.subspan(element.size);
      } else {
        if (element.back == 0 || element.back > done_) {
          return fault(text("a copy from {} back, {} bytes are there", element.back, done_));
        }
        // The two may overlap: what is copied first is copied again.
        for (std::uint64_t i = 0; i < element.size; ++i) out_[done_ + i] = out_[done_ + i - element.back];
      }
      done_ += element.size;
    }
    if (done_ == out_.size()) return {};
    return fault(text("{} bytes are decoded, {} were announced", done_, out_.size()));
  }

 private:
  Error fault(std::string what) const { return corrupt(std::move(what)).at(block_.size() - left_.size()); }

  Result<std::uint64_t> number(std::size_t bytes) {
    if (left_.size() < bytes) return fault("the block ends within an element");
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) value |= static_cast<std::uint64_t>(left_[i]) << (8 * i);
    left_ = left_.subspan(bytes);
    return value;
  }

  Result<Element> next() {
    HOLDALL_ASSIGN(const std::uint64_t tag, number(1));
    Element element;
    element.is_copy = (tag & 3) != 0;
    element.size = (tag >> 2) + 1;
    if (!element.is_copy && element.size > 60) {
      HOLDALL_ASSIGN(element.size, number(static_cast<std::size_t>(element.size - 60)));
      ++element.size;
    } else if ((tag & 3) == 1) {
      element.size = ((tag >> 2) & 7) + 4;
      HOLDALL_ASSIGN(const std::uint64_t low, number(1));
      element.back = (tag >> 5) << 8 | low;
    } else if (element.is_copy) {
      HOLDALL_ASSIGN(element.back, number((tag & 3) == 2 ? 2 : 4));
    }
    return element;
  }

  std::span<const std::byte> block_, left_;
  std::span<std::byte> out_;
  std::uint64_t done_ = 0;
};

}  // namespace

Result<Bytes> decode_snappy(std::span<const std::byte> block, std::uint64_t most) {
  std::span<const std::byte> elements = block;
  const auto size = take_varint(elements);
  if (!size || *size > UINT32_MAX) return corrupt("a snappy block says no size").at(0);
  if (*size > kMostExpansion * elements.size()) {
    return corrupt(text("{} bytes cannot decode to {}", elements.size(), *size)).at(0);
  }
  if (*size > most) return over_limit(text("a block decodes to {} bytes, {} are allowed", *size, most)).at(0);
  HOLDALL_ASSIGN(Buffer out, Buffer::allocate(*size));
  HOLDALL_TRY(SnappyDecoder(block, elements, out.span()).run());
  return std::move(out).into_bytes();
}

}  // namespace holdall
