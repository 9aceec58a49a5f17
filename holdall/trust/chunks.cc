#include "holdall/trust/chunks.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <set>
#include <string>
#include <tuple>

#include "holdall/base/endian.h"
#include "holdall/base/printable.h"
#include "holdall/base/text.h"
#include "holdall/codec/pickle.h"
#include "holdall/codec/zip.h"
#include "holdall/trust/contents.h"

namespace holdall {
namespace {

constexpr std::string_view kIndex = ".metadata";
constexpr std::string_view kEndRecord = "PK\5\6", kEndRecord64 = "PK\6\6", kLocator64 = "PK\6\7", kDirectoryEntry = "PK\1\2",
                           kMember = "PK\3\4";
// APPNOTE 4.3.14 to 4.3.16.
constexpr std::uint64_t kEndBytes = 22, kEnd64Bytes = 56, kLocator64Bytes = 20;
constexpr std::size_t kTile = 1u << 18;

bool stands_at(const Source& source, std::uint64_t offset, std::string_view mark) {
  std::array<std::byte, 4> bytes;
  return offset <= source.size() && source.size() - offset >= mark.size() && source.read_at(offset, bytes) &&
         as_text(bytes) == mark;
}

// Where an archive ends whose end record is at `at`, if its places count from `begin`.
std::optional<std::uint64_t> end_by_record(const Source& source, std::uint64_t begin, std::uint64_t at) {
  std::array<std::byte, kEndBytes> record;
  if (source.size() - at < kEndBytes || !source.read_at(at, record)) return std::nullopt;
  const std::uint64_t size = load_le<std::uint32_t>(record.data() + 12), offset = load_le<std::uint32_t>(record.data() + 16),
                      end = at + kEndBytes + load_le<std::uint16_t>(record.data() + 20);
  if (end > source.size()) return std::nullopt;
  if (begin + offset + size == at && stands_at(source, begin + offset, kDirectoryEntry)) return end;
  std::array<std::byte, kLocator64Bytes> locator;
  const bool is_wide = at - begin >= kEnd64Bytes + kLocator64Bytes && stands_at(source, at - kLocator64Bytes, kLocator64) &&
                       source.read_at(at - kLocator64Bytes, locator);
  if (!is_wide) return std::nullopt;
  const std::uint64_t record64 = at - kLocator64Bytes - kEnd64Bytes;
  const bool is_own = load_le<std::uint64_t>(locator.data() + 8) == record64 - begin;
  return is_own && stands_at(source, record64, kEndRecord64) ? std::optional(end) : std::nullopt;
}

std::optional<std::uint64_t> end_of_archive(const Source& source, std::uint64_t begin) {
  std::vector<std::byte> tile(kTile);
  for (std::uint64_t from = begin; source.size() - from >= kEndBytes;) {
    const auto some = std::span(tile).first(static_cast<std::size_t>(std::min<std::uint64_t>(kTile, source.size() - from)));
    if (!source.read_at(from, some)) return std::nullopt;
    const std::string_view text = as_text(some);
    for (std::size_t at = text.find(kEndRecord); at != std::string_view::npos; at = text.find(kEndRecord, at + 1))
      if (const auto end = end_by_record(source, begin, from + at)) return end;
    from += some.size() - (kEndRecord.size() - 1);
  }
  return std::nullopt;
}

struct Chunk {
  std::string file;  // relative to the index
  std::int64_t offset = 0, length = 0;

  auto operator<=>(const Chunk&) const = default;
};

// Wherever the index holds the three of an _StorageInfo, whatever class has them.
std::set<Chunk> chunks_of(const Arena& arena) {
  std::set<Chunk> chunks;
  for (NodeId node = 0; node < arena.size(); ++node) {
    const Value value = arena.at(node);
    if (value.is(ValueKind::kDict)) {
      const auto file = value.find_string("relative_path");
      const auto offset = value.find_int("offset"), length = value.find_int("length");
      if (file && offset && length) chunks.insert({std::string(*file), *offset, *length});
    } else if (value.is(ValueKind::kObject)) {
      const Value callee = value.of(value.as_object().callee), args = value.of(value.as_object().args);
      const bool is_made = callee.is(ValueKind::kGlobal) && callee.global_name() == "_StorageInfo" &&
                           args.is(ValueKind::kTuple) && args.size() >= 3 && args.item(0).is(ValueKind::kString) &&
                           args.item(1).is(ValueKind::kInt) && args.item(2).is(ValueKind::kInt);
      if (is_made) chunks.insert({std::string(args.item(0).as_string()), args.item(1).as_int(), args.item(2).as_int()});
    }
  }
  return chunks;
}

void judge_chunk(const Bundle& folder, const std::string& index, const Chunk& chunk, const Context& context,
                 const Policy& policy, Findings& findings) {
  const std::string where = text("{}/{}", folder.path(), index);
  const auto add = [&](Verdict verdict, Rule rule, std::string what) {
    findings.push_back({verdict, rule, where, std::move(what)});
  };
  if (!is_contained(chunk.file)) {
    return add(Verdict::kMalicious, Rule::kChunkPath, text("it has torch open '{}'", printable(chunk.file)));
  }
  const std::string name = index.substr(0, index.size() - kIndex.size()) + chunk.file;
  const auto file = folder.open_part(name);
  const auto size = file ? (*file)->size() : 0;
  const auto offset = static_cast<std::uint64_t>(chunk.offset), length = static_cast<std::uint64_t>(chunk.length);
  if (!file) return add(Verdict::kUnreadable, Rule::kShard, text("a chunk cannot be opened: {}", file.error().to_string()));
  if (chunk.offset < 0 || chunk.length < 0 || offset > size || length > size - offset) {
    return add(Verdict::kUnreadable, Rule::kShard,
               text("a chunk of {} bytes from {} on is not in '{}', which has {}", chunk.length, chunk.offset, name, size));
  }
  const auto source = slice_source(*file, offset, length, text("{}@{}", (*file)->name(), offset));
  if (Status status = context.unfold(length); !status || !source) {
    return add(Verdict::kUnreadable, Rule::kNotUnderstood, status ? source.error().to_string() : status.error().to_string());
  }
  Findings own;
  judge_contents(Bundle::of(*source), context, policy, own);
  for (Finding& finding : own) finding.file = folder.path() + "/" + name;
  findings.insert(findings.end(), own.begin(), own.end());
}

}  // namespace

std::vector<SourceRef> archives_in_a_row(const Bundle& bundle, const Limits& limits) {
  const SourceRef& file = bundle.main();
  std::vector<SourceRef> found;
  // What opens as one archive is one: its end need not be searched for.
  if (!stands_at(*file, 0, kMember) || ZipArchive::open(bundle, limits)) return found;
  for (std::uint64_t begin = 0; begin < file->size();) {
    if (found.size() >= limits.members || !stands_at(*file, begin, kMember)) return {};
    const auto end = end_of_archive(*file, begin);
    if (!end || (begin == 0 && *end == file->size())) return {};
    Result<SourceRef> part = slice_source(file, begin, *end - begin, text("{}@{}", file->name(), begin));
    if (!part || !ZipArchive::open(*part, limits)) return {};
    found.push_back(std::move(*part));
    begin = *end;
  }
  return found;
}

void judge_chunks(const Bundle& folder, const Context& context, const Policy& policy, Findings& findings) {
  for (const std::string& name : folder.names()) {
    if (name != kIndex && !name.ends_with("/.metadata")) continue;
    const auto source = folder.open_part(name);
    if (!source) continue;  // which is said of the file
    Arena arena;
    (void)run_pickle(arena, *source, 0, {.limits = context.limits});  // what it does itself is said of the file, too
    for (const Chunk& chunk : chunks_of(arena)) judge_chunk(folder, name, chunk, context, policy, findings);
  }
}

}  // namespace holdall
