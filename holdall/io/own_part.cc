#include "holdall/io/own_part.h"

#include <sys/stat.h>

#include <filesystem>

#include "holdall/base/text.h"

namespace holdall {
namespace {

namespace fs = std::filesystem;

// Whether a path without links lies below a folder.
bool is_below(const fs::path& resolved, const fs::path& folder) {
  std::error_code error;
  const std::string base = fs::canonical(folder, error).string();
  return !error && resolved.string().starts_with(base.ends_with('/') ? base : base + "/");
}

}  // namespace

Result<SourceRef> open_own_part(const Bundle& bundle, std::string_view name) {
  HOLDALL_ASSIGN(SourceRef part, bundle.open_part(name));
  std::uint64_t at = 0;
  const int descriptor = part->descriptor(0, &at);
  if (descriptor < 0) return part;
  const auto refused = [&](std::string what) { return Error(Code::kUnsafe, std::move(what)).in(part->name()); };
  struct stat opened{}, found{};
  if (::fstat(descriptor, &opened) != 0 || !S_ISREG(opened.st_mode)) return refused("it is no regular file");
  if (opened.st_nlink > 1)
    return refused(text("it has {} names on the disk: a hard link may lead out of the folder", opened.st_nlink));
  std::error_code error;
  const std::string& path = part->name();
  const fs::path resolved = fs::canonical(path, error);
  if (error || ::stat(resolved.c_str(), &found) != 0 || found.st_dev != opened.st_dev || found.st_ino != opened.st_ino)
    return refused("it was replaced while it was opened");
  const fs::path folder = path.substr(0, path.size() - name.size());
  if (is_below(resolved, folder)) return part;
  const fs::path home = fs::canonical(bundle.path(), error).parent_path();
  if (error || bundle.kind() == Bundle::Kind::kFolder || !is_below(resolved, home))
    return refused("a link leads out of the folder");
  return part;
}

}  // namespace holdall
