#include "holdall/formats/tflite/strings.h"

#include <array>
#include <cstring>
#include <mutex>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"

namespace holdall::tflite {
namespace {

constexpr std::uint64_t kEntry = 4;
constexpr std::uint64_t kWord = 8;  // of a length in a Tensor

Error fault(const Blob& buffer, std::string what) { return corrupt(std::move(what)).at(buffer.offset()).in(buffer.name()); }

class TextSource final : public Source {
 public:
  TextSource(Blob buffer, std::uint64_t count, std::uint64_t texts)
      : buffer_(std::move(buffer)), count_(count), size_(texts + kWord * count) {}

  std::uint64_t size() const noexcept override { return size_; }
  const std::string& name() const noexcept override { return buffer_.name(); }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    std::call_once(once_, [&] { status_ = decode(); });
    if (!status_) return Error(status_.error());
    if (!fits(offset, out.size(), size_))
      return corrupt(text("{} bytes are needed, the end is at {}", out.size(), size_)).at(offset).in(name());
    if (!out.empty()) std::memcpy(out.data(), decoded_.data() + offset, out.size());
    return {};
  }

 private:
  Status decode() const {
    HOLDALL_ASSIGN(const Bytes raw, buffer_.read());
    HOLDALL_ASSIGN(Buffer made, Buffer::allocate(size_));
    std::byte* to = made.data();
    std::uint64_t left = size_ - kWord * count_;
    for (std::uint64_t i = 0; i < count_; ++i) {
      const auto begin = load_le<std::uint32_t>(raw.data() + kEntry * (i + 1));
      const auto end = load_le<std::uint32_t>(raw.data() + kEntry * (i + 2));
      if (end < begin || end > raw.size() || end - begin > left)
        return fault(buffer_, text("text {} from {} to {}, the buffer has {} bytes", i, begin, end, raw.size()));
      store_le(to, std::uint64_t{end - begin});
      if (end != begin) std::memcpy(to + kWord, raw.data() + begin, end - begin);
      to += kWord + (end - begin);
      left -= end - begin;
    }
    decoded_ = std::move(made).into_bytes();
    return {};
  }

  Blob buffer_;
  std::uint64_t count_, size_;
  mutable std::once_flag once_;
  mutable Status status_;
  mutable Bytes decoded_;
};

}  // namespace

Result<Tensor> read_strings(const Shape& shape, const Blob& buffer) {
  HOLDALL_ASSIGN(const std::uint64_t count, element_count(shape));
  const auto entries = checked_add(count, 2);
  const auto table = entries ? checked_multiply(*entries, kEntry) : std::nullopt;
  if (!table || *table > buffer.size()) return fault(buffer, text("{} texts in a buffer of {} bytes", count, buffer.size()));
  std::array<std::byte, 2 * kEntry> head;
  std::array<std::byte, kEntry> tail;
  HOLDALL_TRY(buffer.read_at(0, head));
  HOLDALL_TRY(buffer.read_at(*table - kEntry, tail));
  const auto said = load_le<std::uint32_t>(head.data());
  const auto begin = load_le<std::uint32_t>(head.data() + kEntry);
  const auto end = load_le<std::uint32_t>(tail.data());
  if (said != count) return fault(buffer, text("the buffer holds {} texts, the shape says {}", said, count));
  if (begin != *table || end < begin || end > buffer.size())
    return fault(buffer, text("texts from {} to {}, they may lie from {} to {}", begin, end, *table, buffer.size()));
  return Tensor::strings(shape, Blob(std::make_shared<TextSource>(buffer, count, end - begin)));
}

}  // namespace holdall::tflite
