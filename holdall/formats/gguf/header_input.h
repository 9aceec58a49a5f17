// The bytes of a GGUF header, read by position in large pieces: nothing is sized before it is known to be in the file.
//
// Thread-safety: one thread. Ownership: refers to its source and limits.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "holdall/base/endian.h"
#include "holdall/base/limits.h"
#include "holdall/base/result.h"
#include "holdall/io/source.h"

namespace holdall::gguf {

class HeaderInput {
 public:
  HeaderInput(const Source& source, const Limits& limits) : source_(source), limits_(limits), size_(source.size()) {}

  const std::string& name() const noexcept { return source_.name(); }
  std::uint64_t size() const noexcept { return size_; }
  std::uint64_t position() const noexcept { return position_; }
  std::uint64_t remaining() const noexcept { return size_ - position_; }
  bool wide() const noexcept { return wide_; }
  void set_order(ByteOrder order) noexcept { order_ = order; }
  // Whether counts have 64 bits.
  void set_wide(bool wide) noexcept { wide_ = wide; }

  // The next bytes, until the next call. Errors of all: corrupt where fewer remain, limit beyond Limits::header_bytes, io.
  Result<std::span<const std::byte>> take(std::uint64_t size);

  template <class T>
  Result<T> number() {
    HOLDALL_ASSIGN(const std::span<const std::byte> bytes, take(sizeof(T)));
    return order_ == ByteOrder::kLittle ? load_le<T>(bytes.data()) : load_be<T>(bytes.data());
  }
  // 64 bits, or the 32 of version 1.
  Result<std::uint64_t> count();
  Result<std::string> string();

 private:
  const Source& source_;
  const Limits& limits_;
  std::uint64_t size_;
  std::uint64_t position_ = 0;
  std::uint64_t window_at_ = 0;
  std::vector<std::byte> window_;
  ByteOrder order_ = ByteOrder::kLittle;
  bool wide_ = true;
};

}  // namespace holdall::gguf
