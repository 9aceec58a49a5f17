// PickleInput: the bytes of a pickle, seen through a window of its source.
//
// Thread-safety: one thread. Ownership: owns the window; views that it gives are valid until the next call.
#pragma once

#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include "holdall/io/source.h"

namespace holdall {

class PickleInput {
 public:
  // Reads `first` bytes at first, more at once where those were not enough.
  PickleInput(const SourceRef& source, std::uint64_t offset, std::uint64_t first);

  // In the source. remaining() counts the bytes behind it.
  std::uint64_t position() const noexcept { return base_ + static_cast<std::uint64_t>(cursor_ - begin_); }
  std::uint64_t remaining() const noexcept { return size_ - position(); }

  // The next `count` bytes, or null: fewer remain, or they cannot be read (see failure()). Memory: a window of `count` bytes.
  const unsigned char* take(std::uint64_t count) {
    if (count > static_cast<std::uint64_t>(end_ - cursor_) && !fill(count)) return nullptr;
    const unsigned char* taken = cursor_;
    cursor_ += count;
    return taken;
  }

  // take() without taking.
  const unsigned char* peek(std::uint64_t count) {
    if (count > static_cast<std::uint64_t>(end_ - cursor_) && !fill(count)) return nullptr;
    return cursor_;
  }

  // The bytes up to the next line feed, which is taken but not given; empty when there is none within `most` bytes.
  std::optional<std::string_view> take_line(std::uint64_t most);

  // Precondition: count <= remaining().
  void skip(std::uint64_t count);

  // Why the last call gave nothing. Wanted bytes are named in the message.
  Error failure(std::uint64_t wanted) const;

 private:
  bool fill(std::uint64_t count);

  SourceRef source_;
  Bytes resident_;
  std::uint64_t size_ = 0;
  std::uint64_t first_ = 0;
  std::uint64_t base_ = 0;  // of begin_ in the source
  std::uint64_t capacity_ = 0;
  std::unique_ptr<unsigned char[]> window_;
  const unsigned char* begin_ = nullptr;
  const unsigned char* cursor_ = nullptr;
  const unsigned char* end_ = nullptr;
  std::optional<Error> error_;
};

}  // namespace holdall
