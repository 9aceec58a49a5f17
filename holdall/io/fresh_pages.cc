#include "holdall/io/fresh_pages.h"

#include <cpuid.h>
#include <sys/mman.h>

#include <cstdint>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace holdall {
namespace {

constexpr std::uintptr_t kPage = 4096;
// CPUID leaf 1, ECX bit 31: never set by a processor, always by a hypervisor.
constexpr unsigned kHypervisor = 1u << 31;

bool is_guest() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & kHypervisor) != 0;
}

}  // namespace

Buffer::Pages fresh_pages() noexcept {
  static const Buffer::Pages kPages = is_guest() ? Buffer::Pages::kOrdinary : Buffer::Pages::kHuge;
  return kPages;
}

void populate(std::span<std::byte> memory) noexcept {
  if (memory.empty()) return;
  const std::uintptr_t skip = reinterpret_cast<std::uintptr_t>(memory.data()) % kPage;
  ::madvise(memory.data() - skip, memory.size() + skip, MADV_POPULATE_WRITE);
}

}  // namespace holdall
