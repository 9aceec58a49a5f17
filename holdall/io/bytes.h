// Bytes: an owned, immutable, cheaply copied view of memory. Buffer: memory being filled, which becomes Bytes.
//
// Thread-safety: Bytes is immutable and may be shared; a Buffer belongs to one thread or is filled in disjoint ranges.
// Ownership: Bytes share what they view; a Buffer owns its pages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/base/result.h"

namespace holdall {

class Bytes {
 public:
  Bytes() = default;
  // Copies the text.
  static Bytes copy(std::string_view text);
  static Bytes copy(std::span<const std::byte> data);
  static Bytes adopt(std::string text);
  static Bytes adopt(std::vector<std::byte> data);
  // `owner` keeps `view` alive.
  static Bytes share(std::shared_ptr<const void> owner, std::span<const std::byte> view);

  const std::byte* data() const noexcept { return view_.data(); }
  std::size_t size() const noexcept { return view_.size(); }
  bool empty() const noexcept { return view_.empty(); }
  std::span<const std::byte> span() const noexcept { return view_; }
  operator std::span<const std::byte>() const noexcept { return view_; }
  std::string_view text() const noexcept { return {reinterpret_cast<const char*>(view_.data()), view_.size()}; }
  // Precondition: [offset, offset + size) lies within this view.
  Bytes slice(std::size_t offset, std::size_t size) const { return share(owner_, view_.subspan(offset, size)); }

 private:
  std::shared_ptr<const void> owner_;
  std::span<const std::byte> view_;
};

class Buffer {
 public:
  Buffer() = default;
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;

  // Huge pages, which a Buffer of 4 MiB or more may ask for, are the processor's fastest to use and may be the system's slowest
  // to give (fresh_pages.h).
  enum class Pages : std::uint8_t { kOrdinary, kHuge };

  // `size` bytes of zeroed memory at a 64-byte boundary, from 4096 bytes on at a 4096-byte one. Errors: out of memory.
  static Result<Buffer> allocate(std::uint64_t size, Pages pages = Pages::kOrdinary);

  std::byte* data() noexcept { return data_; }
  const std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  std::span<std::byte> span() noexcept { return {data_, size_}; }
  std::span<const std::byte> span() const noexcept { return {data_, size_}; }
  // The buffer is empty afterwards.
  Bytes into_bytes() &&;

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

inline std::span<const std::byte> as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(std::span<const std::byte> data) noexcept {
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

}  // namespace holdall
