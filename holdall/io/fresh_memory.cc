#include "holdall/io/fresh_memory.h"

#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/io/fresh_pages.h"

namespace holdall {
namespace {

constexpr std::uint64_t kAlignment = 64;
constexpr std::uint64_t kLarge = 1u << 20;
constexpr std::uint64_t kSlab = 4u << 20;

Result<FreshMemory::Range> fresh(std::uint64_t size) {
  HOLDALL_ASSIGN(Buffer buffer, Buffer::allocate(size, fresh_pages()));
  const std::span<std::byte> memory = buffer.span();
  return FreshMemory::Range{std::move(buffer).into_bytes(), memory};
}

FreshMemory::Range part(const FreshMemory::Range& whole, std::uint64_t from, std::uint64_t size) {
  const auto begin = static_cast<std::size_t>(from);
  const auto length = static_cast<std::size_t>(size);
  return {whole.bytes.slice(begin, length), whole.memory.subspan(begin, length)};
}

}  // namespace

Result<FreshMemory::Range> FreshMemory::take(std::uint64_t size, std::uint64_t skip) {
  if (size >= kLarge) {
    const auto whole = checked_add(skip, size);
    if (!whole) return over_limit(text("{} bytes do not fit in memory", size));
    HOLDALL_ASSIGN(const Range own, fresh(*whole));
    return part(own, skip, size);
  }
  std::uint64_t from = (used_ + kAlignment - 1) / kAlignment * kAlignment;
  if (slab_.memory.size() < from + size) {
    HOLDALL_ASSIGN(slab_, fresh(kSlab));
    from = 0;
  }
  used_ = from + size;
  return part(slab_, from, size);
}

}  // namespace holdall
