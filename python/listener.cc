#include "listener.h"

#include <chrono>

namespace nb = nanobind;

namespace holdall::python {
namespace {

constexpr std::int64_t kBetween = 100;  // milliseconds

std::int64_t now() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

}  // namespace

bool Listener::told(std::uint64_t done, std::uint64_t total) {
  if (stopped_) return false;
  const nb::gil_scoped_acquire gil;
  try {
    // Signal handlers run in the main thread alone; elsewhere this does nothing.
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
    if (!callable_.is_none()) callable_(done, total);
  } catch (nb::python_error& error) {
    const std::lock_guard lock(mutex_);
    if (!raised_) raised_.emplace(std::move(error));
    stopped_ = true;
  }
  return !stopped_;
}

bool Listener::counted(std::uint64_t bytes, std::uint64_t total) {
  const std::uint64_t done = done_.fetch_add(bytes) + bytes;
  std::int64_t last = told_at_;
  const std::int64_t at = now();
  if (at - last < kBetween || !told_at_.compare_exchange_strong(last, at)) return !stopped_;
  return told(done, total);
}

void Listener::finish() {
  if (raised_) throw nb::python_error(std::move(*raised_));
  if (PyErr_CheckSignals() != 0) throw nb::python_error();
}

}  // namespace holdall::python
