#include "holdall/ops/meter.h"

namespace holdall {

Status Meter::add(std::uint64_t done) {
  if (!progress_) return {};
  const std::lock_guard lock(mutex_);
  done_ += done;
  if (cancelled_) return Error(Code::kCancelled, "cancelled");
  const auto now = std::chrono::steady_clock::now();
  if (done_ < total_ && now - last_ < std::chrono::milliseconds(100)) return {};
  last_ = now;
  if (progress_(done_, total_)) return {};
  cancelled_ = true;
  return Error(Code::kCancelled, "cancelled");
}

}  // namespace holdall
