#include "cli/style.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "holdall/base/text.h"

namespace holdall::cli {
namespace {

struct Range {
  char32_t first, last;
};

// Unicode 15: East Asian Width W and F, and what terminals draw as emoji.
constexpr Range kWide[] = {{0x1100, 0x115f},   {0x231a, 0x231b},   {0x2329, 0x232a},   {0x23e9, 0x23ec},   {0x25fd, 0x25fe},
                           {0x2614, 0x2615},   {0x2648, 0x2653},   {0x26a1, 0x26a1},   {0x26bd, 0x26be},   {0x2705, 0x2705},
                           {0x274c, 0x274c},   {0x2753, 0x2755},   {0x2795, 0x2797},   {0x2b1b, 0x2b1c},   {0x2b50, 0x2b50},
                           {0x2e80, 0x303e},   {0x3041, 0x33ff},   {0x3400, 0x4dbf},   {0x4e00, 0xa4cf},   {0xa960, 0xa97f},
                           {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},
                           {0x16fe0, 0x18aff}, {0x1b000, 0x1b2ff}, {0x1f004, 0x1f004}, {0x1f0cf, 0x1f0cf}, {0x1f18e, 0x1f19a},
                           {0x1f200, 0x1f320}, {0x1f32d, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f7e0, 0x1f7eb}, {0x1f90c, 0x1f9ff},
                           {0x1fa70, 0x1faff}, {0x20000, 0x3fffd}};
// Combining marks, joiners and variation selectors.
constexpr Range kNarrow[] = {{0x0300, 0x036f},   {0x0483, 0x0489},  {0x0591, 0x05bd}, {0x0610, 0x061a}, {0x064b, 0x065f},
                             {0x0900, 0x0902},   {0x093c, 0x093c},  {0x0941, 0x0948}, {0x094d, 0x094d}, {0x0e31, 0x0e31},
                             {0x0e34, 0x0e3a},   {0x0e47, 0x0e4e},  {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200b, 0x200d},
                             {0x20d0, 0x20ff},   {0x302a, 0x302d},  {0x3099, 0x309a}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f},
                             {0x1f3fb, 0x1f3ff}, {0xe0100, 0xe01ef}};

bool within(std::span<const Range> ranges, char32_t code) noexcept {
  const auto after = std::ranges::upper_bound(ranges, code, {}, &Range::first);
  return after != ranges.begin() && code <= std::prev(after)->last;
}

unsigned width_of(const Rune& rune) noexcept {
  if (!rune.valid || rune.code < 0x300) return 1;
  if (within(kNarrow, rune.code)) return 0;
  return within(kWide, rune.code) ? 2 : 1;
}

// Bytes of the longest start of `text` that takes at most `columns`.
std::size_t bytes_in_columns(std::string_view text, unsigned columns) noexcept {
  std::size_t bytes = 0;
  unsigned used = 0;
  while (bytes < text.size()) {
    const Rune rune = first_rune(text.substr(bytes));
    used += width_of(rune);
    if (used > columns) break;
    bytes += rune.bytes;
  }
  return bytes;
}

// Three significant digits and a unit: 1234567 in steps of 1000.
std::string three_digits(double value, std::span<const std::string_view> units) {
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < units.size()) {
    value /= 1000;
    ++unit;
  }
  const int decimals = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return text("{:.{}f} {}", value, decimals, units[unit]);
}

}  // namespace

unsigned display_width(std::string_view text) noexcept {
  unsigned width = 0;
  while (!text.empty()) {
    const Rune rune = first_rune(text);
    width += width_of(rune);
    text.remove_prefix(rune.bytes);
  }
  return width;
}

std::string cut_middle(std::string_view text, unsigned columns) {
  const unsigned width = display_width(text);
  if (width <= columns) return std::string(text);
  if (columns < 2) return columns == 0 ? "" : "…";
  // Of a tensor's name the end tells more than the beginning.
  const unsigned front = (columns - 1) / 3;
  std::string out(text.substr(0, bytes_in_columns(text, front)));
  std::string_view back = text;
  while (display_width(back) > columns - 1 - front) back.remove_prefix(first_rune(back).bytes);
  return out.append("…").append(back);
}

std::string cut_end(std::string_view text, unsigned columns) {
  if (display_width(text) <= columns) return std::string(text);
  if (columns == 0) return {};
  return std::string(text.substr(0, bytes_in_columns(text, columns - 1))) + "…";
}

std::string cut_name(std::string_view text, unsigned columns) {
  if (display_width(text) <= columns) return std::string(text);
  const std::size_t slash = text.find('/');
  const char separator = slash == std::string_view::npos ? '.' : '/';
  std::vector<std::string_view> parts;
  for (std::string_view rest = text;;) {
    // The dots of "{0..11}" divide nothing.
    std::size_t end = rest.find(separator);
    while (end != std::string_view::npos && rest.substr(0, end).rfind('{') != std::string_view::npos &&
           rest.substr(0, end).rfind('{') > rest.substr(0, end).rfind('}') + 1) {
      end = rest.find(separator, end + 1);
    }
    parts.push_back(rest.substr(0, end));
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  const auto is_number = [](std::string_view part) {
    return part.find_first_not_of("0123456789{},.") == std::string_view::npos;
  };
  std::vector<bool> dropped(parts.size());
  const auto joined = [&] {
    std::string out;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (dropped[i] && i > 0 && dropped[i - 1]) continue;
      out.append(i == 0 ? "" : std::string(1, separator)).append(dropped[i] ? "…" : parts[i]);
    }
    return out;
  };
  std::vector<std::size_t> order;  // from the inside out: then the first one, then the one before the last
  for (std::size_t i = 1; i + 2 < parts.size(); ++i) order.push_back(i);
  if (parts.size() > 1) order.push_back(0);
  if (parts.size() > 2) order.push_back(parts.size() - 2);
  for (const std::size_t i : order) {
    if (is_number(parts[i])) continue;
    dropped[i] = true;
    if (std::string out = joined(); display_width(out) <= columns) return out;
  }
  return cut_middle(text, columns);
}

std::vector<std::string> broken(std::string_view text, unsigned columns) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t bytes = std::max<std::size_t>(first_rune(text).bytes, bytes_in_columns(text, columns));
    lines.emplace_back(text.substr(0, bytes));
    text.remove_prefix(bytes);
  }
  return lines;
}

std::string grouped(std::uint64_t number) {
  std::string digits = text("{}", number);
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

std::string short_count(std::uint64_t number) {
  static constexpr std::string_view kUnits[] = {"", "K", "M", "B", "T", "Q"};
  return number < 10'000 ? text("{}", number) : three_digits(static_cast<double>(number), kUnits);
}

std::string human_bytes(std::uint64_t bytes) {
  static constexpr std::string_view kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  return three_digits(static_cast<double>(bytes), kUnits);
}

std::string human_seconds(double seconds) {
  if (!(seconds >= 0) || seconds > 359'999) return "-:--";
  const auto whole = static_cast<std::uint64_t>(std::llround(seconds));
  if (whole < 3600) return text("{}:{:02}", whole / 60, whole % 60);
  return text("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string human_age(double seconds) {
  const double age = std::max(seconds, 0.0);
  if (age < 90) return text("{:.0f} s", age);
  if (age < 90 * 60) return text("{:.0f} min", age / 60);
  if (age < 48 * 3600) return text("{:.0f} h", age / 3600);
  return text("{:.0f} d", age / 86'400);
}

std::string short_number(double number) { return text("{:.4g}", number); }

std::string counted(std::uint64_t number, std::string_view one, std::string_view many) {
  return text("{} {}", grouped(number), number == 1 ? one : many);
}

std::string sparkline(std::span<const std::uint64_t> bins) {
  static constexpr std::string_view kBars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  std::uint64_t most = 0;
  for (const std::uint64_t bin : bins) most = std::max(most, bin);
  std::string out;
  for (const std::uint64_t bin : bins) {
    if (bin == 0) {
      out += ' ';
      continue;
    }
    const double height = std::sqrt(static_cast<double>(bin) / static_cast<double>(most));
    out += kBars[std::min<std::size_t>(7, static_cast<std::size_t>(height * 8))];
  }
  return out;
}

Result<std::uint64_t> parse_size(std::string_view given) {
  const auto bad = [&] { return invalid_argument(text("'{}' is no size; write 4096, 512MiB or 5GB", printable(given))); };
  double number = 0;
  const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), number, std::chars_format::fixed);
  if (error != std::errc() || !(number >= 0)) return bad();
  std::string unit(end, given.data() + given.size());
  std::erase(unit, ' ');
  std::ranges::transform(unit, unit.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (unit.ends_with('b')) unit.pop_back();
  const double step = unit.ends_with('i') ? 1024 : 1000;
  if (unit.ends_with('i')) unit.pop_back();
  static constexpr std::string_view kPowers = "kmgtp";
  const std::size_t power = unit.empty() ? 0 : kPowers.find(unit.front()) + 1;
  if (unit.size() > 1 || (!unit.empty() && power == 0) || (unit.empty() && step == 1024)) return bad();
  const double bytes = number * std::pow(step, static_cast<double>(power));
  if (bytes > 9e18 || bytes != std::floor(bytes)) return bad();
  return static_cast<std::uint64_t>(bytes);
}

Result<std::int64_t> parse_age(std::string_view given) {
  const auto bad = [&] { return invalid_argument(text("'{}' is no age; write 90min, 36h, 7d or 2w", printable(given))); };
  double number = 0;
  const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), number, std::chars_format::fixed);
  std::string_view unit(end, static_cast<std::size_t>(given.data() + given.size() - end));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  constexpr std::pair<std::string_view, double> kUnits[] = {{"s", 1},    {"m", 60},     {"min", 60},
                                                            {"h", 3600}, {"d", 86'400}, {"w", 604'800}};
  const auto* const known = std::ranges::find(kUnits, unit, &std::pair<std::string_view, double>::first);
  if (error != std::errc() || known == std::end(kUnits)) return bad();
  const double nanoseconds = number * known->second * 1e9;
  if (!(nanoseconds >= 1) || nanoseconds > 9e18) return bad();
  return static_cast<std::int64_t>(nanoseconds);
}

Result<std::uint64_t> parse_count(std::string_view given) {
  std::uint64_t count = 0;
  const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), count);
  if (error != std::errc() || end != given.data() + given.size() || count == 0)
    return invalid_argument(text("'{}' is no count; write a number of at least 1", printable(given)));
  return count;
}

Result<double> parse_tolerance(std::string_view given) {
  double number = 0;
  const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), number);
  if (error != std::errc() || end != given.data() + given.size() || !std::isfinite(number) || number < 0) {
    return invalid_argument(text("'{}' is no tolerance; write a number of at least 0, such as 1e-3", printable(given)));
  }
  return number;
}

}  // namespace holdall::cli
