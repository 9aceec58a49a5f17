#include "holdall/trust/media.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "holdall/base/crc32c.h"
#include "holdall/base/endian.h"
#include "holdall/codec/sstable.h"
#include "holdall/io/blob.h"
#include "holdall/io/cursor.h"

namespace holdall {
namespace {

bool starts_with(std::span<const std::byte> data, std::string_view magic) noexcept {
  return data.size() >= magic.size() && std::memcmp(data.data(), magic.data(), magic.size()) == 0;
}

bool ends_with(std::span<const std::byte> data, std::string_view magic) noexcept {
  return data.size() >= magic.size() && std::memcmp(data.data() + data.size() - magic.size(), magic.data(), magic.size()) == 0;
}

// PNG (ISO/IEC 15948): chunks of length, type, data, CRC, up to IEND and nothing behind it.
bool is_png(std::span<const std::byte> data) {
  Cursor cursor(data, ByteOrder::kBig);
  if (!cursor.skip(8)) return false;
  while (true) {
    const Result<std::uint32_t> size = cursor.read<std::uint32_t>();
    const auto type = cursor.take(4);
    if (!size || !type || !cursor.skip(std::uint64_t{*size} + 4)) return false;
    if (as_text(*type) == "IEND") return cursor.at_end();
  }
}

bool is_riff(std::span<const std::byte> data) {
  const auto padded = (data.size() < 8) ? 0 : std::uint64_t{load_le<std::uint32_t>(data.data() + 4)} + 8;
  return padded != 0 && (padded == data.size() || padded + 1 == data.size());
}

// MP4 and QuickTime (ISO/IEC 14496-12): boxes of size and type, the size 1 followed by one of 64 bits, the first of them
// "ftyp".
bool is_mp4(std::span<const std::byte> data) {
  Cursor cursor(data, ByteOrder::kBig);
  for (bool is_first = true; !cursor.at_end(); is_first = false) {
    const Result<std::uint32_t> size = cursor.read<std::uint32_t>();
    const auto type = cursor.take(4);
    if (!size || !type || (is_first && as_text(*type) != "ftyp")) return false;
    std::uint64_t whole = *size, head = 8;
    if (*size == 1) {
      const Result<std::uint64_t> large = cursor.read<std::uint64_t>();
      if (!large) return false;
      whole = *large;
      head = 16;
    }
    if (whole < head || !cursor.skip(whole - head)) return false;
  }
  return true;
}

// Ogg (RFC 3533): pages of 27 bytes, a table of as many sizes as the last of these says, and the segments.
bool is_ogg(std::span<const std::byte> data) {
  Cursor cursor(data, ByteOrder::kLittle);
  while (!cursor.at_end()) {
    const auto head = cursor.take(27);
    if (!head || !starts_with(*head, std::string_view("OggS\0", 5))) return false;
    const auto sizes = cursor.take(std::to_integer<std::size_t>(head->back()));
    if (!sizes) return false;
    std::uint64_t segments = 0;
    for (const std::byte size : *sizes) segments += std::to_integer<std::uint64_t>(size);
    if (!cursor.skip(segments)) return false;
  }
  return true;
}

// FLAC (RFC 9639): metadata blocks up to the last, then frames, each with a mark; their sizes are told nowhere.
bool is_flac(std::span<const std::byte> data) {
  Cursor cursor(data, ByteOrder::kBig);
  if (!cursor.skip(4)) return false;
  while (true) {
    const Result<std::uint32_t> block = cursor.read<std::uint32_t>();
    if (!block || !cursor.skip(*block & 0xffffff)) return false;
    if ((*block >> 31) == 0) continue;
    const auto frame = cursor.take(2);
    return frame && (*frame)[0] == std::byte{0xff} && ((*frame)[1] & std::byte{0xfe}) == std::byte{0xf8};
  }
}

bool is_sound_or_film(std::span<const std::byte> data) {
  if (starts_with(data, "RIFF")) return is_riff(data);
  if (starts_with(data, "OggS")) return is_ogg(data);
  if (starts_with(data, "fLaC")) return is_flac(data);
  return is_mp4(data);
}

bool is_image(std::span<const std::byte> data) {
  if (starts_with(data, "\x89PNG\r\n\x1a\n")) return is_png(data);
  if (starts_with(data, "\xff\xd8\xff")) return ends_with(data, "\xff\xd9");
  return starts_with(data, "GIF8") && ends_with(data, "\x3b");
}

// TFRecord (tensorflow/core/lib/io/record_writer.h): length, its masked CRC-32C, data, the masked CRC-32C of these;
// little-endian.
bool is_records(const Source& source) {
  constexpr std::uint64_t kHead = 12, kFoot = 4;
  std::vector<std::byte> tile(1u << 18);
  for (std::uint64_t at = 0; at < source.size();) {
    std::byte head[kHead], foot[kFoot];
    if (source.size() - at < kHead + kFoot || !source.read_at(at, head)) return false;
    const auto length = load_le<std::uint64_t>(head);
    if (load_le<std::uint32_t>(head + 8) != mask_crc32c(crc32c(std::span(head).first(8)))) return false;
    at += kHead;
    if (length > source.size() - at - kFoot) return false;
    std::uint32_t crc = 0;
    for (const std::uint64_t end = at + length; at < end;) {
      const auto some = std::span(tile).first(static_cast<std::size_t>(std::min<std::uint64_t>(tile.size(), end - at)));
      if (!source.read_at(at, some)) return false;
      crc = crc32c(some, crc);
      at += some.size();
    }
    if (!source.read_at(at, foot) || load_le<std::uint32_t>(foot) != mask_crc32c(crc)) return false;
    at += kFoot;
  }
  return source.size() > 0;
}

}  // namespace

std::string_view media_kind(const Source& source, const Limits& limits) {
  std::vector<std::byte> head(static_cast<std::size_t>(std::min<std::uint64_t>(source.size(), 16)));
  if (!source.read_at(0, head)) return {};
  const bool may_be_image = starts_with(head, "\x89PNG") || starts_with(head, "\xff\xd8\xff") || starts_with(head, "GIF8");
  const bool may_be_mp4 = head.size() >= 8 && as_text(std::span(head).subspan(4, 4)) == "ftyp";
  const bool may_be_sound = starts_with(head, "RIFF") || starts_with(head, "OggS") || starts_with(head, "fLaC");
  if (!may_be_image && !may_be_mp4 && !may_be_sound) return is_records(source) ? "records" : "";
  const Result<Bytes> bytes = read_all(source, limits.header_bytes);
  if (!bytes) return {};
  if (may_be_image) return is_image(*bytes) ? "image" : "";
  return is_sound_or_film(*bytes) ? "media" : "";
}

}  // namespace holdall
