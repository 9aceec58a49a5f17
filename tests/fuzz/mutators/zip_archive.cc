#include "tests/fuzz/mutators/zip_archive.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "holdall/codec/compress.h"
#include "holdall/codec/zip.h"
#include "tests/fuzz/plain_zip.h"

namespace holdall::fuzz {
namespace {

constexpr std::uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50, kDescriptor = 0x08074b50;
constexpr std::uint32_t kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr std::size_t kMostMembers = 64;

// What a local header and a central entry both say.
struct Header {
  std::uint16_t version = 20, flags = 0, method = 0, time = 0, date = 0;
  std::uint32_t crc = 0, stored = 0, size = 0;
  std::string name, extra;
};

struct Entry {
  Header local, central;
  std::string payload;     // as stored
  std::string behind;      // between the payload and the next header: a descriptor, or anything
  std::string comment;     // of the central entry
  std::uint32_t made = 0;  // external attributes
  std::int64_t shift = 0;  // of the offset in the central entry
  bool in_file = true, in_directory = true;
};

struct Archive {
  std::string before, gap, behind, comment;
  std::vector<Entry> entries;
  std::int64_t count_shift = 0, size_shift = 0, offset_shift = 0;
  bool with_zip64 = false;
  bool twice = false;  // the end record
};

Header header_at(std::string_view data, std::size_t at) {
  Header header;
  const auto u16 = [&](std::size_t i) { return load_le<std::uint16_t>(data.data() + at + i); };
  const auto u32 = [&](std::size_t i) { return load_le<std::uint32_t>(data.data() + at + i); };
  header.version = u16(0);
  header.flags = u16(2);
  header.method = u16(4);
  header.time = u16(6);
  header.date = u16(8);
  header.crc = u32(10);
  header.stored = u32(14);
  header.size = u32(18);
  return header;
}

// One entry whose central record is at `at`; moves behind it. Nothing where it does not fit.
std::optional<Entry> entry_at(std::string_view data, std::size_t& at) {
  if (at + 46 > data.size() || load_le<std::uint32_t>(data.data() + at) != kCentral) return std::nullopt;
  Entry entry;
  entry.central = header_at(data, at + 6);
  const std::size_t name = load_le<std::uint16_t>(data.data() + at + 28), extra = load_le<std::uint16_t>(data.data() + at + 30);
  const std::size_t comment = load_le<std::uint16_t>(data.data() + at + 32);
  entry.made = load_le<std::uint32_t>(data.data() + at + 38);
  const std::size_t local = load_le<std::uint32_t>(data.data() + at + 42);
  at += 46;
  if (at + name + extra + comment > data.size()) return std::nullopt;
  entry.central.name = data.substr(at, name);
  entry.central.extra = data.substr(at + name, extra);
  entry.comment = data.substr(at + name + extra, comment);
  at += name + extra + comment;
  if (local + 30 > data.size()) return std::nullopt;
  entry.local = header_at(data, local + 4);
  const std::size_t own_name = load_le<std::uint16_t>(data.data() + local + 26);
  const std::size_t own_extra = load_le<std::uint16_t>(data.data() + local + 28);
  if (local + 30 + own_name + own_extra > data.size()) return std::nullopt;
  entry.local.name = data.substr(local + 30, own_name);
  entry.local.extra = data.substr(local + 30 + own_name, own_extra);
  entry.payload = data.substr(local + 30 + own_name + own_extra, entry.central.stored);
  if ((entry.local.flags & 8) != 0) {
    put_le(entry.behind, kDescriptor);
    put_le(entry.behind, entry.central.crc);
    put_le(entry.behind, entry.central.stored);
    put_le(entry.behind, entry.central.size);
  }
  return entry;
}

Archive parse(std::string_view data) {
  Archive archive;
  const std::size_t end = data.rfind("PK\5\6");
  if (end == std::string_view::npos || end + 22 > data.size()) return archive;
  archive.comment = data.substr(end + 22);
  archive.with_zip64 = data.find("PK\6\7") != std::string_view::npos;
  std::size_t at = load_le<std::uint32_t>(data.data() + end + 16);
  while (archive.entries.size() < kMostMembers) {
    auto entry = entry_at(data, at);
    if (!entry) break;
    archive.entries.push_back(std::move(*entry));
  }
  return archive;
}

void put_header(std::string& out, const Header& header) {
  for (const std::uint16_t value : {header.version, header.flags, header.method, header.time, header.date}) put_le(out, value);
  for (const std::uint32_t value : {header.crc, header.stored, header.size}) put_le(out, value);
  put_le(out, static_cast<std::uint16_t>(header.name.size()));
  put_le(out, static_cast<std::uint16_t>(header.extra.size()));
}

void put_entry(std::string& directory, const Entry& entry, std::size_t offset) {
  put_le(directory, kCentral);
  put_le(directory, std::uint16_t{20});
  put_header(directory, entry.central);
  put_le(directory, static_cast<std::uint16_t>(entry.comment.size()));
  put_le(directory, std::uint32_t{0});
  put_le(directory, entry.made);
  put_le(directory, static_cast<std::uint32_t>(static_cast<std::int64_t>(offset) + entry.shift));
  directory += entry.central.name + entry.central.extra + entry.comment;
}

void put_end64(std::string& out, std::uint64_t count, std::uint64_t size, std::uint64_t offset) {
  const std::uint64_t at = out.size();
  put_le(out, kEnd64);
  put_le(out, std::uint64_t{44});
  put_le(out, std::uint32_t{45u << 16 | 45u});
  put_le(out, std::uint64_t{0});
  for (const std::uint64_t value : {count, count, size, offset}) put_le(out, value);
  put_le(out, kLocator64);
  put_le(out, std::uint32_t{0});
  put_le(out, at);
  put_le(out, std::uint32_t{1});
}

std::string laid_out(const Archive& archive) {
  std::string out = archive.before, directory;
  std::int64_t count = 0;
  for (const Entry& entry : archive.entries) {
    const std::size_t offset = out.size();
    if (entry.in_file) {
      put_le(out, kLocal);
      put_header(out, entry.local);
      out += entry.local.name + entry.local.extra + entry.payload + entry.behind;
    }
    if (!entry.in_directory) continue;
    put_entry(directory, entry, offset);
    ++count;
  }
  out += archive.gap;
  const auto offset = static_cast<std::int64_t>(out.size()) + archive.offset_shift;
  const auto size = static_cast<std::int64_t>(directory.size()) + archive.size_shift;
  out += directory;
  count += archive.count_shift;
  if (archive.with_zip64) {
    put_end64(out, static_cast<std::uint64_t>(count), static_cast<std::uint64_t>(size), static_cast<std::uint64_t>(offset));
  }
  std::string end;
  put_le(end, kEnd);
  put_le(end, std::uint32_t{0});
  put_le(end, static_cast<std::uint16_t>(count));
  put_le(end, static_cast<std::uint16_t>(count));
  put_le(end, static_cast<std::uint32_t>(size));
  put_le(end, static_cast<std::uint32_t>(offset));
  put_le(end, static_cast<std::uint16_t>(archive.comment.size()));
  end += archive.comment;
  return out + end + (archive.twice ? end : std::string()) + archive.behind;
}

std::string deflated(const std::string& data) {
  std::string out;
  const Sink sink = [&](std::span<const std::byte> some) -> Status {
    out += as_text(some);
    return {};
  };
  // A zlib stream is a deflate stream between a header of 2 bytes and a checksum of 4.
  if (!compress(Blob::memory(Bytes::copy(data), {}), Compression::kZlib, 6, sink) || out.size() < 6) return {};
  return out.substr(2, out.size() - 6);
}

void set_contents(Entry& entry, const std::string& data) {
  entry.payload = entry.central.method == 8 ? deflated(data) : data;
  for (Header* header : {&entry.local, &entry.central}) {
    header->crc = crc32(as_bytes(std::string_view(data)));
    header->stored = static_cast<std::uint32_t>(entry.payload.size());
    header->size = static_cast<std::uint32_t>(data.size());
  }
  if (entry.behind.size() != 16) return;
  store_le(entry.behind.data() + 4, entry.central.crc);
  store_le(entry.behind.data() + 8, entry.central.stored);
  store_le(entry.behind.data() + 12, entry.central.size);
}

std::optional<std::string> contents(const Entry& entry) {
  if (entry.central.method == 0) return entry.payload;
  if (entry.central.method != 8) return std::nullopt;
  // What is deflated is read back through an archive of it alone.
  Archive one;
  one.entries.push_back(entry);
  Entry& only = one.entries.front();
  only.behind.clear();
  only.shift = 0;
  only.central.flags = 0;
  only.central.name = "x";
  only.central.extra.clear();
  only.comment.clear();
  only.made = 0;
  only.local = only.central;
  only.in_file = only.in_directory = true;
  Limits limits;
  limits.expansion_floor = 1u << 18;
  const auto archive = ZipArchive::open(memory_source(Bytes::adopt(laid_out(one)), "one"), limits);
  if (!archive) return std::nullopt;
  const auto blob = (*archive)->blob("x");
  const auto bytes = blob ? blob->read(1u << 18) : Result<Bytes>(blob.error());
  if (!bytes) return std::nullopt;
  return std::string(bytes->text());
}

constexpr std::string_view kNames[] = {"archive/data.pkl",
                                       "archive/version",
                                       "archive/byteorder",
                                       "archive/data/0",
                                       "archive/.data/serialization_id",
                                       "archive/constants.pkl",
                                       "archive/code/__torch__.py",
                                       "data.pkl",
                                       "arr_0.npy",
                                       "config.json",
                                       "metadata.json",
                                       "model.weights.h5",
                                       "schema.json",
                                       "x.py",
                                       "a/../b",
                                       "/abs",
                                       "A/DATA.PKL",
                                       "archive/data.pkl/",
                                       "archive/data.pkl\\",
                                       "archive//data.pkl",
                                       "archive/data.pkl.",
                                       "\xc3\xa9.pkl",
                                       "x",
                                       ""};

void mutate_header(Header& header, Chance& chance) {
  static constexpr std::uint16_t kSmall[] = {0, 1, 2, 6, 8, 12, 14, 20, 45, 93, 99, 0x800, 0x808, 0x2000, 0xffff};
  static constexpr std::uint32_t kLarge[] = {0, 1, 22, 0x7fffffff, 0x80000000, 0xffffffff};
  std::uint16_t* const small[] = {&header.version, &header.flags, &header.method, &header.time, &header.date};
  std::uint32_t* const large[] = {&header.crc, &header.stored, &header.size};
  switch (chance.below(6)) {
    case 0:
    case 1:
      *small[chance.below(5)] = chance.of(kSmall);
      return;
    case 2: {
      std::uint32_t& value = *large[chance.below(3)];
      value = chance.one_in(2) ? chance.of(kLarge) : value + static_cast<std::uint32_t>(chance.below(5)) - 2;
      return;
    }
    case 3:
      header.flags = static_cast<std::uint16_t>(header.flags ^ (1 << chance.below(16)));
      return;
    case 4:
      header.name = chance.of(kNames);
      return;
    default: {
      std::string extra;
      static constexpr std::uint16_t kTags[] = {1, 0x7075, 0x6375, 0x4246, 0x5455, 0x9901, 0xcafe};
      put_le(extra, chance.of(kTags));
      const std::string value(chance.below(30), static_cast<char>(chance.below(3)));
      put_le(extra, static_cast<std::uint16_t>(value.size()));
      header.extra += extra + value;
    }
  }
}

void mutate_contents(Entry& entry, Chance& chance, const std::function<void(std::string&)>& inside) {
  auto data = contents(entry);
  if (!data) return mutate_bytes(entry.payload, chance);
  inside(*data);
  if (chance.one_in(8)) entry.local.method = entry.central.method = entry.central.method == 8 ? 0 : 8;
  set_contents(entry, *data);
}

void mutate_entry(Entry& entry, Chance& chance, const std::function<void(std::string&)>& inside) {
  switch (chance.below(12)) {
    case 0:
      return mutate_header(entry.local, chance);
    case 1:
      return mutate_header(entry.central, chance);
    case 2:
      mutate_header(entry.local, chance);
      entry.central = entry.local;
      return;
    case 3:
      entry.local.name = entry.central.name = chance.of(kNames);
      return;
    case 4:
      entry.in_directory = !entry.in_directory;
      return;
    case 5:
      entry.shift += static_cast<std::int64_t>(chance.below(64)) - 32;
      return;
    case 6:
      return mutate_bytes(entry.behind, chance);
    case 7:
      entry.made = static_cast<std::uint32_t>(chance.next());
      return;
    default:
      return mutate_contents(entry, chance, inside);
  }
}

void mutate_layout(Archive& archive, Chance& chance) {
  const auto off = [&] { return static_cast<std::int64_t>(chance.below(9)) - 4; };
  switch (chance.below(9)) {
    case 0:
      return mutate_bytes(archive.before, chance);
    case 1:
      return mutate_bytes(archive.gap, chance);
    case 2:
      return mutate_bytes(archive.behind, chance);
    case 3:
      return mutate_bytes(archive.comment, chance);
    case 4:
      archive.count_shift = off();
      return;
    case 5:
      archive.size_shift = off();
      return;
    case 6:
      archive.offset_shift = off();
      return;
    case 7:
      archive.with_zip64 = !archive.with_zip64;
      return;
    default:
      archive.twice = true;
  }
}

void mutate_order(std::vector<Entry>& entries, Chance& chance) {
  const std::size_t at = chance.below(entries.size()), other = chance.below(entries.size());
  switch (chance.below(3)) {
    case 0:
      entries.insert(entries.begin() + static_cast<std::ptrdiff_t>(other), Entry(entries[at]));
      if (!chance.one_in(3)) entries[other].local.name = entries[other].central.name = chance.of(kNames);
      return;
    case 1:
      std::swap(entries[at], entries[other]);
      return;
    default:
      entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(at));
  }
}

}  // namespace

bool looks_like_zip(std::string_view data) { return data.starts_with("PK") && data.find("PK\5\6") != std::string_view::npos; }

void mutate_zip(std::string& data, Chance& chance, const std::function<void(std::string& member)>& inside) {
  Archive archive = parse(data);
  if (archive.entries.empty() || chance.one_in(32)) return mutate_bytes(data, chance);
  for (std::size_t i = 1 + chance.below(2); i-- > 0 && !archive.entries.empty();) {
    switch (chance.below(8)) {
      case 0:
        mutate_layout(archive, chance);
        break;
      case 1:
        mutate_order(archive.entries, chance);
        break;
      default:
        mutate_entry(archive.entries[chance.below(archive.entries.size())], chance, inside);
    }
  }
  data = laid_out(archive);
}

}  // namespace holdall::fuzz
