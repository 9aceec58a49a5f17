// FaultySystem: passes every operation on to another system, and fails chosen ones.
//
// Thread-safety: all members. Ownership: refers to the system below.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>

#include "holdall/io/system.h"

namespace holdall {

struct FailurePlan {
  int at = 0;  // the number of the first operation that fails, from 1; 0: none
  bool forever = false;
  bool removals_too = false;  // else what is removed is removed even while all else fails
  int code = EIO;
};

class FaultySystem final : public System {
 public:
  FaultySystem(System& below, const FailurePlan& fault) : below_(below), fault_(fault) {}

  int operations() const { return count_; }
  bool has_failed() const { return failed_; }

  Result<Handle> open(const std::string& path, Open how) override {
    if (fails()) return error().in(path);
    return below_.open(path, how);
  }
  // Like close(2), it closes even when it fails.
  Status close(Handle handle) override {
    const bool fail = fails();
    HOLDALL_TRY(below_.close(handle));
    return fail ? Status(error()) : Status();
  }
  // A write that fails has written a half before.
  Status write_at(Handle handle, std::uint64_t offset, std::span<const std::byte> data) override {
    if (!fails()) return below_.write_at(handle, offset, data);
    static_cast<void>(below_.write_at(handle, offset, data.first(data.size() / 2)));
    return error().at(offset);
  }
  Status read_at(Handle handle, std::uint64_t offset, std::span<std::byte> out) override {
    if (fails()) return error().at(offset);
    return below_.read_at(handle, offset, out);
  }
  Result<std::uint64_t> size(Handle handle) override {
    if (fails()) return error();
    return below_.size(handle);
  }
  Status preallocate(Handle handle, std::uint64_t size) override {
    if (fails()) return error();
    return below_.preallocate(handle, size);
  }
  Status truncate(Handle handle, std::uint64_t size) override {
    if (fails()) return error();
    return below_.truncate(handle, size);
  }
  Result<bool> copy_range(int from, std::uint64_t from_offset, Handle to, std::uint64_t to_offset,
                          std::uint64_t size) override {
    if (fails()) return error();
    return below_.copy_range(from, from_offset, to, to_offset, size);
  }
  Status sync(Handle handle) override {
    if (fails()) return error();
    return below_.sync(handle);
  }
  Status rename(const std::string& from, const std::string& to) override {
    if (fails()) return error().in(to);
    return below_.rename(from, to);
  }
  Result<bool> exchange(const std::string& a, const std::string& b) override {
    if (fails()) return error().in(b);
    return below_.exchange(a, b);
  }
  Status rename_new(const std::string& from, const std::string& to) override {
    if (fails()) return error().in(to);
    return below_.rename_new(from, to);
  }
  Status remove(const std::string& path) override {
    if (fault_.removals_too && fails()) return error().in(path);
    return below_.remove(path);
  }
  Status make_folder(const std::string& path) override {
    if (fails()) return error().in(path);
    return below_.make_folder(path);
  }
  Status remove_folder(const std::string& path) override {
    if (fault_.removals_too && fails()) return error().in(path);
    return below_.remove_folder(path);
  }
  Result<std::vector<std::string>> list(const std::string& path) override {
    if (fault_.removals_too && fails()) return error().in(path);
    return below_.list(path);
  }
  Result<Kind> kind(const std::string& path) override {
    if (fault_.removals_too && fails()) return error().in(path);
    return below_.kind(path);
  }
  Result<Facts> facts(Handle folder, const std::string& name) override {
    if (fails()) return error().in(name);
    return below_.facts(folder, name);
  }
  std::int64_t now() override { return below_.now(); }
  Result<bool> in_use(const std::string& path) override {
    if (fails()) return error().in(path);
    return below_.in_use(path);
  }
  Result<Locked> open_locked(const std::string& path) override {
    if (fails()) return error().in(path);
    return below_.open_locked(path);
  }
  Result<std::string> resolve(const std::string& path) override {
    if (fails()) return error().in(path);
    return below_.resolve(path);
  }
  Status copy_mode(const std::string& from, const std::string& to) override {
    if (fails()) return error().in(to);
    return below_.copy_mode(from, to);
  }
  std::int64_t process() override { return below_.process(); }
  std::string host() override { return below_.host(); }
  std::string command() override { return below_.command(); }
  std::string owner() override { return below_.owner(); }
  bool abandoned(const std::string& owner, const std::string& path) override { return below_.abandoned(owner, path); }

 private:
  bool fails() {
    const int number = ++count_;
    const bool fail = fault_.at != 0 && (fault_.forever ? number >= fault_.at : number == fault_.at);
    if (fail) failed_ = true;
    return fail;
  }
  Error error() const { return io_error("this operation fails by plan", fault_.code); }

  System& below_;
  const FailurePlan fault_;
  std::atomic<int> count_ = 0;
  std::atomic<bool> failed_ = false;
};

}  // namespace holdall
