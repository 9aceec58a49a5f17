// PassingSystem: passes every operation on to another system; a test overrides the ones it stands in the way of.
//
// Thread-safety: that of the system below. Ownership: refers to the system below.
#pragma once

#include <string>
#include <vector>

#include "holdall/io/system.h"

namespace holdall {

class PassingSystem : public System {
 public:
  explicit PassingSystem(System& below = System::local()) : below_(below) {}

  Result<Handle> open(const std::string& path, Open how) override { return below_.open(path, how); }
  Status close(Handle handle) override { return below_.close(handle); }
  Status write_at(Handle handle, std::uint64_t offset, std::span<const std::byte> data) override {
    return below_.write_at(handle, offset, data);
  }
  Status read_at(Handle handle, std::uint64_t offset, std::span<std::byte> out) override {
    return below_.read_at(handle, offset, out);
  }
  Result<std::uint64_t> size(Handle handle) override { return below_.size(handle); }
  Status preallocate(Handle handle, std::uint64_t size) override { return below_.preallocate(handle, size); }
  Status truncate(Handle handle, std::uint64_t size) override { return below_.truncate(handle, size); }
  Result<bool> copy_range(int from, std::uint64_t from_offset, Handle to, std::uint64_t to_offset,
                          std::uint64_t size) override {
    return below_.copy_range(from, from_offset, to, to_offset, size);
  }
  Status sync(Handle handle) override { return below_.sync(handle); }
  Status rename(const std::string& from, const std::string& to) override { return below_.rename(from, to); }
  Result<bool> exchange(const std::string& a, const std::string& b) override { return below_.exchange(a, b); }
  Status rename_new(const std::string& from, const std::string& to) override { return below_.rename_new(from, to); }
  Status remove(const std::string& path) override { return below_.remove(path); }
  Status make_folder(const std::string& path) override { return below_.make_folder(path); }
  Status remove_folder(const std::string& path) override { return below_.remove_folder(path); }
  Result<std::vector<std::string>> list(const std::string& path) override { return below_.list(path); }
  Result<Kind> kind(const std::string& path) override { return below_.kind(path); }
  Result<Facts> facts(Handle folder, const std::string& name) override { return below_.facts(folder, name); }
  Result<std::string> resolve(const std::string& path) override { return below_.resolve(path); }
  Status copy_mode(const std::string& from, const std::string& to) override { return below_.copy_mode(from, to); }
  std::int64_t now() override { return below_.now(); }
  Result<bool> in_use(const std::string& path) override { return below_.in_use(path); }
  Result<Locked> open_locked(const std::string& path) override { return below_.open_locked(path); }
  std::int64_t process() override { return below_.process(); }
  std::string host() override { return below_.host(); }
  std::string command() override { return below_.command(); }
  std::string owner() override { return below_.owner(); }
  bool abandoned(const std::string& owner, const std::string& path) override { return below_.abandoned(owner, path); }

 private:
  System& below_;
};

}  // namespace holdall
