// Listener: a Python callable that is told how far work has come, and Ctrl-C while the work goes on without the GIL.
//
// Thread-safety: told() and counted() may be called from any thread that does not hold the GIL. Ownership: refers to a callable
// that outlives it.
#pragma once

#include <nanobind/nanobind.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>

#include "holdall/ops/open.h"

namespace holdall::python {

class Listener {
 public:
  // `callable`: None, or called with (done, total).
  explicit Listener(nanobind::handle callable) : callable_(callable) {}

  // For the library's options. Work ends when a signal handler or the callable raised.
  Progress function() {
    return [this](std::uint64_t done, std::uint64_t total) { return told(done, total); };
  }
  bool told(std::uint64_t done, std::uint64_t total);
  // Adds to what is done, of `total`, and tells it at most a few times a second.
  bool counted(std::uint64_t bytes, std::uint64_t total);
  // With the GIL: raises what a signal handler or the callable raised, if anything.
  void finish();

 private:
  nanobind::handle callable_;
  std::atomic<std::uint64_t> done_ = 0;
  std::atomic<std::int64_t> told_at_ = 0;  // milliseconds
  std::atomic<bool> stopped_ = false;
  std::mutex mutex_;  // never held while waiting for the GIL
  std::optional<nanobind::python_error> raised_;
};

}  // namespace holdall::python
