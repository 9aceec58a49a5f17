// Cursor: a checked walk over bytes in memory; every read says where it stood when it failed.
//
// Thread-safety: one thread. Ownership: views its bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "holdall/base/endian.h"
#include "holdall/base/result.h"
#include "holdall/base/text.h"
#include "holdall/io/bytes.h"

namespace holdall {

class Cursor {
 public:
  explicit Cursor(std::span<const std::byte> data, ByteOrder order = ByteOrder::kLittle) : data_(data), order_(order) {}

  std::size_t position() const noexcept { return position_; }
  std::size_t remaining() const noexcept { return data_.size() - position_; }
  bool at_end() const noexcept { return position_ == data_.size(); }
  void set_order(ByteOrder order) noexcept { order_ = order; }

  // Errors of all below: corrupt, at position(), when fewer bytes remain.
  template <class T>
    requires std::is_trivially_copyable_v<T>
  Result<T> read() {
    if (remaining() < sizeof(T)) return short_of(sizeof(T));
    const std::byte* from = data_.data() + position_;
    position_ += sizeof(T);
    return order_ == ByteOrder::kLittle ? load_le<T>(from) : load_be<T>(from);
  }

  Result<std::span<const std::byte>> take(std::uint64_t size) {
    if (size > remaining()) return short_of(size);
    const auto part = data_.subspan(position_, static_cast<std::size_t>(size));
    position_ += static_cast<std::size_t>(size);
    return part;
  }

  Status skip(std::uint64_t size) {
    if (size > remaining()) return short_of(size);
    position_ += static_cast<std::size_t>(size);
    return {};
  }

 private:
  Error short_of(std::uint64_t size) const {
    return corrupt(text("{} bytes are needed, {} remain", size, remaining())).at(position_);
  }

  std::span<const std::byte> data_;
  std::size_t position_ = 0;
  ByteOrder order_;
};

}  // namespace holdall
