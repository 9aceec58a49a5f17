#include "holdall/codec/pickle_input.h"

#include <algorithm>

#include "holdall/base/text.h"

namespace holdall {
namespace {

// Lines may be as long as this before they are looked for in pieces.
constexpr std::uint64_t kLine = 64u << 10;
constexpr std::uint64_t kWindow = 256u << 10;

}  // namespace

PickleInput::PickleInput(const SourceRef& source, std::uint64_t offset, std::uint64_t first)
    : source_(source), size_(source->size()), first_(first), base_(std::min(offset, size_)) {
  if (auto whole = source->resident(); whole && whole->size() == size_) {
    resident_ = *std::move(whole);
    base_ = 0;
    begin_ = reinterpret_cast<const unsigned char*>(resident_.data());
    end_ = begin_ + resident_.size();
    cursor_ = begin_ + std::min(offset, size_);
  }
}

// Moves the window so that it starts at position() and holds at least `count` bytes.
bool PickleInput::fill(std::uint64_t count) {
  if (count > remaining()) return false;
  const std::uint64_t place = position();
  const std::uint64_t wish = capacity_ == 0 ? first_ : kWindow;
  const std::uint64_t want = std::max(count, std::min(wish, remaining()));
  if (want > capacity_) {
    window_ = std::make_unique_for_overwrite<unsigned char[]>(want);
    capacity_ = want;
  }
  begin_ = cursor_ = end_ = window_.get();
  base_ = place;
  auto read = source_->read_up_to(place, {reinterpret_cast<std::byte*>(window_.get()), static_cast<std::size_t>(want)});
  if (!read) {
    error_ = std::move(read).error();
    return false;
  }
  end_ = begin_ + *read;
  // Where the source has told its end only now.
  if (*read < want) size_ = place + *read;
  return *read >= count;
}

std::optional<std::string_view> PickleInput::take_line(std::uint64_t most) {
  std::uint64_t seen = 0;
  while (true) {
    const std::uint64_t held = static_cast<std::uint64_t>(end_ - cursor_);
    const void* found = held > seen ? std::memchr(cursor_ + seen, '\n', held - seen) : nullptr;
    if (found != nullptr) {
      const auto* stop = static_cast<const unsigned char*>(found);
      const std::string_view line(reinterpret_cast<const char*>(cursor_), static_cast<std::size_t>(stop - cursor_));
      cursor_ = stop + 1;
      return line;
    }
    seen = held;
    if (held >= std::min(most, remaining())) return std::nullopt;
    if (!fill(std::min(remaining(), std::max(2 * held, kLine))) && error_) return std::nullopt;
  }
}

void PickleInput::skip(std::uint64_t count) {
  if (count <= static_cast<std::uint64_t>(end_ - cursor_)) {
    cursor_ += count;
    return;
  }
  base_ = position() + count;
  begin_ = cursor_ = end_ = window_.get();
}

Error PickleInput::failure(std::uint64_t wanted) const {
  if (error_) return *error_;
  return corrupt(text("the pickle is truncated: {} bytes are needed, {} remain", wanted, remaining()));
}

}  // namespace holdall
