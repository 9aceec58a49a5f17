#include "holdall/trust/pictures.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "holdall/base/endian.h"
#include "holdall/base/text.h"
#include "holdall/io/cursor.h"

namespace holdall {
namespace {

using namespace std::string_view_literals;
using Data = std::span<const std::byte>;

// Numbers of one byte order within a file, and how far what they speak of reaches.
class Extent {
 public:
  Extent(Data data, ByteOrder order) noexcept : data_(data), order_(order) {}

  // Zero outside of the file, which then is none of ours.
  template <class T>
  T at(std::uint64_t offset) {
    if (!covers(offset, sizeof(T))) return 0;
    const std::byte* from = data_.data() + offset;
    return order_ == ByteOrder::kLittle ? load_le<T>(from) : load_be<T>(from);
  }
  bool covers(std::uint64_t offset, std::uint64_t size) noexcept {
    is_good_ = is_good_ && offset <= data_.size() && size <= data_.size() - offset;
    if (is_good_) reach_ = std::max(reach_, offset + size);
    return is_good_;
  }
  bool is_good() const noexcept { return is_good_; }
  // Nothing stands behind it but what fills up to a multiple.
  bool is_whole(std::uint64_t multiple = 1) const noexcept {
    return is_good_ && (reach_ + multiple - 1) / multiple >= (data_.size() + multiple - 1) / multiple;
  }

 private:
  Data data_;
  ByteOrder order_;
  std::uint64_t reach_ = 0;
  bool is_good_ = true;
};

// BITMAPFILEHEADER: the size of all, where the pixels begin, a header of a size that there is.
bool is_bmp(Data data) {
  Extent file(data, ByteOrder::kLittle);
  constexpr std::array<std::uint32_t, 7> kHeaders = {12, 40, 52, 56, 64, 108, 124};
  const auto size = file.at<std::uint32_t>(2), unused = file.at<std::uint32_t>(6), pixels = file.at<std::uint32_t>(10),
             header = file.at<std::uint32_t>(14);
  return file.is_good() && size == data.size() && unused == 0 && pixels <= size && pixels >= std::uint64_t{14} + header &&
         std::find(kHeaders.begin(), kHeaders.end(), header) != kHeaders.end();
}

// Icons: a table of pictures that stand one behind another.
bool is_icon(Data data) {
  Extent file(data, ByteOrder::kLittle);
  const auto count = file.at<std::uint16_t>(4);
  std::uint64_t sum = 6 + std::uint64_t{count} * 16;
  for (std::uint64_t i = 0; i < count && file.is_good(); ++i) {
    const auto size = file.at<std::uint32_t>(14 + i * 16), offset = file.at<std::uint32_t>(18 + i * 16);
    file.covers(offset, size);
    sum += size;
  }
  return count > 0 && file.is_whole() && sum == data.size();
}

// TIFF 6.0: directories of entries (tag, type, count, value or where it is); strips (273, 279) and tiles (324, 325) are where
// the pixels are.
bool is_tiff(Data data) {
  Extent file(data, as_text(data.first(2)) == "II" ? ByteOrder::kLittle : ByteOrder::kBig);
  constexpr std::array<std::uint8_t, 14> kSizes = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4};
  constexpr std::uint64_t kMostPieces = 1u << 20;
  std::uint64_t at = file.at<std::uint32_t>(4), pieces = 0;
  for (int directories = 0; at != 0; ++directories) {
    const auto count = file.at<std::uint16_t>(at);
    if (count == 0 || directories > 1000) return false;
    struct Row {
      std::uint64_t at = 0, count = 0, size = 0;
    } offsets, sizes;
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t entry = at + 2 + i * 12;
      const auto tag = file.at<std::uint16_t>(entry), type = file.at<std::uint16_t>(entry + 2);
      const auto values = file.at<std::uint32_t>(entry + 4);
      if (!file.is_good() || type == 0 || type >= kSizes.size()) return false;
      const std::uint64_t whole = std::uint64_t{values} * kSizes[type];
      const std::uint64_t place = whole <= 4 ? entry + 8 : file.at<std::uint32_t>(entry + 8);
      file.covers(place, whole);
      if (tag == 273 || tag == 324) offsets = {place, values, kSizes[type]};
      if (tag == 279 || tag == 325) sizes = {place, values, kSizes[type]};
    }
    if (offsets.count != sizes.count || (pieces += sizes.count) > kMostPieces) return false;
    const auto number = [&](const Row& row, std::uint64_t i) -> std::uint64_t {
      return row.size == 2 ? file.at<std::uint16_t>(row.at + i * 2) : file.at<std::uint32_t>(row.at + i * 4);
    };
    for (std::uint64_t i = 0; i < sizes.count && file.is_good(); ++i) file.covers(number(offsets, i), number(sizes, i));
    at = file.at<std::uint32_t>(at + 2 + std::uint64_t{count} * 12);
  }
  return file.is_whole(4);
}

// Netpbm's P4, P5 and P6: width, height and the highest value as text, one white space, and the pixels.
bool is_pnm(Data data) {
  const std::string_view text = as_text(data);
  constexpr std::string_view kSpace = " \t\r\n";
  std::array<std::uint64_t, 3> numbers{0, 0, 1};
  std::size_t at = 2;
  for (std::size_t i = 0; i < (text[1] == '4' ? 2u : 3u); ++i) {
    at = text.find_first_not_of(kSpace, at);
    while (at != std::string_view::npos && text[at] == '#')
      at = text.find_first_not_of(kSpace, std::min(text.find('\n', at), text.size()));
    if (at == std::string_view::npos) return false;
    const std::size_t end = std::min(text.find_first_of(kSpace, at), text.size());
    const std::string_view digits = text.substr(at, end - at);
    if (digits.empty() || digits.size() > 7 || digits.find_first_not_of("0123456789") != std::string_view::npos) return false;
    numbers[i] = 0;
    for (const char digit : digits) numbers[i] = numbers[i] * 10 + static_cast<std::uint64_t>(digit - '0');
    at = end;
  }
  const auto [width, height, highest] = numbers;
  if (highest == 0 || highest > 65'535 || at >= text.size()) return false;
  const std::uint64_t row = text[1] == '4' ? (width + 7) / 8 : width * (text[1] == '6' ? 3 : 1) * (highest > 255 ? 2 : 1);
  return text.size() - at - 1 == row * height;
}

// TrueType and OpenType: a directory of tables (tag, checksum, offset, length), each filled up to four bytes.
bool is_sfnt(Data data) {
  Extent file(data, ByteOrder::kBig);
  const auto tables = file.at<std::uint16_t>(4);
  for (std::uint64_t i = 0; i < tables && file.is_good(); ++i)
    file.covers(file.at<std::uint32_t>(20 + i * 16), file.at<std::uint32_t>(24 + i * 16));
  return tables > 0 && file.is_whole(4);
}

// WOFF 1 and 2: the size of all stands behind the kind of font.
bool is_woff(Data data) {
  Extent file(data, ByteOrder::kBig);
  return file.at<std::uint32_t>(8) == data.size();
}

// The size of an MPEG audio frame of layer III that begins with these four bytes.
std::optional<std::uint64_t> mp3_frame(std::uint32_t head) {
  constexpr std::array<std::uint32_t, 15> kFirst = {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320};
  constexpr std::array<std::uint32_t, 15> kSecond = {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160};
  constexpr std::array<std::uint32_t, 3> kRates = {44'100, 48'000, 32'000};
  const std::uint32_t version = head >> 19 & 3, layer = head >> 17 & 3, bits = head >> 12 & 15, rate = head >> 10 & 3;
  if (head >> 21 != 0x7ff || version == 1 || layer != 1 || bits == 0 || bits == 15 || rate == 3) return std::nullopt;
  const bool is_first = version == 3;
  const std::uint32_t hertz = kRates[rate] >> (is_first ? 0 : version == 2 ? 1 : 2);
  return (is_first ? 144'000u * kFirst[bits] : 72'000u * kSecond[bits]) / hertz + (head >> 9 & 1);
}

// MP3: a tag (ID3v2) or none, frames one behind another, a tag of 128 bytes (ID3v1) or none.
bool is_mp3(Data data) {
  Cursor cursor(data, ByteOrder::kBig);
  if (as_text(data).starts_with("ID3")) {
    const auto head = cursor.take(10);
    if (!head) return false;
    std::uint64_t size = 0;
    for (const std::byte part : head->last(4)) size = size << 7 | (std::to_integer<std::uint64_t>(part) & 0x7f);
    if (!cursor.skip(size)) return false;
  }
  std::size_t frames = 0;
  for (; !cursor.at_end(); ++frames) {
    if (cursor.remaining() == 128 && as_text(data.last(128)).starts_with("TAG")) break;
    const Result<std::uint32_t> head = cursor.read<std::uint32_t>();
    const auto size = head ? mp3_frame(*head) : std::nullopt;
    if (!size || *size < 4 || !cursor.skip(*size - 4)) return false;
  }
  return frames > 1;
}

// Compiled catalogs of gettext: tables of sizes and offsets of texts, each with a zero behind it.
bool is_catalog(Data data) {
  Extent file(data, std::to_integer<int>(data[0]) == 0xde ? ByteOrder::kLittle : ByteOrder::kBig);
  const std::uint64_t count = file.at<std::uint32_t>(8), hashes = file.at<std::uint32_t>(20);
  if (file.at<std::uint32_t>(4) > 1 || count == 0) return false;
  file.covers(file.at<std::uint32_t>(24), hashes * 4);
  for (const std::uint64_t table : {file.at<std::uint32_t>(12), file.at<std::uint32_t>(16)}) {
    if (!file.covers(table, count * 8)) return false;
    for (std::uint64_t i = 0; i < count && file.is_good(); ++i)
      file.covers(file.at<std::uint32_t>(table + i * 8 + 4), std::uint64_t{file.at<std::uint32_t>(table + i * 8)} + 1);
  }
  return file.is_whole();
}

// PDF: its mark at the beginning, and that of its end.
bool is_pdf(Data data) {
  std::string_view tail = as_text(data);
  while (tail.ends_with('\n') || tail.ends_with('\r')) tail.remove_suffix(1);
  return tail.ends_with("%%EOF");
}

struct Kind {
  std::string_view mark, name;
  bool (*check)(Data);
};

constexpr std::array kKinds = {
    Kind{"BM"sv, "image", is_bmp},
    Kind{"\0\0\1\0"sv, "image", is_icon},
    Kind{"\0\0\2\0"sv, "image", is_icon},
    Kind{"II*\0"sv, "image", is_tiff},
    Kind{"MM\0*"sv, "image", is_tiff},
    Kind{"P4"sv, "image", is_pnm},
    Kind{"P5"sv, "image", is_pnm},
    Kind{"P6"sv, "image", is_pnm},
    Kind{"\0\1\0\0"sv, "font", is_sfnt},
    Kind{"OTTO"sv, "font", is_sfnt},
    Kind{"true"sv, "font", is_sfnt},
    Kind{"wOFF"sv, "font", is_woff},
    Kind{"wOF2"sv, "font", is_woff},
    Kind{"ID3"sv, "media", is_mp3},
    Kind{"\xff\xfb"sv, "media", is_mp3},
    Kind{"\xff\xf3"sv, "media", is_mp3},
    Kind{"\xff\xf2"sv, "media", is_mp3},
    Kind{"\xff\xfa"sv, "media", is_mp3},
    Kind{"\xde\x12\x04\x95"sv, "catalog", is_catalog},
    Kind{"\x95\x04\x12\xde"sv, "catalog", is_catalog},
    Kind{"%PDF-"sv, "document", is_pdf},
};

}  // namespace

bool may_be_picture(Data head) noexcept {
  return std::any_of(kKinds.begin(), kKinds.end(), [&](const Kind& kind) { return as_text(head).starts_with(kind.mark); });
}

std::string_view picture_kind(Data data) {
  for (const Kind& kind : kKinds)
    if (as_text(data).starts_with(kind.mark)) return kind.check(data) ? kind.name : ""sv;
  return {};
}

}  // namespace holdall
