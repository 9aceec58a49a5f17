// FreshMemory: memory for many ranges of files, filled once each: small ones share a slab, large ones have their own.
//
// Thread-safety: one thread; the memory may be filled by several. Ownership: ranges own what they are in.
#pragma once

#include <cstdint>
#include <span>

#include "holdall/io/bytes.h"

namespace holdall {

class FreshMemory {
 public:
  // The same bytes twice: to be kept, and to be filled.
  struct Range {
    Bytes bytes;
    std::span<std::byte> memory;
  };

  // `size` bytes at a multiple of 64, or, from 1 MiB on, `skip` bytes behind the start of a page. Errors: limit, out of memory.
  Result<Range> take(std::uint64_t size, std::uint64_t skip = 0);

 private:
  Range slab_;
  std::uint64_t used_ = 0;
};

}  // namespace holdall
