#include "holdall/io/write_progress.h"

#include <algorithm>

namespace holdall {
namespace {

constexpr auto kPause = std::chrono::milliseconds(200);

Error cancelled() { return Error(Code::kCancelled, "cancelled by the caller"); }

}  // namespace

Status WriteProgress::add(std::uint64_t bytes) {
  const std::uint64_t done = done_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  if (cancelled_.load(std::memory_order_relaxed)) return cancelled();
  if (!callback_) return {};
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return {};
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return {};
  next_ = now + kPause;
  return tell(done);
}

Status WriteProgress::finish() {
  if (cancelled_.load(std::memory_order_relaxed)) return cancelled();
  if (!callback_) return {};
  const std::lock_guard lock(mutex_);
  return tell(total_ == 0 ? done_.load() : total_);
}

Status WriteProgress::tell(std::uint64_t done) {
  if (callback_(total_ == 0 ? done : std::min(done, total_), total_)) return {};
  cancelled_.store(true, std::memory_order_relaxed);
  return cancelled();
}

}  // namespace holdall
