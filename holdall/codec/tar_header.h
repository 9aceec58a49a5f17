// The records of a tar archive as they lie in the file: one header, and what extended headers say. For tar.cc alone. Layouts:
// POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar's manual, "Basic Tar Format".
//
// Thread-safety: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "holdall/base/result.h"

namespace holdall::tar {

inline constexpr std::size_t kBlock = 512;
// The largest size that eleven octal digits say.
inline constexpr std::uint64_t kMostOctal = (std::uint64_t{1} << 33) - 1;

// Types of members that are read; every other one is refused by its name.
inline constexpr char kFile = '0';
inline constexpr char kOldFile = '\0';
inline constexpr char kFolder = '5';
inline constexpr char kPax = 'x';
inline constexpr char kPaxGlobal = 'g';
inline constexpr char kGnuLongName = 'L';

struct Header {
  std::string name;  // with ustar's prefix
  std::uint64_t size = 0;
  char type = kFile;  // of a type that is not read, no more than the name is
};

// What an extended header says of the member behind it.
struct Extension {
  std::optional<std::string> name;
  std::optional<std::uint64_t> size;
};

// Whether a block has the checksum of a header; whether it has ustar's mark, in any version. Precondition: kBlock bytes.
bool has_checksum(std::span<const std::byte> block);
bool has_mark(std::span<const std::byte> block) noexcept;
// Precondition: kBlock bytes. Errors: corrupt for a wrong checksum, a number that is none, a field that goes on behind its end;
// unsupported for marks of other archivers.
Result<Header> read_header(std::span<const std::byte> block);
// The records of a pax header. Errors: corrupt when they do not tile it or a key stands there twice; unsupported for sparse
// files, links and names in another code.
Result<Extension> read_pax(std::string_view records);
// GNU's long name. Errors: corrupt where it does not end in its only NUL.
Result<Extension> read_long_name(std::string_view data);
// "a symbolic link".
std::string type_name(char type);

}  // namespace holdall::tar
