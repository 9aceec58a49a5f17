#include "holdall/io/system.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <string_view>
#include <utility>

#include "holdall/base/checksum.h"
#include "holdall/base/text.h"
#include "holdall/io/bytes.h"

namespace holdall {
namespace {

constexpr std::size_t kMostPerCall = 1u << 30;  // Linux moves at most 2 GiB - 4096 bytes a call
constexpr std::int64_t kWeek = 7 * 24 * 3600;

Error failed(const char* what, const std::string& path) {
  const int code = errno;
  return io_error(what, code).in(path);
}

// Repeats a system call that a signal interrupted.
template <class Call>
auto retried(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

std::string hash_digits(std::string_view text, std::size_t digits) {
  return to_hex(xxh3_128(as_bytes(text))).substr(0, digits);
}

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// What PIDs are relative to: a machine and its PID namespace.
std::string host_digits() {
  char name[256] = {};
  ::gethostname(name, sizeof(name) - 1);
  char space[64] = {};
  const ssize_t size = ::readlink("/proc/self/ns/pid", space, sizeof(space) - 1);
  return hash_digits(std::string(name) + '/' + std::string(space, size > 0 ? static_cast<std::size_t>(size) : 0), 8);
}

std::string boot_digits() { return hash_digits(first_line("/proc/sys/kernel/random/boot_id"), 6); }

// The files that this process has locked, by locks of their open descriptions (F_OFD_SETLK): reading such a file in another way
// lets nothing go, as it would with locks of the process. Children share the descriptions, and would hold the locks, and have
// open what was being written as they were made, for as long as they live: in a child these handles are closed as it begins.
class LocksHeld {
 public:
  // To be held while a file is opened and locked: of two threads one gets it, and no child is made in between.
  std::mutex opening;

  LocksHeld() {
    current_ = this;
    static_cast<void>(::pthread_atfork(
        [] {
          current_->opening.lock();
          current_->mutex_.lock();
        },
        [] { current_->unlock(); }, [] { current_->close_all(); }));
  }

  static bool lock(int handle, short type) {
    struct flock lock{};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    return retried([&] { return ::fcntl(handle, F_OFD_SETLK, &lock); }) == 0;
  }

  void add(int handle, const struct stat& info) {
    const std::lock_guard lock(mutex_);
    files_[handle] = {info.st_dev, info.st_ino};
    some_ = true;
  }
  // Unlocks and closes a handle that was added; false for any other.
  bool close(int handle) {
    if (!some_) return false;
    const std::lock_guard lock(mutex_);
    if (files_.erase(handle) == 0) return false;
    some_ = !files_.empty();
    LocksHeld::lock(handle, F_UNLCK);
    ::close(handle);
    return true;
  }
  // A handle that is being written to; of very many at once only the first are remembered.
  void add_writing(int handle) {
    const std::lock_guard lock(mutex_);
    if (writing_count_ < writing_.size()) writing_[writing_count_++] = handle;
  }
  void forget_writing(int handle) {
    const std::lock_guard lock(mutex_);
    const auto end = writing_.begin() + writing_count_;
    const auto found = std::find(writing_.begin(), end, handle);
    if (found != end) *found = writing_[--writing_count_];
  }
  bool has(const struct stat& info) {
    const std::lock_guard lock(mutex_);
    return std::any_of(files_.begin(), files_.end(),
                       [&](const auto& file) { return file.second == std::pair(info.st_dev, info.st_ino); });
  }

 private:
  void unlock() {
    mutex_.unlock();
    opening.unlock();
  }
  // In a child.
  void close_all() {
    for (const auto& [handle, file] : files_) ::close(handle);
    files_.clear();
    some_ = false;
    for (; writing_count_ > 0; --writing_count_) ::close(writing_[writing_count_ - 1]);
    unlock();
  }

  static inline LocksHeld* current_ = nullptr;  // the one of the local system
  std::mutex mutex_;
  std::map<int, std::pair<dev_t, ino_t>> files_;
  std::atomic<bool> some_ = false;
  std::array<int, 64> writing_ = {};
  std::uint8_t writing_count_ = 0;
};

class LocalSystem final : public System {
 public:
  Result<Handle> open(const std::string& path, Open how) override {
    int flags = O_CLOEXEC;
    switch (how) {
      case Open::kCreateNew:
        flags |= O_CREAT | O_EXCL | O_RDWR;
        break;
      case Open::kReadWrite:
        flags |= O_RDWR;
        break;
      case Open::kDirectWrite:
        flags |= O_WRONLY | O_DIRECT;
        break;
      case Open::kFolder:
        flags |= O_RDONLY | O_DIRECTORY;
        break;
      case Open::kRead:
        flags |= O_RDONLY;
        break;
    }
    // No child is made between the opening of what is written and its being remembered.
    std::unique_lock opening(locks_.opening, std::defer_lock);
    const bool writes = how != Open::kFolder && how != Open::kRead;
    if (writes) opening.lock();
    const int handle = retried([&] { return ::open(path.c_str(), flags, 0666); });
    if (handle >= 0) {
      if (writes) locks_.add_writing(handle);
      return handle;
    }
    if (how == Open::kDirectWrite && errno == EINVAL) return unsupported("this file system has no direct writes").in(path);
    return failed(how == Open::kCreateNew ? "cannot create" : "cannot open", path);
  }

  Status close(Handle handle) override {
    if (locks_.close(handle)) return {};
    locks_.forget_writing(handle);
    // Linux releases the descriptor whatever close(2) returns; EINTR must not be retried.
    if (::close(handle) == 0 || errno == EINTR) return {};
    return io_error("cannot close", errno);
  }

  Status write_at(Handle handle, std::uint64_t offset, std::span<const std::byte> data) override {
    while (!data.empty()) {
      const ssize_t written = retried(
          [&] { return ::pwrite(handle, data.data(), std::min(data.size(), kMostPerCall), static_cast<off_t>(offset)); });
      if (written < 0) return io_error("cannot write", errno).at(offset);
      if (written == 0) return io_error("cannot write: no progress", EIO).at(offset);
      data = data.subspan(static_cast<std::size_t>(written));
      offset += static_cast<std::uint64_t>(written);
    }
    return {};
  }

  Status read_at(Handle handle, std::uint64_t offset, std::span<std::byte> out) override {
    while (!out.empty()) {
      const ssize_t got =
          retried([&] { return ::pread(handle, out.data(), std::min(out.size(), kMostPerCall), static_cast<off_t>(offset)); });
      if (got < 0) return io_error("cannot read", errno).at(offset);
      if (got == 0) return corrupt(text("the file ends {} bytes early", out.size())).at(offset);
      out = out.subspan(static_cast<std::size_t>(got));
      offset += static_cast<std::uint64_t>(got);
    }
    return {};
  }

  Result<std::uint64_t> size(Handle handle) override {
    struct stat info{};
    if (::fstat(handle, &info) == 0) return static_cast<std::uint64_t>(info.st_size);
    return io_error("cannot look at an open file", errno);
  }

  Status preallocate(Handle handle, std::uint64_t size) override {
    if (size == 0) return {};
    if (retried([&] { return ::fallocate(handle, 0, 0, static_cast<off_t>(size)); }) == 0) return {};
    if (errno == EOPNOTSUPP || errno == ENOSYS) return {};
    return io_error(text("cannot reserve {} bytes", size), errno);
  }

  Status truncate(Handle handle, std::uint64_t size) override {
    if (retried([&] { return ::ftruncate(handle, static_cast<off_t>(size)); }) == 0) return {};
    return io_error(text("cannot set the size to {} bytes", size), errno);
  }

  Result<bool> copy_range(int from, std::uint64_t from_offset, Handle to, std::uint64_t to_offset,
                          std::uint64_t size) override {
    auto from_at = static_cast<off_t>(from_offset);
    auto to_at = static_cast<off_t>(to_offset);
    while (size > 0) {
      const ssize_t copied = retried([&] {
        return ::copy_file_range(from, &from_at, to, &to_at,
                                 static_cast<std::size_t>(std::min<std::uint64_t>(size, kMostPerCall)), 0);
      });
      if (copied == 0) return corrupt(text("the source ends {} bytes early", size)).at(from_offset);
      if (copied < 0) {
        // What was copied so far is written again by the caller's own way.
        const int code = errno;
        if (code == EXDEV || code == EINVAL || code == EOPNOTSUPP || code == ENOSYS || code == EBADF || code == EPERM)
          return false;
        return io_error("cannot copy", code).at(static_cast<std::uint64_t>(to_at));
      }
      size -= static_cast<std::uint64_t>(copied);
    }
    return true;
  }

  Status sync(Handle handle) override {
    // A failed fsync(2) drops the dirty pages: it is never retried, except after a signal.
    if (retried([&] { return ::fsync(handle); }) == 0) return {};
    return io_error("cannot sync", errno);
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) == 0) return {};
    return failed("cannot rename the finished temporary to this", to);
  }

  Result<bool> exchange(const std::string& a, const std::string& b) override {
    if (::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0) return true;
    if (errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP) return false;
    return failed("cannot exchange with the finished temporary", b);
  }

  Status rename_new(const std::string& from, const std::string& to) override {
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
    if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
      return failed("cannot rename the finished temporary to this", to);
    struct stat info{};
    if (::lstat(from.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
      // A folder cannot be linked; rename(2) replaces nothing but an empty folder.
      if (::lstat(to.c_str(), &info) == 0) {
        errno = EEXIST;
        return failed("cannot rename the finished temporary to this", to);
      }
      return rename(from, to);
    }
    if (::link(from.c_str(), to.c_str()) != 0) return failed("cannot link the finished temporary to this", to);
    return remove(from);
  }

  Status remove(const std::string& path) override {
    if (::unlink(path.c_str()) == 0) return {};
    return failed("cannot remove", path);
  }

  Status make_folder(const std::string& path) override {
    if (::mkdir(path.c_str(), 0777) == 0) return {};
    return failed("cannot create the folder", path);
  }

  Status remove_folder(const std::string& path) override {
    if (::rmdir(path.c_str()) == 0) return {};
    return failed("cannot remove the folder", path);
  }

  Result<std::vector<std::string>> list(const std::string& path) override {
    // Closed also when a name finds no memory.
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(path.c_str()), &::closedir);
    if (folder == nullptr) return failed("cannot list the folder", path);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(folder.get())) {
      const std::string_view name(entry->d_name);
      if (name != "." && name != "..") names.emplace_back(name);
    }
    if (errno != 0) return io_error("cannot list the folder", errno).in(path);
    return names;
  }

  Result<Kind> kind(const std::string& path) override {
    struct stat info{};
    if (::lstat(path.c_str(), &info) == 0) return kind_of(info);
    if (errno == ENOENT) return Kind::kMissing;
    return failed("cannot look at", path);
  }

  Result<Facts> facts(Handle folder, const std::string& name) override {
    struct stat info{};
    if (::fstatat(folder, name.c_str(), &info, 0) == 0) return Facts{kind_of(info), static_cast<std::uint64_t>(info.st_size)};
    if (errno == ENOENT) return Facts{};
    return failed("cannot look at", name);
  }

  Result<std::string> resolve(const std::string& path) override {
    std::string place = path;
    for (int hops = 0; hops < 40; ++hops) {
      struct stat info{};
      if (::lstat(place.c_str(), &info) != 0 || !S_ISLNK(info.st_mode)) return place;
      char target[4096];
      const ssize_t size = ::readlink(place.c_str(), target, sizeof(target));
      if (size < 0) return failed("cannot read the link", place);
      const std::string_view to(target, static_cast<std::size_t>(size));
      const std::size_t slash = place.rfind('/');
      if (to.starts_with('/') || slash == std::string::npos) {
        place = to;
      } else {
        place = place.substr(0, slash + 1) + std::string(to);
      }
    }
    return io_error("too many links", ELOOP).in(path);
  }

  Status copy_mode(const std::string& from, const std::string& to) override {
    struct stat info{};
    if (::stat(from.c_str(), &info) != 0) return failed("cannot look at", from);
    if (::chmod(to.c_str(), info.st_mode & 07777) != 0) return failed("cannot set the permissions", to);
    return {};
  }

  std::int64_t now() override {
    struct timespec time{};
    ::clock_gettime(CLOCK_REALTIME, &time);
    return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
  }

  Result<bool> in_use(const std::string& path) override {
    const int handle = retried([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0); });
    // What another has leased breaks when it is opened: somebody is there.
    if (handle < 0 && errno == EWOULDBLOCK) return true;
    if (handle < 0) return failed("cannot open", path);
    bool used = false;
    if (::fcntl(handle, F_SETLEASE, F_WRLCK) == 0) {
      ::fcntl(handle, F_SETLEASE, F_UNLCK);
    } else if (errno == EAGAIN) {
      used = true;
    } else {
      used = ::flock(handle, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    }
    ::close(handle);
    return used;
  }

  Result<Locked> open_locked(const std::string& path) override {
    const std::lock_guard one(locks_.opening);
    struct stat info{};
    if (::stat(path.c_str(), &info) == 0 && locks_.has(info)) return Locked{Held::kByThisProcess, -1};
    const int handle = retried([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666); });
    if (handle < 0) return failed("cannot open", path);
    const bool taken = LocksHeld::lock(handle, F_WRLCK);
    if (!taken && (errno == EAGAIN || errno == EACCES)) return Locked{Held::kByAnother, handle};
    try {
      if (::fstat(handle, &info) == 0) locks_.add(handle, info);
    } catch (const std::bad_alloc&) {
      ::close(handle);
      return Error(Code::kOutOfMemory, "no memory left to remember a lock").in(path);
    }
    return Locked{taken ? Held::kOurs : Held::kUnknown, handle};
  }

  std::int64_t process() override { return ::getpid(); }

  std::string host() override {
    char name[256] = {};
    ::gethostname(name, sizeof(name) - 1);
    return name;
  }

  std::string command() override {
    std::ifstream file("/proc/self/cmdline");
    std::string line(200, '\0');
    file.read(line.data(), static_cast<std::streamsize>(line.size()));
    line.resize(static_cast<std::size_t>(file.gcount()));
    while (!line.empty() && line.back() == '\0') line.pop_back();
    std::replace(line.begin(), line.end(), '\0', ' ');
    return line;
  }

  std::string owner() override { return text("{}-{}-{}", ::getpid(), host_digits(), boot_digits()); }

  bool abandoned(const std::string& owner, const std::string& path) override {
    const std::size_t boot_at = owner.rfind('-');
    const std::size_t host_at = boot_at == std::string::npos ? boot_at : owner.rfind('-', boot_at - 1);
    if (host_at == std::string::npos) return false;
    pid_t pid = 0;
    const auto parsed = std::from_chars(owner.data(), owner.data() + host_at, pid);
    if (parsed.ec != std::errc() || parsed.ptr != owner.data() + host_at || pid <= 0) return false;
    if (owner.substr(host_at + 1, boot_at - host_at - 1) == host_digits()) {
      if (owner.substr(boot_at + 1) != boot_digits()) return true;
      return ::kill(pid, 0) != 0 && errno == ESRCH;
    }
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0) return false;
    return ::time(nullptr) - info.st_mtime > kWeek;
  }

 private:
  static Kind kind_of(const struct stat& info) {
    if (S_ISREG(info.st_mode)) return Kind::kFile;
    return S_ISDIR(info.st_mode) ? Kind::kFolder : Kind::kOther;
  }

  LocksHeld locks_;
};

}  // namespace

System& System::local() {
  static LocalSystem system;
  return system;
}

}  // namespace holdall
