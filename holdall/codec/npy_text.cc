#include "holdall/codec/npy_text.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/base/utf8.h"

namespace holdall {
namespace {

constexpr std::uint64_t kBlockBytes = 65'536;
constexpr std::uint64_t kMostItem = 16 * 1'048'576;
constexpr std::uint64_t kMostEmptyItems = 1'048'576;
constexpr std::uint64_t kLengthBytes = 8;

// Appends the string of one item, its length first. Errors: corrupt for what is no code point.
Status append_string(std::string& out, std::span<const std::byte> item, const NpyDType& type) {
  const std::size_t begin = out.size();
  out.append(kLengthBytes, '\0');
  if (type.form == NpyForm::kText) {
    const std::string_view bytes = as_text(item);
    out += bytes.substr(0, bytes.find_last_not_of('\0') + 1);
  } else {
    const auto unit = [&](std::size_t i) {
      const std::byte* at = item.data() + 4 * i;
      return type.order == ByteOrder::kBig ? load_be<std::uint32_t>(at) : load_le<std::uint32_t>(at);
    };
    std::size_t units = item.size() / 4;
    while (units > 0 && unit(units - 1) == 0) --units;
    for (std::size_t i = 0; i < units; ++i) {
      if (unit(i) > 0x10ffff) return corrupt(text("{:#x} is no code point", unit(i)));
      append_utf8(out, unit(i));
    }
  }
  store_le<std::uint64_t>(out.data() + begin, out.size() - begin - kLengthBytes);
  return {};
}

// Strings made of fixed-width items, in blocks of as many items as fill 64 KiB.
class StringSource final : public Source {
 public:
  StringSource(Blob items, const NpyDType& type, std::uint64_t count)
      : items_(std::move(items)),
        type_(type),
        count_(count),
        per_block_(std::max<std::uint64_t>(1, kBlockBytes / std::max<std::uint64_t>(1, type.item_bytes))) {}

  // Finds where each block's strings begin.
  Status measure() {
    std::uint64_t size = 0;
    for (std::uint64_t block = 0; block * per_block_ < count_; ++block) {
      starts_.push_back(size);
      HOLDALL_ASSIGN(const std::string strings, decode(block));
      size += strings.size();
    }
    starts_.push_back(size);
    return {};
  }

  std::uint64_t size() const noexcept override { return starts_.back(); }
  const std::string& name() const noexcept override { return items_.name(); }
  bool random_access() const noexcept override { return !items_.source() || items_.source()->random_access(); }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (!fits(offset, out.size(), size())) {
      return corrupt(text("{} bytes are needed, the end is at {}", out.size(), size())).at(offset).in(name());
    }
    auto block = static_cast<std::uint64_t>(std::upper_bound(starts_.begin(), starts_.end(), offset) - starts_.begin()) - 1;
    for (; !out.empty(); ++block) {
      HOLDALL_ASSIGN(const std::string strings, decode(block));
      const std::uint64_t begin = starts_[static_cast<std::size_t>(block)];
      if (strings.size() != starts_[static_cast<std::size_t>(block) + 1] - begin) {
        return corrupt("the file changed while it was read").in(name());
      }
      const auto part = as_bytes(strings).subspan(static_cast<std::size_t>(offset - begin));
      const std::size_t taken = std::min(part.size(), out.size());
      std::copy_n(part.begin(), taken, out.begin());
      out = out.subspan(taken);
      offset += taken;
    }
    return {};
  }

 private:
  Result<std::string> decode(std::uint64_t block) const {
    const std::uint64_t first = block * per_block_;
    const std::uint64_t items = std::min(per_block_, count_ - first);
    const auto item_bytes = static_cast<std::size_t>(type_.item_bytes);
    std::vector<std::byte> raw(static_cast<std::size_t>(items) * item_bytes);
    HOLDALL_TRY(items_.read_at(first * item_bytes, raw));
    std::string out;
    for (std::size_t i = 0; i < items; ++i) {
      auto status = append_string(out, std::span(raw).subspan(i * item_bytes, item_bytes), type_);
      if (!status) return std::move(status).error().at(items_.offset() + (first + i) * item_bytes).in(name());
    }
    return out;
  }

  Blob items_;
  NpyDType type_;
  std::uint64_t count_;
  std::uint64_t per_block_;
  std::vector<std::uint64_t> starts_;  // of every block in the decoded bytes, and their end
};

// Walks over strings in their stored form, reading ahead.
class StringWalk {
 public:
  explicit StringWalk(const Blob& strings) : strings_(strings) {}

  std::uint64_t position() const noexcept { return position_; }
  bool at_end() const noexcept { return position_ == strings_.size(); }

  Result<std::string_view> next() {
    HOLDALL_ASSIGN(const auto length_bytes, view(position_, kLengthBytes));
    const auto length = load_le<std::uint64_t>(length_bytes.data());
    if (length > strings_.size() - position_ - kLengthBytes) {
      return corrupt(text("a string of {} bytes is announced, {} remain", length, strings_.size() - position_ - kLengthBytes))
          .at(strings_.offset() + position_)
          .in(strings_.name());
    }
    if (length > kMostItem)
      return over_limit(text("a string of {} bytes, {} are allowed", length, kMostItem)).in(strings_.name());
    HOLDALL_ASSIGN(const auto bytes, view(position_ + kLengthBytes, length));
    position_ += kLengthBytes + length;
    return as_text(bytes);
  }

 private:
  Result<std::span<const std::byte>> view(std::uint64_t offset, std::uint64_t size) {
    if (!fits(offset, size, strings_.size())) {
      return corrupt("a string is cut short").at(strings_.offset() + position_).in(strings_.name());
    }
    if (offset < begin_ || !fits(offset - begin_, size, window_.size())) {
      window_.resize(static_cast<std::size_t>(std::min(strings_.size() - offset, std::max(size, kBlockBytes))));
      HOLDALL_TRY(strings_.read_at(offset, window_));
      begin_ = offset;
    }
    return std::span<const std::byte>(window_).subspan(static_cast<std::size_t>(offset - begin_),
                                                       static_cast<std::size_t>(size));
  }

  const Blob& strings_;
  std::uint64_t position_ = 0;
  std::vector<std::byte> window_;
  std::uint64_t begin_ = 0;
};

// Fixed-width items made of strings.
class ItemSource final : public Source {
 public:
  ItemSource(Blob strings, std::uint64_t count, NpyForm form, std::uint64_t width)
      : strings_(std::move(strings)),
        count_(count),
        form_(form),
        item_bytes_(form == NpyForm::kUtf32 ? 4 * width : width),
        per_block_(std::max<std::uint64_t>(1, kBlockBytes / std::max<std::uint64_t>(1, item_bytes_))) {}

  // Finds where each block's strings begin.
  Status index() {
    StringWalk walk(strings_);
    for (std::uint64_t i = 0; i < count_; ++i) {
      if (i % per_block_ == 0) starts_.push_back(walk.position());
      HOLDALL_TRY(walk.next());
    }
    starts_.push_back(walk.position());
    return {};
  }

  std::uint64_t size() const noexcept override { return count_ * item_bytes_; }
  const std::string& name() const noexcept override { return strings_.name(); }
  bool random_access() const noexcept override { return !strings_.source() || strings_.source()->random_access(); }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (!fits(offset, out.size(), size())) {
      return corrupt(text("{} bytes are needed, the end is at {}", out.size(), size())).at(offset).in(name());
    }
    const std::uint64_t block_bytes = per_block_ * item_bytes_;
    while (!out.empty()) {
      HOLDALL_ASSIGN(const std::vector<std::byte> items, encode(offset / block_bytes));
      const auto part = std::span(items).subspan(static_cast<std::size_t>(offset % block_bytes));
      const std::size_t taken = std::min(part.size(), out.size());
      std::copy_n(part.begin(), taken, out.begin());
      out = out.subspan(taken);
      offset += taken;
    }
    return {};
  }

 private:
  Result<std::vector<std::byte>> encode(std::uint64_t block) const {
    const std::uint64_t items = std::min(per_block_, count_ - block * per_block_);
    const std::uint64_t begin = starts_[static_cast<std::size_t>(block)];
    HOLDALL_ASSIGN(const Blob part, strings_.slice(begin, starts_[static_cast<std::size_t>(block) + 1] - begin));
    StringWalk walk(part);
    std::vector<std::byte> out(static_cast<std::size_t>(items * item_bytes_));
    for (std::uint64_t i = 0; i < items; ++i) {
      HOLDALL_ASSIGN(std::string_view string, walk.next());
      std::byte* to = out.data() + i * item_bytes_;
      std::uint64_t used = 0;
      if (form_ == NpyForm::kText && string.size() <= item_bytes_) {
        if (!string.empty()) std::memcpy(to, string.data(), string.size());
        continue;
      }
      while (form_ == NpyForm::kUtf32 && !string.empty() && used < item_bytes_) {
        const auto point = take_code_point(string);
        if (!point) break;
        store_le(to + used, *point);
        used += 4;
      }
      if (!string.empty()) return corrupt("a string does not fit its item").in(name());
    }
    return out;
  }

  Blob strings_;
  std::uint64_t count_;
  NpyForm form_;
  std::uint64_t item_bytes_;
  std::uint64_t per_block_;
  std::vector<std::uint64_t> starts_;  // of every block in `strings_`, and their end
};

}  // namespace

Result<Blob> npy_text(Blob items, const NpyDType& type, std::uint64_t count) {
  if (type.item_bytes > kMostItem) {
    return over_limit(text("texts of {} bytes each, {} are allowed", type.item_bytes, kMostItem)).in(items.name());
  }
  if (type.item_bytes == 0 && count > kMostEmptyItems) {
    return over_limit(text("{} texts without width, {} are allowed", count, kMostEmptyItems)).in(items.name());
  }
  const auto bytes = checked_multiply(count, type.item_bytes);
  if (!bytes || *bytes != items.size()) {
    return corrupt(text("{} texts of {} bytes, there are {} bytes", count, type.item_bytes, items.size())).in(items.name());
  }
  auto source = std::make_shared<StringSource>(std::move(items), type, count);
  HOLDALL_TRY(source->measure());
  return Blob(std::move(source));
}

Result<NpyTextWidth> measure_npy_text(const Blob& strings, std::uint64_t count) {
  NpyTextWidth width;
  StringWalk walk(strings);
  for (std::uint64_t i = 0; i < count; ++i) {
    HOLDALL_ASSIGN(std::string_view string, walk.next());
    width.bytes = std::max<std::uint64_t>(width.bytes, string.size());
    width.padded = width.padded || string.ends_with('\0');
    std::uint64_t characters = 0;
    for (; width.utf8 && !string.empty(); ++characters) width.utf8 = take_code_point(string).has_value();
    width.characters = std::max(width.characters, characters);
  }
  if (!walk.at_end()) return corrupt(text("more than {} strings", count)).in(strings.name());
  return width;
}

Result<Blob> npy_items(Blob strings, std::uint64_t count, NpyForm form, std::uint64_t width) {
  auto source = std::make_shared<ItemSource>(std::move(strings), count, form, width);
  HOLDALL_TRY(source->index());
  return Blob(std::move(source));
}

}  // namespace holdall
