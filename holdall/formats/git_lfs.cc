#include "holdall/formats/git_lfs.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "holdall/base/text.h"

namespace holdall {
namespace {

constexpr std::size_t kMostPointer = 1024;  // as git-lfs itself has it
constexpr std::string_view kStart = "version https://git-lfs.github.com/spec/";

// The whole of a source that begins as a pointer does and is no larger; nothing of any other.
Result<Bytes> beginning_like_one(const Source& source) {
  if (source.size() < kStart.size() || source.size() > kMostPointer) return Bytes();
  HOLDALL_ASSIGN(Bytes bytes, read_all(source, kMostPointer));
  return bytes.text().starts_with(kStart) ? std::move(bytes) : Bytes();
}

// A pointer's lines are "key value" (docs/spec.md of git-lfs).
bool has_plain_lines(std::string_view pointer) {
  constexpr std::string_view kKey = "abcdefghijklmnopqrstuvwxyz0123456789.-";
  constexpr std::string_view kValue = "abcdefghijklmnopqrstuvwxyz0123456789:/.-";
  while (!pointer.empty()) {
    const std::size_t end = std::min(pointer.find('\n'), pointer.size());
    std::string_view line = pointer.substr(0, end);
    pointer.remove_prefix(std::min(end + 1, pointer.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::size_t space = line.find(' ');
    if (space == 0 || space == std::string_view::npos || line.substr(0, space).find_first_not_of(kKey) != line.npos ||
        line.substr(space + 1).find_first_not_of(kValue) != line.npos)
      return false;
  }
  return true;
}

// The value of "key value" in a pointer's lines, where it consists of `allowed` alone.
std::string_view field(std::string_view pointer, std::string_view key, std::string_view allowed) {
  const std::size_t at = pointer.find("\n" + std::string(key));
  if (at == std::string_view::npos) return {};
  std::string_view value = pointer.substr(at + 1 + key.size());
  value = value.substr(0, value.find_first_of("\r\n"));
  return value.find_first_not_of(allowed) == std::string_view::npos ? value : std::string_view();
}

}  // namespace

Result<std::string> lfs_pointer(const Source& source) {
  HOLDALL_ASSIGN(const Bytes bytes, beginning_like_one(source));
  if (bytes.empty()) return std::string();
  const std::string_view size = field(bytes.text(), "size ", "0123456789");
  const std::string_view oid = field(bytes.text(), "oid sha256:", "0123456789abcdef");
  std::string found = "a Git LFS pointer";
  if (!size.empty()) found += text(" to {} bytes", size);
  if (!oid.empty()) found += text(" (oid sha256:{})", oid);
  return found + ": fetch it with git lfs pull";
}

bool is_lfs_pointer(const Source& source) {
  const Result<Bytes> bytes = beginning_like_one(source);
  return bytes && !bytes->empty() && has_plain_lines(bytes->text());
}

}  // namespace holdall
