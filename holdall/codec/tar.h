// tar archives (POSIX.1-2017, pax: "ustar Interchange Format", "pax Interchange Format"; GNU tar's manual, "Basic Tar Format"):
// regular files and folders, in headers of ustar, of GNU tar and of the time before either; long names of GNU and of pax, sizes
// of pax and in base 256.
//
// Every header is read and checked when the archive is opened. An archive that two readers could see differently is refused by
// name: a wrong checksum, links, devices and sparse files, names met twice or that lead out of a folder, files as folders of
// others, sizes told twice, anything but zeros between the members and behind the last, an end without its two blocks of zeros.
//
// Thread-safety: an archive is immutable and may be shared. Ownership: it shares its source.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/base/limits.h"
#include "holdall/io/source.h"

namespace holdall {

struct TarMember {
  std::string name;  // a path without "." and without a slash at its end: "a/b"
  std::uint64_t size = 0;
  std::uint64_t header_offset = 0;  // of the first header that tells of it, in the source
  std::uint64_t data_offset = 0;
  bool is_folder = false;
};

// Whether a file begins with a tar header, whose checksum holds; or, for one that is damaged, has ustar's mark. `head` is the
// beginning of the file, 512 bytes or more of it where it is as long.
bool begins_tar(std::span<const std::byte> head);
bool looks_like_tar(std::span<const std::byte> head);

class TarArchive {
 public:
  // Reads every header, no payload. Errors: corrupt, unsupported (links, devices, sparse files), limit (members; bytes of names
  // and extended headers), io.
  static Result<TarArchive> open(SourceRef source, const Limits& limits);
  // The same as far as the headers are good; `fault` tells why it is no further.
  static TarArchive up_to_fault(SourceRef source, const Limits& limits, std::optional<Error>& fault);

  const std::vector<TarMember>& members() const noexcept { return members_; }  // in the order of the file
  // The file of this name; nullptr where there is none.
  const TarMember* find(std::string_view name) const noexcept;
  // The bytes of a member, named "path!member".
  Result<SourceRef> open_member(const TarMember& member) const;
  const SourceRef& source() const noexcept { return source_; }

 private:
  SourceRef source_;
  std::vector<TarMember> members_;
  std::vector<std::uint32_t> by_name_;  // places in members_
};

}  // namespace holdall
