#include "holdall/codec/zip_directory.h"

#include <algorithm>
#include <array>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/base/utf8.h"
#include "holdall/io/cursor.h"

namespace holdall::zip {
namespace {

constexpr std::array<std::uint16_t, 128> kCodePage437 = {
    0x00c7, 0x00fc, 0x00e9, 0x00e2, 0x00e4, 0x00e0, 0x00e5, 0x00e7, 0x00ea, 0x00eb, 0x00e8, 0x00ef, 0x00ee, 0x00ec, 0x00c4,
    0x00c5, 0x00c9, 0x00e6, 0x00c6, 0x00f4, 0x00f6, 0x00f2, 0x00fb, 0x00f9, 0x00ff, 0x00d6, 0x00dc, 0x00a2, 0x00a3, 0x00a5,
    0x20a7, 0x0192, 0x00e1, 0x00ed, 0x00f3, 0x00fa, 0x00f1, 0x00d1, 0x00aa, 0x00ba, 0x00bf, 0x2310, 0x00ac, 0x00bd, 0x00bc,
    0x00a1, 0x00ab, 0x00bb, 0x2591, 0x2592, 0x2593, 0x2502, 0x2524, 0x2561, 0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557,
    0x255d, 0x255c, 0x255b, 0x2510, 0x2514, 0x2534, 0x252c, 0x251c, 0x2500, 0x253c, 0x255e, 0x255f, 0x255a, 0x2554, 0x2569,
    0x2566, 0x2560, 0x2550, 0x256c, 0x2567, 0x2568, 0x2564, 0x2565, 0x2559, 0x2558, 0x2552, 0x2553, 0x256b, 0x256a, 0x2518,
    0x250c, 0x2588, 0x2584, 0x258c, 0x2590, 0x2580, 0x03b1, 0x00df, 0x0393, 0x03c0, 0x03a3, 0x03c3, 0x00b5, 0x03c4, 0x03a6,
    0x0398, 0x03a9, 0x03b4, 0x221e, 0x03c6, 0x03b5, 0x2229, 0x2261, 0x00b1, 0x2265, 0x2264, 0x2320, 0x2321, 0x00f7, 0x2248,
    0x00b0, 0x2219, 0x00b7, 0x221a, 0x207f, 0x00b2, 0x25a0, 0x00a0,
};

constexpr std::size_t kMostComment = 65'535;

std::uint16_t u16(std::span<const std::byte> record, std::size_t at) { return load_le<std::uint16_t>(record.data() + at); }
std::uint32_t u32(std::span<const std::byte> record, std::size_t at) { return load_le<std::uint32_t>(record.data() + at); }
std::uint64_t u64(std::span<const std::byte> record, std::size_t at) { return load_le<std::uint64_t>(record.data() + at); }

// The last `kEndBytes + kMostComment` bytes of the source and those before them that a ZIP64 record may take.
struct TailWindow {
  Bytes bytes;
  std::uint64_t offset = 0;
};

Result<TailWindow> read_tail_window(const Source& source) {
  const std::uint64_t size = source.size();
  if (size < kEndBytes) return corrupt(text("{} bytes are too few for a ZIP archive", size));
  // Most archives have no comment: their records lie in the last few bytes.
  std::uint64_t want = std::min<std::uint64_t>(size, kEndBytes + kLocator64Bytes + kEnd64Bytes);
  HOLDALL_ASSIGN(Bytes bytes, read_range(source, size - want, want));
  const auto end = bytes.span().last(kEndBytes);
  if (u32(end, 0) == kEndSignature && u16(end, 20) == 0) {
    // Still, a signature anywhere in the region where readers search backwards counts; the nearest one wins, and it is this.
    return TailWindow{std::move(bytes), size - want};
  }
  want = std::min<std::uint64_t>(size, kEndBytes + kMostComment + kLocator64Bytes + kEnd64Bytes);
  HOLDALL_ASSIGN(bytes, read_range(source, size - want, want));
  return TailWindow{std::move(bytes), size - want};
}

// The position in the window of the one end record. Readers search backwards for its signature and believe the first they meet,
// or the first whose comment ends with the file: both must be the same record, and no other may qualify.
Result<std::size_t> find_end(const TailWindow& window, const Source& source) {
  const auto data = window.bytes.span();
  std::optional<std::size_t> found;
  for (std::size_t at = data.size() - 4 + 1; at-- > 0;) {
    if (data[at] != std::byte{0x50} || u32(data, at) != kEndSignature) continue;
    const bool ends_here = data.size() - at >= kEndBytes && u16(data, at + 20) == data.size() - at - kEndBytes;
    if (found && ends_here) {
      return corrupt("two end records fit the end of the file; readers would not agree on the directory")
          .at(window.offset + at);
    }
    if (!found && !ends_here) {
      return corrupt("the last end record does not end where the file ends").at(window.offset + at);
    }
    if (!found) found = at;
  }
  if (!found) return corrupt("no end record: this is no ZIP archive, or its end is missing").at(source.size());
  return *found;
}

// Takes the numbers of the ZIP64 record where there is a locator. Every number that the plain record gives too must agree.
Status apply_zip64(const TailWindow& window, std::size_t end_at, Tail& tail, std::uint64_t& directory_end) {
  const auto data = window.bytes.span();
  const auto end = data.subspan(end_at, kEndBytes);
  const bool has_locator = end_at >= kLocator64Bytes && u32(data, end_at - kLocator64Bytes) == kLocator64Signature;
  if (!has_locator) {
    if (tail.size == kFull32 || tail.offset == kFull32) {
      return corrupt("the end record refers to a ZIP64 record that is not there").at(window.offset + end_at);
    }
    return {};
  }
  const std::size_t locator_at = end_at - kLocator64Bytes;
  const auto locator = data.subspan(locator_at, kLocator64Bytes);
  const std::uint64_t locator_offset = window.offset + locator_at;
  if (u32(locator, 4) != 0 || u32(locator, 16) > 1)
    return unsupported("archives on several disks are not read").at(locator_offset);
  if (locator_offset < kEnd64Bytes || u64(locator, 8) != locator_offset - kEnd64Bytes || locator_at < kEnd64Bytes) {
    return corrupt(text("the ZIP64 end record is said to be at {}, its place is {} bytes before the locator", u64(locator, 8),
                        kEnd64Bytes))
        .at(locator_offset);
  }
  const auto record = data.subspan(locator_at - kEnd64Bytes, kEnd64Bytes);
  const std::uint64_t record_offset = locator_offset - kEnd64Bytes;
  if (u32(record, 0) != kEnd64Signature || u64(record, 4) != kEnd64Bytes - 12) {
    return corrupt("there is no plain ZIP64 end record before its locator").at(record_offset);
  }
  if (u32(record, 16) != 0 || u32(record, 20) != 0 || u64(record, 24) != u64(record, 32)) {
    return unsupported("archives on several disks are not read").at(record_offset);
  }
  const bool agrees = (u16(end, 10) == kFull16 || u16(end, 10) == u64(record, 32)) &&
                      (u32(end, 12) == kFull32 || u32(end, 12) == u64(record, 40)) &&
                      (u32(end, 16) == kFull32 || u32(end, 16) == u64(record, 48));
  if (!agrees) return corrupt("the end record and the ZIP64 end record disagree").at(record_offset);
  tail.entries = u64(record, 32);
  tail.size = u64(record, 40);
  tail.offset = u64(record, 48);
  directory_end = record_offset;
  return {};
}

// Sizes and the header's place: from the entry, or from its ZIP64 field for those that are full (4.5.3).
Status apply_entry_zip64(std::span<const std::byte> entry, std::span<const std::byte> extra, ZipMember& member) {
  std::array<std::uint64_t*, 3> numbers = {&member.size, &member.stored_size, &member.header_offset};
  const std::array<std::uint32_t, 3> plain = {u32(entry, 24), u32(entry, 20), u32(entry, 42)};
  for (std::size_t i = 0; i < numbers.size(); ++i) *numbers[i] = plain[i];
  HOLDALL_ASSIGN(const auto field, find_extra(extra, kExtraZip64));
  const bool disk_full = u16(entry, 34) == kFull16;
  if (!disk_full && u16(entry, 34) != 0) return unsupported("archives on several disks are not read");
  std::size_t at = 0;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (plain[i] != kFull32) continue;
    if (!field || field->size() < at + 8)
      return corrupt("its ZIP64 field does not hold the numbers that the entry leaves to it");
    *numbers[i] = u64(*field, at);
    at += 8;
  }
  if (disk_full) {
    if (!field || field->size() < at + 4 || u32(*field, at) != 0) return unsupported("archives on several disks are not read");
    at += 4;
  }
  if (!field || field->size() == at) return {};
  // Some writers repeat numbers that the entry has: harmless when every way to read them gives the same.
  if (field->size() % 8 != 0 || field->size() > 24) return corrupt(text("its ZIP64 field has {} bytes", field->size()));
  for (std::size_t i = 0; i < field->size() / 8; ++i) {
    if (u64(*field, i * 8) != *numbers[i]) return corrupt("its ZIP64 field disagrees with its entry");
  }
  return {};
}

// The Unicode Path field of Info-ZIP: readers that know it would show its name.
Status check_unicode_path(std::span<const std::byte> extra, const std::string& name) {
  HOLDALL_ASSIGN(const auto field, find_extra(extra, kExtraUnicodePath));
  if (!field) return {};
  if (field->size() < 5 || as_text(field->subspan(5)) != name) return corrupt("its Unicode Path field tells another name");
  return {};
}

Status check_kind(std::span<const std::byte> entry, const ZipMember& member) {
  constexpr unsigned kVersion = 63;  // of the specification, times ten
  if ((u16(entry, 6) & 0xff) > kVersion) {
    return unsupported(text("it needs version {} of the ZIP specification, {} is known", u16(entry, 6) & 0xff, kVersion));
  }
  if ((member.flags & (kFlagEncrypted | kFlagStrong | kFlagMasked)) != 0) return unsupported("it is encrypted");
  if ((member.flags & kFlagPatched) != 0) return unsupported("it is compressed patched data");
  if (member.method != 0 && member.method != 8) {
    return unsupported(text("compression method {} is not read, 0 (stored) and 8 (deflated) are", member.method));
  }
  constexpr std::uint32_t kTypeMask = 0170000, kLink = 0120000;
  if ((u16(entry, 4) >> 8) == 3 && ((u32(entry, 38) >> 16) & kTypeMask) == kLink) return unsupported("it is a symbolic link");
  if (member.method == 0 && member.size != member.stored_size) {
    return corrupt(text("it is stored, yet {} bytes are to become {}", member.stored_size, member.size));
  }
  // DEFLATE turns one bit into at most 258 bytes behind a table: no stream expands more than 1032-fold.
  if (member.size / 1032 > member.stored_size) {
    return corrupt(text("{} deflated bytes cannot become {}", member.stored_size, member.size));
  }
  if (member.name.ends_with('/') && member.size != 0) return corrupt(text("it is a folder and has {} bytes", member.size));
  return {};
}

Result<ZipMember> read_entry(Cursor& cursor) {
  HOLDALL_ASSIGN(const auto entry, cursor.take(kCentralBytes));
  if (u32(entry, 0) != kCentralSignature) return corrupt("there is no entry of a directory here");
  HOLDALL_ASSIGN(const auto raw_name, cursor.take(u16(entry, 28)));
  HOLDALL_ASSIGN(const auto extra, cursor.take(u16(entry, 30)));
  HOLDALL_TRY(cursor.skip(u16(entry, 32)));
  ZipMember member;
  member.flags = u16(entry, 8);
  member.method = u16(entry, 10);
  member.crc32 = u32(entry, 16);
  HOLDALL_ASSIGN(member.name, decode_name(raw_name, member.flags));
  const auto check = [&]() -> Status {
    HOLDALL_TRY(check_name(member.name));
    HOLDALL_TRY(apply_entry_zip64(entry, extra, member));
    HOLDALL_TRY(check_unicode_path(extra, member.name));
    return check_kind(entry, member);
  };
  if (auto status = check(); !status) return std::move(status).error().with(text("member '{}'", member.name));
  return member;
}

}  // namespace

Result<Tail> read_tail(const Source& source, const Limits& limits) {
  HOLDALL_ASSIGN(const TailWindow window, read_tail_window(source));
  HOLDALL_ASSIGN(const std::size_t end_at, find_end(window, source));
  const auto end = window.bytes.span().subspan(end_at);
  const std::uint64_t end_offset = window.offset + end_at;
  if (u16(end, 4) != 0 || u16(end, 6) != 0 || u16(end, 8) != u16(end, 10)) {
    return unsupported("archives on several disks are not read").at(end_offset);
  }
  Tail tail{u32(end, 16), u32(end, 12), u16(end, 10), std::string(as_text(end.subspan(kEndBytes)))};
  std::uint64_t directory_end = end_offset;
  HOLDALL_TRY(apply_zip64(window, end_at, tail, directory_end));
  if (!fits(tail.offset, tail.size, directory_end)) {
    return corrupt(text("the directory is said to take [{}, +{}), the end records begin at {}", tail.offset, tail.size,
                        directory_end))
        .at(end_offset);
  }
  if (tail.offset + tail.size != directory_end) {
    return corrupt(text("the directory is said to begin at {}, counted back from its end it begins at {}", tail.offset,
                        directory_end - tail.size))
        .at(end_offset);
  }
  if (tail.entries > tail.size / kCentralBytes) {
    return corrupt(text("{} members do not fit a directory of {} bytes", tail.entries, tail.size)).at(end_offset);
  }
  if (tail.entries > limits.members) {
    return over_limit(text("{} members, {} are allowed", tail.entries, limits.members)).at(end_offset);
  }
  if (tail.size > limits.header_bytes) {
    return over_limit(text("the directory has {} bytes, {} are allowed", tail.size, limits.header_bytes)).at(end_offset);
  }
  return tail;
}

Result<std::vector<ZipMember>> read_entries(std::span<const std::byte> directory, const Tail& tail) {
  Cursor cursor(directory);
  std::vector<ZipMember> members;
  members.reserve(static_cast<std::size_t>(tail.entries));
  for (std::uint64_t i = 0; i < tail.entries; ++i) {
    const std::size_t at = cursor.position();
    auto member = read_entry(cursor);
    if (!member) return std::move(member).error().at(at).shifted(tail.offset);
    members.push_back(*std::move(member));
  }
  if (!cursor.at_end()) {
    return corrupt(text("{} bytes of the directory belong to none of its {} entries", cursor.remaining(), tail.entries))
        .at(tail.offset + cursor.position());
  }
  return members;
}

Result<std::optional<std::span<const std::byte>>> find_extra(std::span<const std::byte> extra, std::uint16_t id) {
  std::optional<std::span<const std::byte>> found;
  // Fewer than four bytes at the end hold no field; page-aligning tools leave zeros there.
  while (extra.size() >= 4) {
    const std::uint16_t size = u16(extra, 2);
    if (size > extra.size() - 4)
      return corrupt(text("an extra field of {} bytes passes the {} that remain", size, extra.size() - 4));
    if (u16(extra, 0) == id) {
      if (found) return corrupt(text("the extra field {:#06x} stands there twice", id));
      found = extra.subspan(4, size);
    }
    extra = extra.subspan(4u + size);
  }
  return found;
}

Result<std::string> decode_name(std::span<const std::byte> raw, std::uint16_t flags) {
  const std::string_view bytes = as_text(raw);
  if ((flags & kFlagUtf8) != 0) {
    if (!is_utf8(bytes)) return corrupt("a member's name is said to be UTF-8 and is not");
    return std::string(bytes);
  }
  std::string name;
  name.reserve(bytes.size());
  for (const char letter : bytes) {
    const auto code = static_cast<unsigned char>(letter);
    append_utf8(name, code < 0x80 ? code : kCodePage437[code - 0x80u]);
  }
  return name;
}

Status check_name(std::string_view name) {
  const auto unsafe = [](const char* what) { return Error(Code::kUnsafe, what); };
  if (name.empty()) return corrupt("a member has no name");
  if (name.find('\0') != std::string_view::npos) return corrupt("its name holds a NUL");
  if (name.find("..\\") != std::string_view::npos) return unsafe("its name leads out of the archive's folder on Windows");
  if (name.find('\\') != std::string_view::npos) return corrupt("its name holds a backslash");
  if (name.front() == '/') return unsafe("its name is absolute");
  const bool drive = name.size() >= 3 && name[1] == ':' && name[2] == '/' &&
                     ((name[0] >= 'A' && name[0] <= 'Z') || (name[0] >= 'a' && name[0] <= 'z'));
  if (drive) return unsafe("its name begins with a drive");
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    if (name.substr(begin, end - begin) == "..") return unsafe("its name leads out of the archive's folder");
    begin = end + 1;
  }
  return {};
}

}  // namespace holdall::zip
