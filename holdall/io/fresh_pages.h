// FreshPages: which pages memory that was never touched is to have.
//
// Huge pages are several times faster than ordinary ones, except on a guest whose host has taken free memory back: then each
// waits for the host, and ordinary pages, which come from what was used a moment ago, are several times faster. Nothing tells
// which it is, so each load measures, and again every so often.
// Thread-safety: all of it. Ownership: none.
#pragma once

#include <atomic>
#include <cstddef>
#include <span>

namespace holdall {

class FreshPages {
 public:
  // Call before a range of a large, fresh Buffer is first written: gives it its huge pages, or asks for ordinary ones where
  // huge ones were slow a moment ago. Changes no byte.
  void prepare(std::span<std::byte> memory) noexcept;

 private:
  std::atomic<int> ordinary_left_ = 0;  // ranges that still get ordinary pages without a try
};

}  // namespace holdall
