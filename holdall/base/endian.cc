#include "holdall/base/endian.h"

namespace holdall {
namespace {

template <class T, class Swap>
void swap_units(std::span<std::byte> data, Swap swap) noexcept {
  for (std::size_t i = 0; i < data.size(); i += sizeof(T)) store_le<T>(&data[i], swap(load_le<T>(&data[i])));
}

}  // namespace

void reverse_units(std::span<std::byte> data, std::size_t width) noexcept {
  switch (width) {
    case 2:
      return swap_units<std::uint16_t>(data, [](std::uint16_t v) { return __builtin_bswap16(v); });
    case 4:
      return swap_units<std::uint32_t>(data, [](std::uint32_t v) { return __builtin_bswap32(v); });
    case 8:
      return swap_units<std::uint64_t>(data, [](std::uint64_t v) { return __builtin_bswap64(v); });
    case 16:
      for (std::size_t i = 0; i < data.size(); i += 16) std::reverse(&data[i], &data[i] + 16);
      return;
    default:
      return;
  }
}

}  // namespace holdall
