#include "holdall/io/publish.h"

#include <new>
#include <random>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "holdall/base/checksum.h"
#include "holdall/base/text.h"
#include "holdall/io/bytes.h"

namespace holdall {
namespace {

constexpr std::string_view kMark = ".holdall-";
constexpr std::string_view kTemporary = ".tmp";
constexpr std::string_view kOld = ".old";
// Longest name kept whole in a temporary's name: file systems end at 255 bytes.
constexpr std::size_t kLongestName = 150;

struct Place {
  std::string folder;  // "." for a bare name
  std::string name;
};

Place split(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

std::string join(const std::string& folder, const std::string& name) {
  return folder.ends_with('/') ? folder + name : folder + '/' + name;
}

// What every temporary of a name starts with: ".NAME.holdall-".
std::string stem_of(const std::string& name) {
  if (name.size() <= kLongestName) return text(".{}{}", name, kMark);
  return text(".{}~{}{}", name.substr(0, kLongestName), to_hex(xxh3_128(as_bytes(name))).substr(0, 16), kMark);
}

std::string random_digits() {
  std::random_device device;
  return text("{:08x}{:08x}", device(), device());
}

std::string temporary_of(System& system, const Place& place) {
  return join(place.folder, text("{}{}-{}{}", stem_of(place.name), system.owner(), random_digits(), kTemporary));
}

// The owner in ".NAME.holdall-OWNER-RANDOM.tmp"; empty when `entry` is not such a name.
std::string_view owner_in(std::string_view entry, std::string_view stem, std::string_view suffix) {
  if (!entry.starts_with(stem) || !entry.ends_with(suffix) || entry.size() < stem.size() + suffix.size()) return {};
  entry.remove_prefix(stem.size());
  entry.remove_suffix(suffix.size());
  const std::size_t random_at = entry.rfind('-');
  return random_at == std::string_view::npos ? std::string_view() : entry.substr(0, random_at);
}

Status sync_folder_at(System& system, const std::string& path) {
  auto folder = system.open(path, System::Open::kFolder);
  if (!folder) return std::move(folder).error();
  Status synced = system.sync(*folder);
  Status closed = system.close(*folder);
  if (!synced) return std::move(synced).error().in(path);
  if (!closed) return std::move(closed).error().in(path);
  return {};
}

}  // namespace

Result<std::string> temporary_beside(System& system, const std::string& path) {
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.ends_with('/')) trimmed.pop_back();
  HOLDALL_ASSIGN(const std::string place, system.resolve(trimmed));
  return temporary_of(system, split(place));
}

Status sync_parent(System& system, const std::string& path) { return sync_folder_at(system, split(path).folder); }

Status remove_tree(System& system, const std::string& path) {
  HOLDALL_ASSIGN(const System::Kind kind, system.kind(path));
  if (kind == System::Kind::kMissing) return {};
  if (kind != System::Kind::kFolder) return system.remove(path);
  Status first;
  // Depth first without recursion: a folder is removed once it has been emptied.
  std::vector<std::pair<std::string, bool>> left = {{path, false}};
  while (!left.empty()) {
    auto [folder, emptied] = left.back();
    left.pop_back();
    if (emptied) {
      if (auto removed = system.remove_folder(folder); !removed && first) first = std::move(removed);
      continue;
    }
    left.emplace_back(folder, true);
    auto names = system.list(folder);
    if (!names) {
      if (first) first = std::move(names).error();
      continue;
    }
    for (const std::string& name : *names) {
      const std::string inside = join(folder, name);
      const auto inner = system.kind(inside);
      if (inner && *inner == System::Kind::kFolder) {
        left.emplace_back(inside, false);
      } else if (auto removed = system.remove(inside); !removed && first) {
        first = std::move(removed);
      }
    }
  }
  return first;
}

void sweep(System& system, const std::string& path) {
  const Place place = split(path);
  const std::string stem = stem_of(place.name);
  const auto names = system.list(place.folder);
  if (!names) return;
  std::vector<std::string> temporaries;
  std::vector<std::string> aside;
  for (const std::string& name : *names) {
    const bool old = name.ends_with(kOld);
    const std::string_view owner = owner_in(name, stem, old ? kOld : kTemporary);
    const std::string inside = join(place.folder, name);
    if (!owner.empty() && system.abandoned(std::string(owner), inside)) (old ? aside : temporaries).push_back(inside);
  }
  if (temporaries.empty() && aside.empty()) return;
  // A dead writer may have exchanged folders without living to sync that: what bears the temporary's name now is then still at
  // the path on disk, and must not be emptied before the exchange is there too.
  if (!sync_folder_at(system, place.folder)) return;
  for (const std::string& temporary : temporaries) static_cast<void>(remove_tree(system, temporary));
  for (const std::string& old : aside) {
    const auto kind = system.kind(path);
    if (!kind) return;
    if (*kind == System::Kind::kMissing) {
      if (!system.rename_new(old, path) || !sync_folder_at(system, place.folder)) return;
    } else {
      static_cast<void>(remove_tree(system, old));
    }
  }
}

void sweep_folder(System& system, const std::string& folder, const std::string& dead) {
  const auto names = system.list(folder);
  if (!names) return;
  std::set<std::string> places;
  bool synced = false;
  for (const std::string& name : *names) {
    const std::size_t mark = name.rfind(kMark);
    if (!name.starts_with('.') || mark == std::string::npos || mark == 0) continue;
    const std::string stem = name.substr(0, mark + kMark.size());
    const std::string of = name.substr(1, mark - 1);
    if (name.ends_with(kOld) && stem_of(of) == stem) places.insert(of);
    const std::string_view owner = owner_in(name, stem, kTemporary);
    if (owner.empty() || (owner != dead && !system.abandoned(std::string(owner), join(folder, name)))) continue;
    // As in sweep().
    if (!synced && !sync_folder_at(system, folder)) return;
    synced = true;
    static_cast<void>(remove_tree(system, join(folder, name)));
  }
  for (const std::string& place : places) sweep(system, join(folder, place));
}

Status remove_at_once(System& system, const std::string& path) {
  HOLDALL_ASSIGN(const System::Kind kind, system.kind(path));
  if (kind == System::Kind::kMissing) return {};
  if (kind != System::Kind::kFolder) return system.remove(path);
  const Place place = split(path);
  const std::string aside = temporary_of(system, place);
  Status status = system.rename_new(path, aside);
  // Else a crash may undo the renaming and not what was removed from within.
  if (status) status = sync_folder_at(system, place.folder);
  if (status) status = remove_tree(system, aside);
  return status ? std::move(status) : Status(std::move(status).error().about(path));
}

Publication::Publication(System& system, std::string path, Kind kind, const Options& options)
    : system_(&system), path_(std::move(path)), kind_(kind), options_(options) {
  const Place place = split(path_);
  parent_ = place.folder;
  temporary_ = temporary_of(system, place);
}

Result<Publication> Publication::begin(System& system, const std::string& path, Kind kind, const Options& options) {
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.ends_with('/')) trimmed.pop_back();
  HOLDALL_ASSIGN(std::string place, system.resolve(trimmed));
  const std::string name = split(place).name;
  if (name.empty() || name == "." || name == "..") {
    return invalid_argument("this names no file or folder that could be written").in(path);
  }
  sweep(system, place);
  HOLDALL_ASSIGN(const System::Kind there, system.kind(place));
  const System::Kind wanted = kind == Kind::kFile ? System::Kind::kFile : System::Kind::kFolder;
  if (there != System::Kind::kMissing && !options.replace) return Error(Code::kAlreadyExists, "exists already").in(path);
  if (there != System::Kind::kMissing && there != wanted) {
    return Error(Code::kAlreadyExists,
                 kind == Kind::kFile ? "exists already and is not a file" : "exists already and is not a folder")
        .in(path);
  }
  Publication publication(system, std::move(place), kind, options);
  HOLDALL_ASSIGN(const System::Kind parent, system.kind(publication.parent_));
  if (parent == System::Kind::kMissing) return not_found(text("there is no folder '{}'", publication.parent_)).in(path);
  publication.exists_ = there != System::Kind::kMissing;
  if (kind == Kind::kFolder) {
    if (Status made = system.make_folder(publication.temporary_); !made) return std::move(made).error().about(path);
  }
  publication.armed_ = true;
  return publication;
}

Publication::~Publication() {
  if (!armed_) return;
  try {
    static_cast<void>(remove_tree(*system_, temporary_));
  } catch (const std::bad_alloc&) {
    // The temporary stays for the next writer's sweep.
  }
}

Publication::Publication(Publication&& other) noexcept
    : system_(other.system_),
      path_(std::move(other.path_)),
      parent_(std::move(other.parent_)),
      temporary_(std::move(other.temporary_)),
      kind_(other.kind_),
      options_(other.options_),
      exists_(other.exists_),
      armed_(std::exchange(other.armed_, false)) {}

Status Publication::sync_folder(const std::string& path) {
  return options_.durable ? sync_folder_at(*system_, path) : Status();
}

// The temporary folder and all folders in it, the innermost first.
Status Publication::sync_folders_within() {
  std::vector<std::string> folders = {temporary_};
  for (std::size_t i = 0; i < folders.size(); ++i) {
    HOLDALL_ASSIGN(const auto names, system_->list(folders[i]));
    for (const std::string& name : names) {
      const std::string inside = join(folders[i], name);
      HOLDALL_ASSIGN(const System::Kind inner, system_->kind(inside));
      if (inner == System::Kind::kFolder) folders.push_back(inside);
    }
  }
  for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder) HOLDALL_TRY(sync_folder(*folder));
  return {};
}

Status Publication::commit() {
  if (kind_ == Kind::kFile && exists_) {
    // Where the old has vanished meanwhile there is nothing to hand down.
    if (Status mode = system_->copy_mode(path_, temporary_); !mode && mode.error().code() != Code::kNotFound)
      return std::move(mode).error().about(path_);
  }
  if (kind_ == Kind::kFolder) {
    if (Status synced = sync_folders_within(); !synced) return std::move(synced).error().about(path_);
  }
  if (!options_.replace || (kind_ == Kind::kFolder && !exists_)) {
    HOLDALL_TRY(system_->rename_new(temporary_, path_));
  } else if (kind_ == Kind::kFile) {
    HOLDALL_TRY(system_->rename(temporary_, path_));
  } else {
    return commit_over_folder();
  }
  armed_ = false;
  return sync_folder(parent_);
}

Status Publication::take_away() {
  if (!exists_) return {};
  // The new one has the old one's permissions.
  if (Status mode = system_->copy_mode(path_, temporary_); !mode && mode.error().code() != Code::kNotFound)
    return std::move(mode).error().about(path_);
  if (Status removed = system_->remove(path_); !removed && removed.error().code() != Code::kNotFound) return removed;
  exists_ = false;
  return sync_folder(parent_);
}

// The temporary folder takes the old one's place; what then bears the temporary name is the old one, and is removed once the
// exchange is on disk.
Status Publication::commit_over_folder() {
  HOLDALL_ASSIGN(const bool exchanged, system_->exchange(temporary_, path_));
  if (!exchanged) return move_aside_and_in();
  if (Status synced = sync_folder(parent_); !synced) {
    armed_ = false;  // the old folder may be needed again: it stays until the next writer
    return synced;
  }
  return {};
}

Status Publication::move_aside_and_in() {
  const std::string old = temporary_.substr(0, temporary_.size() - kTemporary.size()) + std::string(kOld);
  if (Status aside = system_->rename_new(path_, old); !aside) return std::move(aside).error().about(path_);
  Status moved = sync_folder(parent_);
  if (moved) moved = system_->rename_new(temporary_, path_);
  if (!moved) {
    static_cast<void>(system_->rename_new(old, path_));
    return moved;
  }
  armed_ = false;
  HOLDALL_TRY(sync_folder(parent_));
  static_cast<void>(remove_tree(*system_, old));
  return {};
}

}  // namespace holdall
