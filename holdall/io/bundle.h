// Bundle: what a user points at, seen alike whether it is a file, a folder, or bytes in memory: named parts.
//
// A file bundle has one main part and can reach files beside it (shards); a folder bundle has parts by relative path. Names
// taken from a model's content are contained: no "..", no absolute path, no link that leads out of the folder, except the
// links that the folder itself is made of (Hugging Face's cache links to ../../blobs).
// Thread-safety: immutable, but for what is kept of it, which may be from several threads. Ownership: shares its sources.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/io/source.h"

namespace holdall {

class Bundle {
 public:
  enum class Kind : std::uint8_t { kFile, kFolder };

  // Opens a path of this machine; where there is no file of that name, but one with ".index" behind it, that one. Errors: not
  // found, denied, io, limit (more entries than Limits::members).
  static Result<Bundle> open(const std::string& path, const Limits& limits);
  // One part in memory or inside another file; it reaches nothing beside it.
  static Bundle of(SourceRef source);
  // What opens the files of an archive, by their paths in it.
  using Parts = std::map<std::string, std::function<Result<SourceRef>()>, std::less<>>;
  // A file of an archive, which stands there as `name`; it reaches the files beside it and below its folder.
  static Bundle of(SourceRef source, std::string_view name, std::shared_ptr<const Parts> parts);
  // The same with its main part in memory, for who reads a small file several times; itself where that has more than `most`
  // bytes or cannot be read.
  Bundle in_memory(std::uint64_t most) const;

  Kind kind() const noexcept { return kind_; }
  // As given by the user.
  const std::string& path() const noexcept { return path_; }
  // The file of a file bundle. Precondition: kind() == kFile.
  const SourceRef& main() const noexcept { return main_; }
  // A folder's files by relative path with '/', sorted; for a file its own name alone.
  const std::vector<std::string>& names() const noexcept { return names_; }
  // Which of a folder's names are symbolic links, sorted; and those of its links that lead to folders, which are among no
  // names.
  const std::vector<std::string>& links() const noexcept { return links_; }
  const std::vector<std::string>& folder_links() const noexcept { return folder_links_; }
  bool has(std::string_view name) const noexcept;
  // Opens a part: of a folder by relative path, of a file by the name of a file beside it.
  // Errors: not found (names the part), invalid argument when the name leads out of the folder, io.
  Result<SourceRef> open_part(std::string_view name) const;
  // A part as a bundle of its own: a file, which reaches the files beside it, or (of a folder bundle) a folder in it.
  // Errors: those of open_part().
  Result<Bundle> part(std::string_view name) const;
  // Bytes on disk of all parts.
  Result<std::uint64_t> total_bytes() const;

  // What has been read of the file's structure, kept while a copy of this bundle lives, so that nobody reads it twice; `whose`
  // is an address that only who keeps it knows. Nothing of `kept` may hold a bundle.
  std::shared_ptr<const void> kept(const void* whose) const;
  void keep(const void* whose, std::shared_ptr<const void> kept) const;

 private:
  struct Kept {
    std::mutex mutex;
    std::map<const void*, std::shared_ptr<const void>> things;
  };
  Kind kind_ = Kind::kFile;
  std::string path_;
  std::string folder_;  // empty: nothing beside the main part can be reached; with parts_, empty or a path with '/' behind it
  std::shared_ptr<const Parts> parts_;  // of an archive, for one of its files
  SourceRef main_;
  std::vector<std::string> names_, links_, folder_links_;
  std::shared_ptr<Kept> kept_ = std::make_shared<Kept>();
};

// Whether a relative path from a file's content stays inside its folder: not empty, not absolute, no "..", no NUL, no
// backslash.
bool is_contained(std::string_view name) noexcept;

}  // namespace holdall
