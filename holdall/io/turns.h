// Turns: threads that must do something in the order of their numbers, and are let go when one of them fails.
//
// Thread-safety: all members. Whoever waits for turn n relies on the holders of lower turns to be at work already.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace holdall {

// One sequence of turns; several share a board.
struct Turn {
  std::uint64_t next = 0;
};

class TurnBoard {
 public:
  // Waits until `turn` stands at `number`; false when stop() was called.
  bool wait(const Turn& turn, std::uint64_t number) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stopped_ || turn.next == number; });
    return !stopped_;
  }
  bool is_up(const Turn& turn, std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    return turn.next == number;
  }
  void pass(Turn& turn) {
    {
      const std::lock_guard lock(mutex_);
      ++turn.next;
    }
    changed_.notify_all();
  }
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
};

}  // namespace holdall
