// WriteProgress: counts the bytes of a write over all threads, tells a callback a few times a second, and hears it cancel.
//
// Thread-safety: add() may be called from several threads; the callback runs in one at a time. Ownership: refers to its
// callback.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>

#include "holdall/base/result.h"

namespace holdall {

class WriteProgress {
 public:
  using Callback = std::function<bool(std::uint64_t done, std::uint64_t total)>;
  WriteProgress(const Callback& callback, std::uint64_t total) : callback_(callback), total_(total) {}

  // Errors: cancelled, from then on, once the callback has returned false.
  Status add(std::uint64_t bytes);
  // Tells the callback the end. Errors: cancelled.
  Status finish();

 private:
  Status tell(std::uint64_t done);

  const Callback& callback_;
  std::uint64_t total_;
  std::atomic<std::uint64_t> done_ = 0;
  std::atomic<bool> cancelled_ = false;
  std::mutex mutex_;
  std::chrono::steady_clock::time_point next_{};
};

}  // namespace holdall
