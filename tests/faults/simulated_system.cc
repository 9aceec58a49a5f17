#include "tests/faults/simulated_system.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "holdall/io/bytes.h"

namespace holdall {
namespace {

constexpr std::size_t kGone = SIZE_MAX;
constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kSector = 512;

bool chance(std::mt19937& random, double probability) { return std::bernoulli_distribution(probability)(random); }

}  // namespace

SimulatedSystem::SimulatedSystem(const Abilities& abilities) : abilities_(abilities) { nodes_.emplace_back().folder = true; }

Result<SimulatedSystem::Spot> SimulatedSystem::find(const std::string& path) const {
  Spot spot{0, "", 0};
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    const std::string name = path.substr(at, slash - at);
    at = slash + 1;
    if (name.empty()) continue;
    if (spot.node == kGone || !nodes_[spot.node].folder) return io_error("no such folder", ENOENT).in(path);
    const Entries& entries = nodes_[spot.node].entries_now;
    const auto entry = entries.find(name);
    spot = {spot.node, name, entry == entries.end() ? kGone : entry->second};
  }
  return spot;
}

void SimulatedSystem::change(std::size_t folder, Change change) {
  Node& node = nodes_[folder];
  for (const auto& [name, to] : change) {
    if (to == kGone) {
      node.entries_now.erase(name);
    } else {
      node.entries_now[name] = to;
    }
  }
  node.changes.push_back(std::move(change));
}

void SimulatedSystem::resize(Node& node, std::uint64_t size) {
  node.now.resize(size);
  node.sizes.push_back(size);
}

std::unique_ptr<SimulatedSystem> SimulatedSystem::crash(std::mt19937& random, double kept) const {
  const std::lock_guard lock(mutex_);
  auto after = std::make_unique<SimulatedSystem>(abilities_);
  after->process_ = process_ + 1;
  after->nodes_.resize(nodes_.size());
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const Node& node = nodes_[i];
    Node& saved = after->nodes_[i];
    saved.folder = node.folder;
    std::string data = node.durable;
    std::uint64_t size = data.size();
    for (const std::uint64_t changed : node.sizes)
      if (chance(random, kept)) size = changed;
    for (const Write& write : node.writes) {
      if (data.size() < write.offset + write.data.size()) data.resize(write.offset + write.data.size());
      for (std::uint64_t at = 0; at < write.data.size();) {
        const std::uint64_t page_end =
            std::min<std::uint64_t>(((write.offset + at) / kPage + 1) * kPage - write.offset, write.data.size());
        const bool keep = chance(random, kept);
        const bool torn = chance(random, 0.2);
        while (at < page_end) {
          const std::uint64_t end =
              std::min<std::uint64_t>(((write.offset + at) / kSector + 1) * kSector - write.offset, page_end);
          if (torn ? chance(random, 0.5) : keep) std::memcpy(&data[write.offset + at], &write.data[at], end - at);
          at = end;
        }
      }
    }
    data.resize(size);
    saved.now = saved.durable = std::move(data);
    saved.entries_durable = node.entries_durable;
    for (const Change& change : node.changes) {
      if (!chance(random, kept)) continue;
      for (const auto& [name, to] : change) {
        if (to == kGone) {
          saved.entries_durable.erase(name);
        } else {
          saved.entries_durable[name] = to;
        }
      }
    }
    saved.entries_now = saved.entries_durable;
  }
  return after;
}

std::unique_ptr<SimulatedSystem> SimulatedSystem::kill() const {
  const std::lock_guard lock(mutex_);
  auto after = std::make_unique<SimulatedSystem>(abilities_);
  after->process_ = process_ + 1;
  after->nodes_ = nodes_;
  return after;
}

void SimulatedSystem::list_tree(std::size_t node, const std::string& prefix, std::map<std::string, std::string>& out) const {
  if (!nodes_[node].folder) {
    out[prefix] = nodes_[node].now;
    return;
  }
  for (const auto& [name, inner] : nodes_[node].entries_now) {
    const std::string inside = prefix.empty() ? name : prefix + '/' + name;
    if (nodes_[inner].folder) out[inside + '/'];
    list_tree(inner, inside, out);
  }
}

std::map<std::string, std::string> SimulatedSystem::tree(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, std::string> out;
  const auto spot = find(path);
  if (spot && spot->node != kGone) list_tree(spot->node, "", out);
  return out;
}

void SimulatedSystem::put(const std::string& path, const std::string& content) {
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    static_cast<void>(make_folder(path.substr(0, slash)));
  }
  const auto handle = open(path, Open::kCreateNew);
  static_cast<void>(write_at(*handle, 0, as_bytes(content)));
  static_cast<void>(close(*handle));
  for (Node& node : nodes_) {
    node.durable = node.now;
    node.entries_durable = node.entries_now;
    node.writes.clear();
    node.sizes.clear();
    node.changes.clear();
  }
}

Result<System::Handle> SimulatedSystem::open(const std::string& path, Open how) {
  const std::lock_guard lock(mutex_);
  HOLDALL_ASSIGN(Spot spot, find(path));
  if (how == Open::kDirectWrite && !abilities_.direct) return unsupported("no direct writes").in(path);
  if (how == Open::kCreateNew) {
    if (spot.node != kGone) return io_error("cannot create", EEXIST).in(path);
    announce();
    spot.node = nodes_.size();
    nodes_.emplace_back();
    change(spot.folder, {{spot.name, spot.node}});
  }
  if (spot.node == kGone) return io_error("cannot open", ENOENT).in(path);
  if (nodes_[spot.node].folder != (how == Open::kFolder)) return io_error("cannot open", ENOTDIR).in(path);
  handles_[next_handle_] = spot.node;
  return next_handle_++;
}

Status SimulatedSystem::close(Handle handle) {
  const std::lock_guard lock(mutex_);
  locked_.erase(handle);
  return handles_.erase(handle) == 1 ? Status() : Status(io_error("cannot close", EBADF));
}

Result<SimulatedSystem::Node*> SimulatedSystem::file_of(Handle handle) {
  const auto found = handles_.find(handle);
  if (found == handles_.end()) return io_error("bad descriptor", EBADF);
  return &nodes_[found->second];
}

Status SimulatedSystem::write_at(Handle handle, std::uint64_t offset, std::span<const std::byte> data) {
  const std::lock_guard lock(mutex_);
  HOLDALL_ASSIGN(Node * node, file_of(handle));
  if (data.empty()) return {};
  announce();
  if (node->now.size() < offset + data.size()) resize(*node, offset + data.size());
  std::memcpy(&node->now[offset], data.data(), data.size());
  node->writes.push_back({offset, std::string(as_text(data))});
  return {};
}

Status SimulatedSystem::read_at(Handle handle, std::uint64_t offset, std::span<std::byte> out) {
  const std::lock_guard lock(mutex_);
  HOLDALL_ASSIGN(Node * node, file_of(handle));
  if (offset + out.size() > node->now.size()) return io_error("the file ends early", EIO);
  std::copy_n(std::as_bytes(std::span(node->now)).begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
  return {};
}

Result<std::uint64_t> SimulatedSystem::size(Handle handle) {
  const std::lock_guard lock(mutex_);
  HOLDALL_ASSIGN(Node * node, file_of(handle));
  return node->now.size();
}

Status SimulatedSystem::preallocate(Handle handle, std::uint64_t size) {
  const std::lock_guard lock(mutex_);
  HOLDALL_ASSIGN(Node * node, file_of(handle));
  announce();
  if (node->now.size() < size) resize(*node, size);
  return {};
}

Status SimulatedSystem::truncate(Handle handle, std::uint64_t size) {
  const std::lock_guard lock(mutex_);
  HOLDALL_ASSIGN(Node * node, file_of(handle));
  announce();
  resize(*node, size);
  return {};
}

Status SimulatedSystem::sync(Handle handle) {
  const std::lock_guard lock(mutex_);
  HOLDALL_ASSIGN(Node * node, file_of(handle));
  announce();
  node->durable = node->now;
  node->entries_durable = node->entries_now;
  node->writes.clear();
  node->sizes.clear();
  node->changes.clear();
  return {};
}

Status SimulatedSystem::rename_locked(const std::string& from, const std::string& to, bool over) {
  HOLDALL_ASSIGN(const Spot source, find(from));
  HOLDALL_ASSIGN(const Spot target, find(to));
  if (source.node == kGone) return io_error("cannot rename", ENOENT).in(from);
  if (source.folder != target.folder) return io_error("cannot rename", EXDEV).in(to);
  if (target.node != kGone && !over) return io_error("cannot rename", EEXIST).in(to);
  if (target.node != kGone && nodes_[target.node].folder) return io_error("cannot rename", ENOTEMPTY).in(to);
  announce();
  change(source.folder, {{source.name, kGone}, {target.name, source.node}});
  return {};
}

Status SimulatedSystem::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  return rename_locked(from, to, true);
}

Status SimulatedSystem::rename_new(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  return rename_locked(from, to, false);
}

Result<bool> SimulatedSystem::exchange(const std::string& a, const std::string& b) {
  const std::lock_guard lock(mutex_);
  if (!abilities_.exchange) return false;
  HOLDALL_ASSIGN(const Spot first, find(a));
  HOLDALL_ASSIGN(const Spot second, find(b));
  if (first.node == kGone || second.node == kGone) return io_error("cannot exchange", ENOENT).in(b);
  announce();
  change(first.folder, {{first.name, second.node}, {second.name, first.node}});
  return true;
}

Status SimulatedSystem::remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  HOLDALL_ASSIGN(const Spot spot, find(path));
  if (spot.node == kGone) return io_error("cannot remove", ENOENT).in(path);
  if (nodes_[spot.node].folder) return io_error("cannot remove", EISDIR).in(path);
  announce();
  change(spot.folder, {{spot.name, kGone}});
  return {};
}

Status SimulatedSystem::make_folder(const std::string& path) {
  const std::lock_guard lock(mutex_);
  HOLDALL_ASSIGN(const Spot spot, find(path));
  if (spot.node != kGone) return io_error("cannot create the folder", EEXIST).in(path);
  announce();
  const std::size_t node = nodes_.size();
  nodes_.emplace_back().folder = true;
  change(spot.folder, {{spot.name, node}});
  return {};
}

Status SimulatedSystem::remove_folder(const std::string& path) {
  const std::lock_guard lock(mutex_);
  HOLDALL_ASSIGN(const Spot spot, find(path));
  if (spot.node == kGone) return io_error("cannot remove the folder", ENOENT).in(path);
  if (!nodes_[spot.node].entries_now.empty()) return io_error("cannot remove the folder", ENOTEMPTY).in(path);
  announce();
  change(spot.folder, {{spot.name, kGone}});
  return {};
}

Result<std::vector<std::string>> SimulatedSystem::list(const std::string& path) {
  const std::lock_guard lock(mutex_);
  HOLDALL_ASSIGN(const Spot spot, find(path));
  if (spot.node == kGone) return io_error("cannot list", ENOENT).in(path);
  std::vector<std::string> names;
  for (const auto& [name, node] : nodes_[spot.node].entries_now) names.push_back(name);
  return names;
}

Result<System::Kind> SimulatedSystem::kind(const std::string& path) {
  const std::lock_guard lock(mutex_);
  HOLDALL_ASSIGN(const Spot spot, find(path));
  if (spot.node == kGone) return Kind::kMissing;
  return nodes_[spot.node].folder ? Kind::kFolder : Kind::kFile;
}

Result<System::Facts> SimulatedSystem::facts(Handle folder, const std::string& name) {
  const std::lock_guard lock(mutex_);
  HOLDALL_ASSIGN(Node * node, file_of(folder));
  const auto entry = node->entries_now.find(name);
  if (entry == node->entries_now.end()) return Facts{};
  const Node& found = nodes_[entry->second];
  return Facts{found.folder ? Kind::kFolder : Kind::kFile, found.now.size()};
}

Result<bool> SimulatedSystem::in_use(const std::string& path) {
  const std::lock_guard lock(mutex_);
  HOLDALL_ASSIGN(const Spot spot, find(path));
  if (spot.node == kGone) return io_error("cannot open", ENOENT).in(path);
  return std::any_of(handles_.begin(), handles_.end(), [&](const auto& handle) { return handle.second == spot.node; });
}

// Handles, and with them locks, end with their process: neither kill() nor crash() takes any along.
Result<System::Locked> SimulatedSystem::open_locked(const std::string& path) {
  const std::lock_guard lock(mutex_);
  HOLDALL_ASSIGN(const Spot spot, find(path));
  for (const auto& [handle, node] : locked_)
    if (node == spot.node) return Locked{Held::kByThisProcess, -1};
  HOLDALL_ASSIGN(const Handle handle, open(path, spot.node == kGone ? Open::kCreateNew : Open::kReadWrite));
  locked_[handle] = handles_[handle];
  return Locked{Held::kOurs, handle};
}

std::string SimulatedSystem::owner() { return std::to_string(process_) + "-here-now"; }

bool SimulatedSystem::abandoned(const std::string& owner, const std::string&) {
  int process = 0;
  std::from_chars(owner.data(), owner.data() + owner.size(), process);
  return process != 0 && process != process_;
}

}  // namespace holdall
