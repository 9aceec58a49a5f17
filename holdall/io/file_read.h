// FileReader: large ranges of a file into memory, by the page cache for what is in it and past it for what is not.
//
// A cold range is read directly (O_DIRECT) in large requests: through the page cache one thread gets a fraction of what a disk
// gives. Thread-safety: read() may be called from several threads, each with scratch of its own. Ownership: owns a second
// descriptor of the file.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>

#include "holdall/io/bytes.h"

namespace holdall {

class FileReader {
 public:
  // `descriptor` stays open as long as this lives.
  explicit FileReader(int descriptor) : descriptor_(descriptor) {}
  ~FileReader();
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;

  // Fills a front part of `out` from what the page cache holds from `at` on, without waiting for a disk; returns its size.
  std::size_t read_cached(std::uint64_t at, std::span<std::byte> out) const;
  // Fills `out` from `at` on past the page cache; false where that fails for any reason. `scratch` serves the blocks that `out`
  // does not hold whole, and all of it where it is not placed as in the file (address and `at` differ modulo 4096) or has
  // ordinary pages (fresh_pages()).
  bool read_direct(std::uint64_t at, std::span<std::byte> out, Buffer& scratch) const;

 private:
  int direct() const;

  int descriptor_;
  mutable std::once_flag opened_;
  mutable int direct_ = -1;
};

}  // namespace holdall
