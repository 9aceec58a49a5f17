#include "holdall/trust/tables.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "holdall/base/endian.h"
#include "holdall/base/text.h"

namespace holdall {
namespace {

using namespace std::string_view_literals;

class Ends {
 public:
  explicit Ends(const Source& source) : source_(source) {}

  std::uint64_t size() const noexcept { return source_.size(); }
  bool starts(std::string_view mark) const { return stands_at(source_, 0, mark); }
  bool ends(std::string_view mark) const { return size() >= mark.size() && stands_at(source_, size() - mark.size(), mark); }
  template <class T>
  T big(std::uint64_t offset) const {
    std::array<std::byte, sizeof(T)> bytes{};
    return offset <= size() && size() - offset >= sizeof(T) && source_.read_at(offset, bytes) ? load_be<T>(bytes.data()) : T{};
  }
  template <class T>
  T little(std::uint64_t offset) const {
    std::array<std::byte, sizeof(T)> bytes{};
    return offset <= size() && size() - offset >= sizeof(T) && source_.read_at(offset, bytes) ? load_le<T>(bytes.data()) : T{};
  }

 private:
  const Source& source_;
};

// Parquet, Arrow's files and Feather of before: a mark at both ends, and before the last the size of what describes the
// columns.
bool is_columns(const Ends& file) {
  for (const auto& [first, last] : {std::pair("PAR1"sv, "PAR1"sv), {"ARROW1\0\0"sv, "ARROW1"sv}, {"FEA1"sv, "FEA1"sv}}) {
    if (!file.starts(first) || !file.ends(last) || file.size() < first.size() + last.size() + 4) continue;
    const std::uint64_t footer = file.little<std::uint32_t>(file.size() - last.size() - 4);
    return footer > 0 && footer <= file.size() - first.size() - last.size() - 4;
  }
  return false;
}

// The size of a page (1 stands for 65,536) and how many there are.
bool is_sqlite(const Ends& file) {
  if (!file.starts("SQLite format 3\0"sv)) return false;
  const std::uint64_t said = file.big<std::uint16_t>(16), page = said == 1 ? 65'536 : said;
  return page >= 512 && (page & (page - 1)) == 0 && page * file.big<std::uint32_t>(28) == file.size();
}

// IDX: two zeros, a type, the number of dimensions and these; then the numbers, and no more.
bool is_idx(const Ends& file) {
  if (!file.starts("\0\0"sv) || file.size() < 8) return false;
  constexpr std::array<std::uint8_t, 15> kSizes = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 2, 4, 4, 8};
  const auto type = file.big<std::uint8_t>(2), dimensions = file.big<std::uint8_t>(3);
  if (type >= kSizes.size() || kSizes[type] == 0 || dimensions == 0 || dimensions > 8) return false;
  std::uint64_t numbers = kSizes[type];
  const std::uint64_t head = 4 + std::uint64_t{dimensions} * 4;
  for (std::uint64_t at = 4; at < head; at += 4) {
    const std::uint64_t dimension = file.big<std::uint32_t>(at);
    if (dimension == 0 || numbers > file.size() / dimension) return false;
    numbers *= dimension;
  }
  return head + numbers == file.size();
}

// AppleDouble (RFC 1740): a table of entries (what, where, how long) of what macOS knows of another file.
bool is_apple_double(const Ends& file) {
  if (!file.starts("\0\5\x16\7\0\2\0\0"sv)) return false;
  const auto entries = file.big<std::uint16_t>(24);
  std::uint64_t reach = 26 + std::uint64_t{entries} * 12;
  if (entries == 0 || reach > file.size()) return false;
  for (std::uint64_t i = 0; i < entries; ++i)
    reach = std::max(reach, std::uint64_t{file.big<std::uint32_t>(30 + i * 12)} + file.big<std::uint32_t>(34 + i * 12));
  return reach == file.size();
}

// The Finder's: an allocator's root block, whose place is said twice.
bool is_ds_store(const Ends& file) {
  if (!file.starts("\0\0\0\1Bud1"sv)) return false;
  const std::uint64_t offset = file.big<std::uint32_t>(8), size = file.big<std::uint32_t>(12);
  return offset == file.big<std::uint32_t>(16) && size > 0 && 4 + offset + size <= file.size();
}

// Windows': pictures in a compound file ([MS-CFB]), which is a header and whole sectors.
bool is_thumbs(const Ends& file, std::string_view name) {
  constexpr std::string_view kOwn = "thumbs.db";
  const auto same = [](char a, char b) { return a == b || (a >= 'A' && a <= 'Z' && a - 'A' + 'a' == b); };
  const std::string_view base = name.substr(name.find_last_of("/!") + 1);
  if (!std::equal(base.begin(), base.end(), kOwn.begin(), kOwn.end(), same)) return false;
  const auto shift = file.little<std::uint16_t>(30);
  return file.starts("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"sv) && file.little<std::uint16_t>(28) == 0xfffe &&
         (shift == 9 || shift == 12) && file.size() % (std::uint64_t{1} << shift) == 0;
}

}  // namespace

std::string_view table_kind(const Source& source, std::string_view name) {
  const Ends file(source);
  if (is_columns(file) || is_idx(file)) return "table";
  if (is_sqlite(file)) return "database";
  return is_apple_double(file) || is_ds_store(file) || is_thumbs(file, name) ? "system" : "";
}

}  // namespace holdall
