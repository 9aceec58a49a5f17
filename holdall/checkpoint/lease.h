// Lease: one run at a time saves into a checkpoint folder.
//
// The file ".holdall.lease" is locked by the process that saves (F_OFD_SETLK), so that the lock ends with it however it ends,
// and says who that is: {"owner":"PID-HOST-BOOT","process":PID,"host":NAME,"command":…,"since":ns,"alive":ns}; a lease given
// back is an empty file. Where locks do not reach (another machine on a shared file system), the owner's sign of life counts:
// the holder writes the time every 30 s, and a lease without one for two minutes is taken over. Thread-safety: one thread at a
// time. Ownership: owns the lock; the destructor gives the lease back.
#pragma once

#include <string>

#include "holdall/io/system.h"

namespace holdall {

constexpr std::string_view kLeaseFile = ".holdall.lease";

// Whether a disk, or what one may have of it, is full.
bool is_lack_of_room(const Error& error) noexcept;

class Lease {
 public:
  // A disk that has no room for its words is no reason to refuse it where the lock could be had.
  // Errors: conflict, naming the owner's host and process, where the folder is in use; those of the file.
  static Result<Lease> take(System& system, const std::string& folder);
  ~Lease();
  Lease(Lease&& other) noexcept;
  Lease& operator=(Lease&&) = delete;

  // The owner of a lease that was not given back and has been taken over: gone for certain. Empty: there was none.
  const std::string& previous_owner() const noexcept { return previous_; }

  // A sign of life; to be called every kRenewal. A failure is told, and harmless: the next one may succeed.
  Status renew();
  // Gives it back before the end. In a child process, which has neither lock nor handle, nothing happens.
  void release() noexcept;

  static constexpr std::int64_t kRenewal = 30'000'000'000;  // nanoseconds between signs of life
  static constexpr std::int64_t kLapsed = 4 * kRenewal;     // without a sign of life

 private:
  Lease(System& system, System::Handle handle, std::string owner);
  Status write();

  System* system_;
  System::Handle handle_;
  std::string owner_;
  std::string previous_;
  std::int64_t process_;
  std::int64_t since_;
};

}  // namespace holdall
