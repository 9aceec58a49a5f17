#include "holdall/io/bundle.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "holdall/base/text.h"

namespace holdall {
namespace {

namespace fs = std::filesystem;

// Lists regular files below a folder, links followed. A link to a folder of the same model gives its files once more, by the
// path under which a loader finds them there; one that leads elsewhere is not part of the model.
class Listing {
 public:
  Listing(const std::string& root, const Limits& limits) : root_(root), limits_(limits) {
    std::error_code error;
    real_root_ = fs::canonical(root_, error);
  }

  Status add(const std::string& prefix, unsigned depth) {
    const fs::path folder = root_ / prefix;
    if (depth > 32) return over_limit(text("folders are nested deeper than {}", 32)).in(folder.string());
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; it != end && !error; it.increment(error)) {
      const std::string name = prefix + it->path().filename().string();
      std::error_code kind_error;
      const bool is_link = it->is_symlink(kind_error);
      if (it->is_directory(kind_error)) {
        HOLDALL_TRY(is_link ? add_linked(name, depth) : add(name + "/", depth + 1));
      } else if (it->is_regular_file(kind_error) || is_link) {
        if (is_link) links.push_back(name);
        names.push_back(name);
        if (names.size() > limits_.members) {
          return over_limit(text("the folder holds more than {} files", limits_.members)).in(folder.string());
        }
      }
    }
    if (error) return io_error("the folder cannot be listed", error.value()).in(folder.string());
    return {};
  }

  std::vector<std::string> names, links, folder_links;

 private:
  // A folder is not entered twice through links in one branch.
  Status add_linked(const std::string& name, unsigned depth) {
    folder_links.push_back(name);
    std::error_code error;
    const fs::path target = fs::canonical(root_ / name, error);
    const bool is_within =
        std::mismatch(real_root_.begin(), real_root_.end(), target.begin(), target.end()).first == real_root_.end();
    if (!is_within || std::find(entered_.begin(), entered_.end(), target) != entered_.end()) return {};
    if (++entries_ > kMostEntries) {
      return over_limit(text("links to folders are followed more than {} times", kMostEntries)).in(root_.string());
    }
    entered_.push_back(target);
    HOLDALL_TRY(add(name + "/", depth + 1));
    entered_.pop_back();
    return {};
  }

  static constexpr std::uint64_t kMostEntries = 1000;
  const fs::path root_;
  const Limits& limits_;
  fs::path real_root_;
  std::vector<fs::path> entered_;
  std::uint64_t entries_ = 0;
};

std::string file_name(std::string_view path) { return std::string(path.substr(path.rfind('/') + 1)); }

std::string folder_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  const std::size_t end = path.find_last_not_of('/', slash);
  return end == std::string_view::npos ? "/" : std::string(path.substr(0, end + 1));
}

}  // namespace

bool is_contained(std::string_view name) noexcept {
  if (name.empty() || name.front() == '/' || name.back() == '/') return false;
  if (name.find('\0') != std::string_view::npos || name.find('\\') != std::string_view::npos) return false;
  while (!name.empty()) {
    const std::size_t slash = std::min(name.find('/'), name.size());
    const std::string_view component = name.substr(0, slash);
    if (component.empty() || component == ".." || component == ".") return false;
    name.remove_prefix(std::min(slash + 1, name.size()));
  }
  return true;
}

Result<Bundle> Bundle::open(const std::string& path, const Limits& limits) {
  if (path.empty()) return invalid_argument("the path '' names no file");
  Bundle bundle;
  bundle.path_ = path;
  // Most often it is a file: nothing is asked about it before it is open.
  std::string name = path;
  Result<SourceRef> file = open_file(name);
  std::error_code error;
  if (!file && !fs::is_directory(path, error)) {
    // A prefix of several files, as TensorFlow names a checkpoint, stands for the one that knows the others.
    if (!fs::exists(path, error) && fs::is_regular_file(path + ".index", error)) file = open_file(name = path + ".index");
    if (!file) return file.error();
  }
  if (file) {
    bundle.main_ = std::move(*file);
    bundle.folder_ = folder_of(name);
    bundle.names_ = {file_name(name)};
    return bundle;
  }
  bundle.kind_ = Kind::kFolder;
  bundle.folder_ = path;
  Listing found(path, limits);
  HOLDALL_TRY(found.add("", 0));
  for (auto* names : {&found.names, &found.links, &found.folder_links}) std::sort(names->begin(), names->end());
  bundle.names_ = std::move(found.names);
  bundle.links_ = std::move(found.links);
  bundle.folder_links_ = std::move(found.folder_links);
  return bundle;
}

Bundle Bundle::of(SourceRef source) {
  Bundle bundle;
  bundle.path_ = source->name();
  bundle.names_ = {file_name(source->name())};
  bundle.main_ = std::move(source);
  return bundle;
}

Bundle Bundle::of(SourceRef source, std::string_view name, std::shared_ptr<const Parts> parts) {
  Bundle bundle = of(std::move(source));
  bundle.names_ = {file_name(name)};
  bundle.folder_ = name.substr(0, name.rfind('/') + 1);
  bundle.parts_ = std::move(parts);
  return bundle;
}

Bundle Bundle::in_memory(std::uint64_t most) const {
  if (kind_ == Kind::kFolder || main_->size() > most) return *this;
  Bundle bundle = *this;
  if (Result<Bytes> bytes = read_all(*main_, most)) bundle.main_ = memory_source(std::move(*bytes), main_->name());
  return bundle;
}

bool Bundle::has(std::string_view name) const noexcept {
  if (kind_ == Kind::kFolder) return std::binary_search(names_.begin(), names_.end(), name);
  if (name == names_.front()) return true;
  if (parts_) return is_contained(name) && parts_->contains(folder_ + std::string(name));
  if (folder_.empty() || !is_contained(name)) return false;
  struct stat facts{};
  return ::stat((folder_ + "/" + std::string(name)).c_str(), &facts) == 0 && S_ISREG(facts.st_mode);
}

Result<SourceRef> Bundle::open_part(std::string_view name) const {
  if (kind_ == Kind::kFile && name == names_.front()) return main_;
  if (!is_contained(name)) return invalid_argument(text("the name '{}' leads out of the model's folder", name)).in(path_);
  if (parts_) {
    const auto found = parts_->find(folder_ + std::string(name));
    return found == parts_->end() ? Result<SourceRef>(not_found(text("the part '{}' is missing", name)).in(path_))
                                  : found->second();
  }
  if (folder_.empty()) return not_found(text("'{}' cannot be reached from here", name)).in(path_);
  const std::string place = folder_ + "/" + std::string(name);
  auto part = open_file(place);
  if (!part.has_value() && part.error().code() == Code::kNotFound) {
    return not_found(text("the part '{}' is missing", name)).in(path_);
  }
  return part;
}

Result<Bundle> Bundle::part(std::string_view name) const {
  if (parts_) {
    HOLDALL_ASSIGN(SourceRef source, open_part(name));
    return of(std::move(source), folder_ + std::string(name), parts_);
  }
  Bundle part;
  part.path_ = (kind_ == Kind::kFolder ? path_ : folder_of(path_)) + "/" + std::string(name);
  const std::string prefix = std::string(name) + "/";
  const auto first = std::lower_bound(names_.begin(), names_.end(), prefix);
  if (kind_ == Kind::kFolder && first != names_.end() && first->starts_with(prefix)) {
    part.kind_ = Kind::kFolder;
    part.folder_ = folder_ + "/" + std::string(name);
    for (auto it = first; it != names_.end() && it->starts_with(prefix); ++it) part.names_.push_back(it->substr(prefix.size()));
    return part;
  }
  HOLDALL_ASSIGN(part.main_, open_part(name));
  if (!folder_.empty()) part.folder_ = folder_of(folder_ + "/" + std::string(name));
  part.names_ = {file_name(name)};
  return part;
}

Result<std::uint64_t> Bundle::total_bytes() const {
  if (kind_ == Kind::kFile) return main_->size();
  std::uint64_t total = 0;
  for (const std::string& name : names_) {
    std::error_code error;
    const auto size = fs::file_size(folder_ + "/" + name, error);
    if (!error) total += size;
  }
  return total;
}

std::shared_ptr<const void> Bundle::kept(const void* whose) const {
  const std::lock_guard lock(kept_->mutex);
  const auto found = kept_->things.find(whose);
  return found == kept_->things.end() ? nullptr : found->second;
}

void Bundle::keep(const void* whose, std::shared_ptr<const void> kept) const {
  const std::lock_guard lock(kept_->mutex);
  kept_->things[whose] = std::move(kept);
}

}  // namespace holdall
