// Progress: a bar on standard error while something takes long, and the signals that ask to stop.
//
// Thread-safety: the meter's function may be called from any thread, one at a time. Ownership: borrows the console.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "cli/console.h"

namespace holdall::cli {

// From here on the first SIGINT, SIGTERM, SIGHUP, SIGQUIT or SIGXCPU only asks to stop; a second one ends the
// process as usual. SIGXFSZ is ignored: what does not fit is an error.
void catch_interrupts() noexcept;
// The signal that asked to stop, or 0.
int interrupted() noexcept;
// Ends the process by the signal that asked to stop, so that a shell's loop stops too. Returns when there was none.
void die_if_interrupted() noexcept;

class Meter {
 public:
  enum class Unit : unsigned char { kBytes, kFiles };
  // `doing` is what the bar says: "converting". Nothing is drawn within the first 300 ms, without a terminal, or with --quiet.
  Meter(Console& console, std::string doing, Unit unit);
  ~Meter() { clear(); }
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  // For the library; false when a signal asked to stop. It borrows the meter.
  std::function<bool(std::uint64_t, std::uint64_t)> function();
  // Another pass begins when the work done falls back; from the second on they are called this.
  void then(std::string doing) { then_ = std::move(doing); }
  // Removes the bar.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  void show(std::uint64_t done, std::uint64_t total);
  std::string facts(std::uint64_t done, std::uint64_t total, double seconds) const;

  Console& console_;
  std::string doing_;
  std::string then_;
  Unit unit_;
  bool enabled_;
  bool drawn_ = false;
  std::uint64_t last_ = 0;
  Clock::time_point begin_ = Clock::now();
  Clock::time_point shown_ = begin_;
};

}  // namespace holdall::cli
