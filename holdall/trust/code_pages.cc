#include "holdall/trust/code_pages.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "holdall/base/ascii.h"
#include "holdall/base/text.h"

namespace holdall {
namespace {

using namespace std::string_view_literals;

bool is_named_text(std::string_view name) {
  constexpr std::array kTails = {".txt"sv, ".csv"sv, ".tsv"sv, ".md"sv, ".rst"sv, ".log"sv, ".srt"sv, ".vtt"sv};
  constexpr std::array kNames = {"readme"sv, "license"sv, "licence"sv, "notice"sv, "authors"sv, "changelog"sv, "desktop.ini"sv};
  const std::string base = ascii_lower(name.substr(name.find_last_of("/!") + 1));
  return std::find(kNames.begin(), kNames.end(), base) != kNames.end() ||
         std::any_of(kTails.begin(), kTails.end(), [&](std::string_view tail) { return base.ends_with(tail); });
}

bool is_control(unsigned character) noexcept {
  return (character < 0x20 && !(character >= 0x08 && character <= 0x0d) && character != 0x1b) || character == 0x7f;
}

// Tiles are of an even size.
template <class Check>
bool every_tile(const Source& source, const Check& check) {
  std::vector<std::byte> tile(1u << 18);
  for (std::uint64_t at = 0; at < source.size();) {
    const auto some = std::span(tile).first(static_cast<std::size_t>(std::min<std::uint64_t>(tile.size(), source.size() - at)));
    if (!source.read_at(at, some) || !check(std::span<const std::byte>(some))) return false;
    at += some.size();
  }
  return true;
}

}  // namespace

bool is_code_page_text(const Source& source, std::string_view name) {
  if (!is_named_text(name) || source.size() < 2) return false;
  std::array<std::byte, 4> head{};
  if (!source.read_at(0, std::span(head).first(source.size() < 4 ? 2 : 4))) return false;
  const bool is_little = as_text(std::span(head).first(2)) == "\xff\xfe",
             is_big = as_text(std::span(head).first(2)) == "\xfe\xff";
  const bool is_wide = is_little || is_big;
  if (is_wide && source.size() % 2 != 0) return false;
  // What is read as XML or a web page begins so.
  for (std::size_t i = 0; i < (is_wide ? head.size() : 1); ++i)
    if (head[i] == std::byte{'<'}) return false;
  const auto is_plain = [&](std::span<const std::byte> some) {
    for (std::size_t i = 0; i < some.size(); i += is_wide ? 2 : 1) {
      const auto first = std::to_integer<unsigned>(some[i]);
      const auto second = is_wide ? std::to_integer<unsigned>(some[i + 1]) : 0;
      if (is_control(is_little ? second << 8 | first : is_big ? first << 8 | second : first)) return false;
    }
    return true;
  };
  return every_tile(source, is_plain);
}

bool is_code_page_markup(const Source& source) {
  std::array<std::byte, 1> head{};
  if (source.size() < 8 || !source.read_at(0, head) || head[0] != std::byte{'<'}) return false;
  return every_tile(source, [](std::span<const std::byte> some) {
    return std::none_of(some.begin(), some.end(), [](std::byte b) { return is_control(std::to_integer<unsigned>(b)); });
  });
}

}  // namespace holdall
