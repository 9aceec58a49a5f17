#include "holdall/codec/tar_header.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/io/bytes.h"

namespace holdall::tar {
namespace {

using namespace std::string_view_literals;

struct Field {
  std::size_t offset;
  std::size_t size;
  std::string_view name;
};
constexpr Field kName{0, 100, "name"};
constexpr Field kSize{124, 12, "size"};
constexpr Field kChecksum{148, 8, "checksum"};
constexpr Field kLink{157, 100, "link"};
constexpr Field kMark{257, 8, "mark"};
constexpr Field kPrefix{345, 155, "prefix"};
constexpr std::size_t kType = 156;

constexpr std::string_view kUstar = "ustar\00000"sv;
constexpr std::string_view kGnu = "ustar  \0"sv;
constexpr std::string_view kNoMark = "\0\0\0\0\0\0\0\0"sv;

std::string_view field(std::string_view block, const Field& which) { return block.substr(which.offset, which.size); }

bool is_filled_with(std::string_view text, std::string_view letters) {
  return text.find_first_not_of(letters) == std::string_view::npos;
}

// Up to the first NUL, behind which there must be nothing else.
Result<std::string_view> read_text(std::string_view block, const Field& which) {
  const std::string_view whole = field(block, which);
  const std::size_t end = std::min(whole.find('\0'), whole.size());
  if (!is_filled_with(whole.substr(end), "\0"sv)) return corrupt(text("its {} goes on behind its end", which.name));
  return whole.substr(0, end);
}

// GNU's numbers that octal digits have no room for: a mark and eleven bytes, the highest first.
Result<std::uint64_t> read_base_256(std::string_view digits, std::string_view what) {
  constexpr std::uint64_t kRoom = UINT64_MAX >> 8;
  std::uint64_t value = 0;
  for (const char digit : digits.substr(1)) {
    if (value > kRoom) return corrupt(text("its {} has more than 64 bits", what));
    value = value << 8 | static_cast<unsigned char>(digit);
  }
  return value;
}

// Octal digits, with spaces before them and spaces or NULs behind.
Result<std::uint64_t> read_number(std::string_view block, const Field& which) {
  const std::string_view whole = field(block, which);
  if (whole[0] == '\x80') return read_base_256(whole, which.name);
  if (whole[0] == '\xff') return corrupt(text("its {} is negative", which.name));
  const std::string_view digits = whole.substr(std::min(whole.find_first_not_of(' '), whole.size()));
  const std::size_t count = std::min(digits.find_first_not_of("01234567"), digits.size());
  if (count == 0 || !is_filled_with(digits.substr(count), " \0"sv)) {
    return corrupt(text("its {} is no octal number", which.name));
  }
  std::uint64_t value = 0;
  for (const char digit : digits.substr(0, count)) value = value * 8 + static_cast<std::uint64_t>(digit - '0');
  return value;
}

// The bytes of a header added up, with spaces for the checksum: as POSIX counts them, and as archivers with signed letters did.
struct Sums {
  std::int64_t plain = 0;
  std::int64_t with_sign = 0;
};
Sums sums_of(std::string_view block) {
  Sums sums;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const bool own = i >= kChecksum.offset && i < kChecksum.offset + kChecksum.size;
    const char letter = own ? ' ' : block[i];
    sums.plain += static_cast<unsigned char>(letter);
    sums.with_sign += static_cast<signed char>(letter);
  }
  return sums;
}

Status check_sum(std::string_view block) {
  HOLDALL_ASSIGN(const std::uint64_t stored, read_number(block, kChecksum));
  const Sums sums = sums_of(block);
  const auto value = static_cast<std::int64_t>(stored);
  if (value == sums.plain || value == sums.with_sign) return {};
  return corrupt(text("the header's checksum is {}, its bytes add up to {}", stored, sums.plain));
}

Status check_mark(std::string_view block) {
  const std::string_view mark = field(block, kMark);
  if (mark == kUstar) return {};
  if (mark != kGnu && mark != kNoMark) return unsupported("a header with the mark of neither ustar nor GNU tar");
  // Where ustar has the first part of a name GNU tar has times; readers that look at no mark take them for one.
  if (!is_filled_with(field(block, kPrefix), "\0"sv)) return unsupported("a header with GNU tar's times or a part of a name");
  return {};
}

bool is_read(char type) {
  constexpr std::array kRead = {kFile, kOldFile, kFolder, kPax, kPaxGlobal, kGnuLongName};
  return std::find(kRead.begin(), kRead.end(), type) != kRead.end();
}

// One record of a pax header: "LENGTH KEY=VALUE\n", the length in decimal digits and counting all of it.
struct Record {
  std::string_view key;
  std::string_view value;
  std::size_t size = 0;
};
Result<Record> read_record(std::string_view rest) {
  constexpr std::size_t kMostDigits = 19;
  const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
  std::size_t size = 0;
  if (digits == 0 || digits > kMostDigits || digits == rest.size() || rest[digits] != ' ' || rest[0] == '0') {
    return corrupt("an extended header's record does not begin with its length");
  }
  std::from_chars(rest.data(), rest.data() + digits, size);
  if (size > rest.size() || size < digits + 3) {
    return corrupt(text("an extended header's record of {} bytes where {} remain", size, rest.size()));
  }
  const std::string_view body = rest.substr(digits + 1, size - digits - 1);
  const std::size_t equals = body.find('=');
  if (!body.ends_with('\n') || equals == std::string_view::npos || equals == 0) {
    return corrupt("an extended header's record is no key and value");
  }
  return Record{body.substr(0, equals), body.substr(equals + 1, body.size() - equals - 2), size};
}

Result<std::uint64_t> read_decimal(std::string_view digits) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return corrupt(text("the size '{}' is no number", digits));
  return value;
}

Status apply(const Record& record, Extension& extension) {
  if (record.key == "path") {
    if (extension.name) return corrupt("an extended header names two paths");
    extension.name = std::string(record.value);
  } else if (record.key == "size") {
    if (extension.size) return corrupt("an extended header names two sizes");
    HOLDALL_ASSIGN(extension.size, read_decimal(record.value));
  } else if (record.key == "linkpath") {
    return unsupported("an extended header of a link");
  } else if (record.key.starts_with("GNU.sparse.") || record.key == "SCHILY.realsize") {
    return unsupported("an extended header of a sparse file");
  } else if (record.key == "hdrcharset" && record.value != "ISO-IR 10646 2000 UTF-8") {
    return unsupported("an extended header in another code than UTF-8");
  }
  return {};
}

// A number as tarfile takes it, by int(text, 8): up to the first NUL, with blanks around, a sign, "0o", underscores.
std::optional<std::int64_t> python_octal(std::string_view digits) {
  constexpr std::string_view kBlanks = " \t\n\r\v\f";
  digits = digits.substr(0, digits.find('\0'));
  digits.remove_prefix(std::min(digits.find_first_not_of(kBlanks), digits.size()));
  digits = digits.substr(0, digits.find_last_not_of(kBlanks) + 1);
  if (digits.starts_with('+')) digits.remove_prefix(1);
  if (digits.starts_with("0o") || digits.starts_with("0O")) digits.remove_prefix(2);
  std::int64_t value = 0;
  for (const char digit : digits) {
    if (digit != '_' && (digit < '0' || digit > '7')) return std::nullopt;
    if (digit != '_') value = value * 8 + (digit - '0');
  }
  return digits.empty() ? std::nullopt : std::optional(value);
}

}  // namespace

bool has_checksum(std::span<const std::byte> block) {
  const std::string_view whole = as_text(block);
  if (check_sum(whole)) return true;
  const Sums sums = sums_of(whole);
  const auto said = python_octal(field(whole, kChecksum));
  return said && (*said == sums.plain || *said == sums.with_sign);
}

bool has_mark(std::span<const std::byte> block) noexcept { return field(as_text(block), kMark).starts_with("ustar"); }

Result<Header> read_header(std::span<const std::byte> block) {
  const std::string_view whole = as_text(block);
  HOLDALL_TRY(check_sum(whole));
  Header header;
  header.type = whole[kType];
  HOLDALL_ASSIGN(const std::string_view name, read_text(whole, kName));
  header.name = std::string(name);
  if (!is_read(header.type)) return header;
  HOLDALL_TRY(check_mark(whole));
  HOLDALL_ASSIGN(const std::string_view prefix, read_text(whole, kPrefix));
  HOLDALL_ASSIGN(header.size, read_number(whole, kSize));
  if (!prefix.empty()) header.name.insert(0, std::string(prefix) + "/");
  const bool is_file = header.type == kFile || header.type == kOldFile;
  if (is_file && !is_filled_with(field(whole, kLink), "\0"sv)) return corrupt("a file with the target of a link");
  return header;
}

Result<Extension> read_pax(std::string_view records) {
  Extension extension;
  while (!records.empty()) {
    HOLDALL_ASSIGN(const Record record, read_record(records));
    HOLDALL_TRY(apply(record, extension));
    records.remove_prefix(record.size);
  }
  return extension;
}

Result<Extension> read_long_name(std::string_view data) {
  if (data.find('\0') != data.size() - 1 || data.empty()) return corrupt("a long name that does not end in its only NUL");
  return Extension{std::string(data.substr(0, data.size() - 1)), std::nullopt};
}

std::string type_name(char type) {
  switch (type) {
    case '1':
      return "a link";
    case '2':
      return "a symbolic link";
    case 'K':
      return "the name of a link";
    case '3':
    case '4':
      return "a device";
    case '6':
      return "a pipe";
    case 'S':
      return "a sparse file";
    default:
      return text("of the type {:#04x}, which is not read", static_cast<unsigned>(static_cast<unsigned char>(type)));
  }
}

}  // namespace holdall::tar
