#include "holdall/codec/zip_find.h"

#include <algorithm>
#include <array>

#include "holdall/base/endian.h"
#include "holdall/base/text.h"
#include "holdall/codec/zip_directory.h"

namespace holdall {
namespace {

constexpr std::uint64_t kMostComment = 65'535;
constexpr std::string_view kEnd = "PK\5\6", kEnd64 = "PK\6\6", kLocator64 = "PK\6\7", kEntry = "PK\1\2", kMember = "PK\3\4";
constexpr std::size_t kTile = 1u << 18;

// What an end record says, and where the archive ends behind it.
struct End {
  std::uint64_t size = 0, offset = 0, end = 0;  // of the directory; of its first byte
};

End end_of(std::span<const std::byte> record, std::uint64_t place) {
  const auto comment = load_le<std::uint16_t>(record.data() + 20);
  return {load_le<std::uint32_t>(record.data() + 12), load_le<std::uint32_t>(record.data() + 16),
          place + zip::kEndBytes + comment};
}

// Where an archive ends whose end record is at `at`, if its places count from `begin`.
std::optional<std::uint64_t> end_by_record(const Source& source, std::uint64_t begin, std::uint64_t at) {
  std::array<std::byte, zip::kEndBytes> record;
  if (source.size() - at < record.size() || !source.read_at(at, record)) return std::nullopt;
  const End end = end_of(record, at);
  if (end.end > source.size()) return std::nullopt;
  if (begin + end.offset + end.size == at && stands_at(source, begin + end.offset, kEntry)) return end.end;
  if (at - begin < zip::kEnd64Bytes + zip::kLocator64Bytes) return std::nullopt;
  std::array<std::byte, zip::kLocator64Bytes> locator;
  const std::uint64_t place = at - locator.size(), record64 = place - zip::kEnd64Bytes;
  const bool is_own = stands_at(source, place, kLocator64) && source.read_at(place, locator) &&
                      load_le<std::uint64_t>(locator.data() + 8) == record64 - begin;
  return is_own && stands_at(source, record64, kEnd64) ? std::optional(end.end) : std::nullopt;
}

std::optional<std::uint64_t> end_of_archive(const Source& source, std::uint64_t begin) {
  std::vector<std::byte> tile(kTile);
  for (std::uint64_t from = begin; from < source.size() && source.size() - from >= zip::kEndBytes;) {
    const auto some = std::span(tile).first(static_cast<std::size_t>(std::min<std::uint64_t>(kTile, source.size() - from)));
    if (!source.read_at(from, some)) return std::nullopt;
    const std::string_view text = as_text(some);
    for (std::size_t at = text.find(kEnd); at != std::string_view::npos; at = text.find(kEnd, at + 1))
      if (const auto end = end_by_record(source, begin, from + at)) return end;
    from += some.size() - (kEnd.size() - 1);
  }
  return std::nullopt;
}

}  // namespace

std::optional<ZipExtent> zip_at_end(const Source& source) {
  if (source.size() < zip::kEndBytes || !source.random_access()) return std::nullopt;
  std::vector<std::byte> bytes(static_cast<std::size_t>(std::min(source.size(), zip::kEndBytes + kMostComment)));
  const std::uint64_t base = source.size() - bytes.size();
  if (!source.read_at(base, bytes)) return std::nullopt;
  const std::string_view tail = as_text(bytes);
  for (std::size_t at = tail.rfind(kEnd); at != std::string_view::npos;
       at = at == 0 ? std::string_view::npos : tail.rfind(kEnd, at - 1)) {
    if (tail.size() - at < zip::kEndBytes) continue;
    const std::uint64_t place = base + at;
    const End end = end_of(std::span(bytes).subspan(at), place);
    const bool is_wide = at >= zip::kLocator64Bytes && tail.substr(at - zip::kLocator64Bytes).starts_with(kLocator64);
    const bool is_before = end.size <= place && stands_at(source, place - end.size, kEntry);
    if (!is_wide && !is_before && !stands_at(source, end.offset, kEntry)) continue;
    const std::uint64_t begin = is_before && end.size + end.offset <= place ? place - end.size - end.offset : 0;
    return ZipExtent{begin, std::min(source.size(), end.end)};
  }
  return std::nullopt;
}

std::vector<SourceRef> zips_in_a_row(const Bundle& file, const Limits& limits) {
  const SourceRef& source = file.main();
  std::vector<SourceRef> found;
  // What opens as one archive is one: its end need not be searched for.
  if (!stands_at(*source, 0, kMember) || ZipArchive::open(file, limits)) return found;
  for (std::uint64_t begin = 0; begin < source->size();) {
    if (found.size() >= limits.members || !stands_at(*source, begin, kMember)) return {};
    const auto end = end_of_archive(*source, begin);
    if (!end || (begin == 0 && *end == source->size())) return {};
    Result<SourceRef> part = slice_source(source, begin, *end - begin, text("{}@{}", source->name(), begin));
    if (!part || !ZipArchive::open(*part, limits)) return {};
    found.push_back(std::move(*part));
    begin = *end;
  }
  return found;
}

}  // namespace holdall
