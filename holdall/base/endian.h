// Integers and floats at unaligned places in either byte order.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

namespace holdall {

enum class ByteOrder : std::uint8_t { kLittle, kBig };

static_assert(std::endian::native == std::endian::little, "Holdall runs on little-endian machines");

// Precondition of the loads and stores: sizeof(T) bytes at `from` or `to`.
template <class T>
  requires std::is_trivially_copyable_v<T>
T load_le(const void* from) noexcept {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

template <class T>
  requires std::is_trivially_copyable_v<T>
T load_be(const void* from) noexcept {
  std::array<unsigned char, sizeof(T)> raw;
  std::memcpy(raw.data(), from, sizeof(T));
  std::reverse(raw.begin(), raw.end());
  return std::bit_cast<T>(raw);
}

template <class T>
  requires std::is_trivially_copyable_v<T>
void store_le(void* to, T value) noexcept {
  std::memcpy(to, &value, sizeof(T));
}

template <class T>
  requires std::is_trivially_copyable_v<T>
void store_be(void* to, T value) noexcept {
  auto raw = std::bit_cast<std::array<unsigned char, sizeof(T)>>(value);
  std::reverse(raw.begin(), raw.end());
  std::memcpy(to, raw.data(), sizeof(T));
}

// Reverses every `width`-byte unit of `data`. Precondition: data.size() is a multiple of width; width is 1, 2, 4, 8 or 16.
void reverse_units(std::span<std::byte> data, std::size_t width) noexcept;

}  // namespace holdall
