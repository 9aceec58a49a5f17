// SimulatedSystem: a file system in memory that can lose what was not synced, as a power failure does.
//
// The model is harsher than any real file system. Every page of every write since the last fsync(2) of its file is lost, kept
// or torn at sectors, each by itself; so are changes of size. Every change of a folder's entries since the last sync of that
// folder is lost or kept by itself, in any combination; a rename is one change. Syncing a file does not save its name.
// Thread-safety: all members. Ownership: owns its contents.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "holdall/io/system.h"

namespace holdall {

class SimulatedSystem final : public System {
 public:
  struct Abilities {
    bool exchange = true;
    bool direct = true;
  };

  SimulatedSystem() : SimulatedSystem(Abilities()) {}
  explicit SimulatedSystem(const Abilities& abilities);

  // What now() counts on from.
  std::int64_t time = 1'700'000'000'000'000'000;
  // Called before every operation that changes something. It must not use the system, but may call crash().
  std::function<void()> before_change;
  // The state after a power failure now; each unsynced change is kept with the given probability. All processes are gone.
  std::unique_ptr<SimulatedSystem> crash(std::mt19937& random, double kept) const;
  // The state after the process was killed now: nothing is lost yet.
  std::unique_ptr<SimulatedSystem> kill() const;

  // Every file under a folder by relative path, folders as "name/"; a file itself is {"": content}; empty when nothing is
  // there.
  std::map<std::string, std::string> tree(const std::string& path) const;
  // Makes a durable file, and the folders on its way.
  void put(const std::string& path, const std::string& content);
  int open_handles() const { return static_cast<int>(handles_.size()); }

  Result<Handle> open(const std::string& path, Open how) override;
  Status close(Handle handle) override;
  Status write_at(Handle handle, std::uint64_t offset, std::span<const std::byte> data) override;
  Status read_at(Handle handle, std::uint64_t offset, std::span<std::byte> out) override;
  Result<std::uint64_t> size(Handle handle) override;
  Status preallocate(Handle handle, std::uint64_t size) override;
  Status truncate(Handle handle, std::uint64_t size) override;
  Result<bool> copy_range(int, std::uint64_t, Handle, std::uint64_t, std::uint64_t) override { return false; }
  Status sync(Handle handle) override;
  Status rename(const std::string& from, const std::string& to) override;
  Result<bool> exchange(const std::string& a, const std::string& b) override;
  Status rename_new(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status make_folder(const std::string& path) override;
  Status remove_folder(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<Kind> kind(const std::string& path) override;
  Result<Facts> facts(Handle folder, const std::string& name) override;
  std::int64_t now() override { return ++time; }
  Result<bool> in_use(const std::string& path) override;
  Result<Locked> open_locked(const std::string& path) override;
  Result<std::string> resolve(const std::string& path) override { return path; }
  Status copy_mode(const std::string&, const std::string&) override { return {}; }
  std::int64_t process() override { return process_; }
  std::string host() override { return "here"; }
  std::string command() override { return "train"; }
  std::string owner() override;
  bool abandoned(const std::string& owner, const std::string& path) override;

 private:
  using Entries = std::map<std::string, std::size_t>;  // name to node
  // A change of a folder's entries: the names that it sets, or removes (kGone).
  using Change = std::vector<std::pair<std::string, std::size_t>>;
  struct Write {
    std::uint64_t offset = 0;
    std::string data;
  };
  struct Node {
    bool folder = false;
    std::string now;
    std::string durable;
    std::vector<Write> writes;         // since the last sync
    std::vector<std::uint64_t> sizes;  // since the last sync
    Entries entries_now;
    Entries entries_durable;
    std::vector<Change> changes;  // since the last sync
  };
  struct Spot {
    std::size_t folder = 0;
    std::string name;
    std::size_t node = 0;  // kGone when there is none
  };

  Result<Spot> find(const std::string& path) const;
  Result<Node*> file_of(Handle handle);
  void change(std::size_t folder, Change change);
  void resize(Node& node, std::uint64_t size);
  void announce() const {
    if (before_change) before_change();
  }
  void list_tree(std::size_t node, const std::string& prefix, std::map<std::string, std::string>& out) const;
  Status rename_locked(const std::string& from, const std::string& to, bool over);

  Abilities abilities_;
  std::vector<Node> nodes_;
  std::map<Handle, std::size_t> handles_;
  std::map<Handle, std::size_t> locked_;  // node of each handle that holds its file
  Handle next_handle_ = 3;
  int process_ = 1;
  mutable std::recursive_mutex mutex_;
};

}  // namespace holdall
