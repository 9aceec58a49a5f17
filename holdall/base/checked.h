// Arithmetic on sizes that a file claims: empty instead of wrapped.
#pragma once

#include <cstdint>
#include <optional>

namespace holdall {

constexpr std::optional<std::uint64_t> checked_add(std::uint64_t a, std::uint64_t b) noexcept {
  std::uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

constexpr std::optional<std::uint64_t> checked_multiply(std::uint64_t a, std::uint64_t b) noexcept {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

// The smallest multiple of `alignment` (a power of two) that is not below `value`; empty when that overflows.
constexpr std::optional<std::uint64_t> checked_align(std::uint64_t value, std::uint64_t alignment) noexcept {
  const auto sum = checked_add(value, alignment - 1);
  if (!sum) return std::nullopt;
  return *sum & ~(alignment - 1);
}

// True when [offset, offset + size) lies within [0, whole), without wrapping.
constexpr bool fits(std::uint64_t offset, std::uint64_t size, std::uint64_t whole) noexcept {
  return offset <= whole && size <= whole - offset;
}

}  // namespace holdall
