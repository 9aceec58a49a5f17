// System: the one seam between Holdall's writers and the operating system, so that a test can fail the Nth operation,
// simulate a crash after it, or count them. Readers use it too where they open files.
//
// Each member does what the call it is named for does (see its manual page) and returns io errors with errno; EINTR is
// retried inside. Thread-safety: the local system may be used from several threads.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "holdall/base/result.h"

namespace holdall {

class System {
 public:
  using Handle = int;
  enum class Open : std::uint8_t { kCreateNew, kReadWrite, kDirectWrite, kFolder, kRead };

  virtual ~System() = default;
  // The operating system itself.
  static System& local();

  // kCreateNew: O_CREAT|O_EXCL|O_RDWR, mode 0666 & ~umask. kReadWrite: an existing file. kDirectWrite: O_WRONLY|O_DIRECT; fails
  // with unsupported where the file system has none. kFolder: a folder, for sync. kRead: an existing file, to be read.
  virtual Result<Handle> open(const std::string& path, Open how) = 0;
  virtual Status close(Handle handle) = 0;
  // Writes all of `data` at `offset`, however many calls that takes.
  virtual Status write_at(Handle handle, std::uint64_t offset, std::span<const std::byte> data) = 0;
  // Reads all of `out`.
  virtual Status read_at(Handle handle, std::uint64_t offset, std::span<std::byte> out) = 0;
  virtual Result<std::uint64_t> size(Handle handle) = 0;
  // fallocate(2) where there is one, else nothing. Errors: no space.
  virtual Status preallocate(Handle handle, std::uint64_t size) = 0;
  virtual Status truncate(Handle handle, std::uint64_t size) = 0;
  // Copies inside the kernel from another descriptor (copy_file_range(2)); false when the file system cannot.
  virtual Result<bool> copy_range(int from, std::uint64_t from_offset, Handle to, std::uint64_t to_offset,
                                  std::uint64_t size) = 0;
  virtual Status sync(Handle handle) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  // renameat2(RENAME_EXCHANGE); false when the file system cannot.
  virtual Result<bool> exchange(const std::string& a, const std::string& b) = 0;
  // renameat2(RENAME_NOREPLACE), or link and unlink. Errors: already exists.
  virtual Status rename_new(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;
  virtual Status make_folder(const std::string& path) = 0;
  virtual Status remove_folder(const std::string& path) = 0;
  // Names in a folder, unsorted, without "." and "..".
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
  enum class Kind : std::uint8_t { kMissing, kFile, kFolder, kOther };
  // Links are not followed: a link is kOther.
  virtual Result<Kind> kind(const std::string& path) = 0;
  struct Facts {
    Kind kind = Kind::kMissing;
    std::uint64_t bytes = 0;  // of a file
  };
  // The same with more of what stat(2) says, for one of the names in an open folder. Links are followed.
  virtual Result<Facts> facts(Handle folder, const std::string& name) = 0;
  // The path that the links at its last component lead to; the path itself where there is none. Errors: io for a loop.
  virtual Result<std::string> resolve(const std::string& path) = 0;
  // Gives one file the permission bits of another.
  virtual Status copy_mode(const std::string& from, const std::string& to) = 0;

  // Nanoseconds of the wall clock since 1970, UTC. It may go back.
  virtual std::int64_t now() = 0;
  // Whether any process has the file open, as far as the system tells (a lease of Linux, else flock(2)).
  virtual Result<bool> in_use(const std::string& path) = 0;
  enum class Held : std::uint8_t { kOurs, kByAnother, kByThisProcess, kUnknown };
  struct Locked {
    Held held = Held::kUnknown;
    Handle handle = -1;  // open for reading and writing; none for kByThisProcess
  };
  // Opens a file, made where there is none, and takes it for this process until the handle is closed or the process ends,
  // whichever children it has: in a child made by fork(2) the handle is closed already. kUnknown where the file system has no
  // locks.
  virtual Result<Locked> open_locked(const std::string& path) = 0;

  // This process for people: its number, its machine's name, the command line that started it, cut at 200 bytes.
  virtual std::int64_t process() = 0;
  virtual std::string host() = 0;
  virtual std::string command() = 0;
  // Names this process for others that find its temporaries: "PID-HOST-BOOT", letters, digits and dashes.
  virtual std::string owner() = 0;
  // Whether the process that owner() named is gone for certain, so that `path`, which it made, may be removed: it ended here,
  // or before the last boot, or it ran elsewhere and has not touched the path for a week.
  virtual bool abandoned(const std::string& owner, const std::string& path) = 0;
};

}  // namespace holdall
