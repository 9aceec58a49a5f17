// CheckpointWriter: the thread behind a Checkpointer: what it has to write, what it has written, what failed.
//
// Thread-safety: all members. Ownership: owns its thread, the images and the lease; joined by close().
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "holdall/checkpoint/checkpointer.h"
#include "holdall/checkpoint/lease.h"
#include "holdall/io/image.h"

namespace holdall {

struct CheckpointJob {
  Plan plan;
  Checkpoint checkpoint;
  double waited = 0;
  std::unique_ptr<Images> images;  // none: the plan reads from what is alive
};

class CheckpointWriter {
 public:
  // Whether the journal says what is in the folder; else that is to be done behind the first save.
  enum class Journal : std::uint8_t { kMended, kToMend };

  // Errors: std::system_error where no thread can be had.
  CheckpointWriter(System& system, std::string folder, std::string run, const CheckpointerOptions& options, Lease lease,
                   Journal journal);
  // Precondition: close() was called.
  ~CheckpointWriter() = default;

  // Memory for a copy, waiting for it or not as the rule says; null: this save is to be skipped.
  Result<std::unique_ptr<Images>> images_for(std::uint64_t bytes, const Checkpoint& checkpoint);
  void enqueue(CheckpointJob job);
  // Writes in the calling thread, once nothing else is being written. Errors: those of writing.
  Status write_now(CheckpointJob job);
  void give_back(std::unique_ptr<Images> images);
  // Touches memory for a copy of this size, when there is nothing else to do.
  void prepare(std::uint64_t bytes);

  Status check();
  Status wait();
  bool wait_for(std::chrono::milliseconds time, Checkpointer::Until until);
  Status close();
  Result<Pruning> prune();
  std::vector<CheckpointEvent> events();
  std::uint64_t memory() const;
  bool is_closed() const;

 private:
  // How much later than the training it gets a processor that both want, in steps of nice(2).
  static constexpr int kPatience = 17;

  void run();
  Status write(CheckpointJob& job);
  Status execute_and_note(CheckpointJob& job, const std::string& path);
  Result<Pruning> prune_now();
  void work(CheckpointJob job);
  void settle(CheckpointJob job, Status status, double seconds);
  void keep(Error failure);
  void touch(std::unique_lock<std::mutex>& lock);
  void renew();
  std::uint64_t taken() const { return queue_.size() + (writing_ ? 1 : 0); }
  // Bytes of the copies that are in use, and of memory that waits for one.
  std::uint64_t busy_bytes() const;
  std::uint64_t free_bytes() const;
  std::unique_ptr<Images> images_of(std::uint64_t bytes);

  System& system_;
  const std::string folder_;
  const std::string run_;
  const CheckpointerOptions& options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<CheckpointJob> queue_;
  std::vector<std::unique_ptr<Images>> free_;
  std::uint64_t given_bytes_ = 0;    // of the images that the training fills
  std::uint64_t written_bytes_ = 0;  // of the images that are being written
  std::uint64_t to_touch_ = 0;
  bool writing_ = false;
  bool touching_ = false;
  bool closing_ = false;
  bool held_ = false;  // something that was to go was open somewhere when the folder was looked at last
  std::optional<Error> failure_;
  bool starved_ = false;  // memory ran out, and there was none to say so
  std::vector<CheckpointEvent> events_;
  std::mutex pruning_;  // one at a time
  std::mutex renewing_;
  std::chrono::steady_clock::time_point renewed_ = std::chrono::steady_clock::now();
  Lease lease_;
  Journal journal_;  // of the thread that writes
  std::thread thread_;
};

}  // namespace holdall
