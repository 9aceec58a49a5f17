// Meter: progress of work that several threads do.
//
// Thread-safety: add() may be called from several threads; the progress function is called by one at a time.
// Ownership: borrows the progress function.
#pragma once

#include <chrono>
#include <mutex>

#include "holdall/ops/open.h"

namespace holdall {

class Meter {
 public:
  Meter(const Progress& progress, std::uint64_t total) : progress_(progress), total_(total) {}

  // Reports at most ten times a second, and at the end. Errors: cancelled, once the progress function said so.
  Status add(std::uint64_t done);

 private:
  const Progress& progress_;
  const std::uint64_t total_;
  std::mutex mutex_;
  std::uint64_t done_ = 0;
  std::chrono::steady_clock::time_point last_ = {};
  bool cancelled_ = false;
};

}  // namespace holdall
