// The records of a ZIP archive as they lie in the file, and the two steps that find and read its central directory.
// For zip.cc, zip_plan.cc and zip_find.cc alone. Layouts: PKWARE APPNOTE 6.3.10, sections 4.3.7 to 4.3.16.
//
// Thread-safety: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "holdall/codec/zip.h"

namespace holdall::zip {

inline constexpr std::uint32_t kLocalSignature = 0x04034b50;
inline constexpr std::uint32_t kCentralSignature = 0x02014b50;
inline constexpr std::uint32_t kDescriptorSignature = 0x08074b50;
inline constexpr std::uint32_t kEndSignature = 0x06054b50;
inline constexpr std::uint32_t kEnd64Signature = 0x06064b50;
inline constexpr std::uint32_t kLocator64Signature = 0x07064b50;

inline constexpr std::size_t kLocalBytes = 30;
inline constexpr std::size_t kCentralBytes = 46;
inline constexpr std::size_t kEndBytes = 22;
inline constexpr std::size_t kEnd64Bytes = 56;
inline constexpr std::size_t kLocator64Bytes = 20;

inline constexpr std::uint16_t kFull16 = 0xffff;  // "see the ZIP64 record"
inline constexpr std::uint32_t kFull32 = 0xffffffff;

inline constexpr std::uint16_t kFlagEncrypted = 1u << 0;
inline constexpr std::uint16_t kFlagDescriptor = 1u << 3;
inline constexpr std::uint16_t kFlagPatched = 1u << 5;
inline constexpr std::uint16_t kFlagStrong = 1u << 6;
inline constexpr std::uint16_t kFlagUtf8 = 1u << 11;
inline constexpr std::uint16_t kFlagMasked = 1u << 13;
// What two readers would act on differently if the local header and the directory disagreed.
inline constexpr std::uint16_t kFlagsThatMatter =
    kFlagEncrypted | kFlagDescriptor | kFlagPatched | kFlagStrong | kFlagUtf8 | kFlagMasked;

inline constexpr std::uint16_t kExtraZip64 = 0x0001;
inline constexpr std::uint16_t kExtraUnicodePath = 0x7075;
inline constexpr std::uint16_t kExtraPadding = 0x4246;  // "FB", as torch pads

// Where the central directory lies: [offset, offset + size), directly before the end records.
struct Tail {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::uint64_t entries = 0;
  std::string comment;
};

// Reads the end records. Errors: corrupt when there are none, several, or they disagree; unsupported for several disks; limit.
Result<Tail> read_tail(const Source& source, const Limits& limits);

// Reads every entry of the directory, whose first byte lies at `base` of the source (for messages). Errors: corrupt,
// unsupported.
Result<std::vector<ZipMember>> read_entries(std::span<const std::byte> directory, const Tail& tail);

// The payload of the one extra field with this id; empty when there is none. Errors: corrupt when the fields do not tile
// `extra` or the id stands there twice.
Result<std::optional<std::span<const std::byte>>> find_extra(std::span<const std::byte> extra, std::uint16_t id);

// A member's name as UTF-8: as it is with flag bit 11, else from code page 437. Errors: corrupt when it is no UTF-8.
Result<std::string> decode_name(std::span<const std::byte> raw, std::uint16_t flags);

// Whether a member may have this name: it is not empty, has no NUL and no backslash, and does not lead out of a folder.
Status check_name(std::string_view name);

}  // namespace holdall::zip
