#include "holdall/formats/model_card.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace holdall {
namespace {

constexpr std::string_view kFence = "---";
constexpr std::size_t kMostBytes = 1u << 20;

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

// The lines between the fences; empty where there is no closing one.
std::vector<std::string_view> front_lines(std::string_view readme) {
  if (readme.starts_with("\xEF\xBB\xBF")) readme.remove_prefix(3);
  readme = readme.substr(0, kMostBytes);
  std::vector<std::string_view> lines;
  bool first = true;
  while (!readme.empty()) {
    const std::size_t end = std::min(readme.find('\n'), readme.size());
    const std::string_view line = readme.substr(0, end);
    readme.remove_prefix(std::min(end + 1, readme.size()));
    const bool is_fence = line.substr(0, 3) == kFence && trimmed(line.substr(3)).empty();
    if (first && !is_fence) return {};
    if (!first && is_fence) return lines;
    if (!first) lines.push_back(line);
    first = false;
  }
  return {};
}

bool is_blank(std::string_view line) { return trimmed(line).empty() || trimmed(line).front() == '#'; }
std::size_t indentation(std::string_view line) { return std::min(line.find_first_not_of(' '), line.size()); }

// A plain or quoted scalar without its comment.
std::string scalar(std::string_view text) {
  text = trimmed(text);
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'')) {
    const std::size_t close = text.find(text.front(), 1);
    if (close != std::string_view::npos && is_blank(text.substr(close + 1))) return std::string(text.substr(1, close - 1));
  }
  const std::size_t comment = text.find(" #");
  return std::string(trimmed(text.substr(0, comment)));
}

// "[a, b]" without nesting.
std::optional<std::vector<std::string>> flow_list(std::string_view text) {
  if (text.size() < 2 || text.front() != '[' || text.back() != ']') return std::nullopt;
  text = text.substr(1, text.size() - 2);
  if (text.find_first_of("[]{}") != std::string_view::npos) return std::nullopt;
  std::vector<std::string> items;
  while (!trimmed(text).empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    items.push_back(scalar(text.substr(0, comma)));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return items;
}

// "- item" lines, each a scalar.
std::optional<std::vector<std::string>> block_list(const std::vector<std::string_view>& lines) {
  std::vector<std::string> items;
  for (const std::string_view line : lines) {
    if (is_blank(line)) continue;
    const std::string_view text = trimmed(line);
    if (text.front() != '-' || (text.size() > 1 && text[1] != ' ')) return std::nullopt;
    const std::string_view item = trimmed(text.substr(1));
    const bool quoted = !item.empty() && (item.front() == '"' || item.front() == '\'');
    const bool is_map = !quoted && (item.find(": ") != std::string_view::npos || (!item.empty() && item.back() == ':'));
    if (is_map || (!items.empty() && indentation(line) != indentation(lines.front()))) return std::nullopt;
    items.push_back(scalar(item));
  }
  if (items.empty()) return std::nullopt;
  return items;
}

std::string joined(const std::vector<std::string_view>& lines) {
  std::string text;
  for (const std::string_view line : lines) text += (text.empty() ? "" : "\n") + std::string(line);
  return text;
}

NodeId list_of(Arena& arena, const std::vector<std::string>& items) {
  const NodeId list = arena.list();
  for (const std::string& item : items) arena.append(list, arena.string(item));
  return list;
}

// The value of a key whose line goes on with `rest` and is followed by `below`.
NodeId value_of(Arena& arena, std::string_view rest, const std::vector<std::string_view>& below) {
  rest = trimmed(rest);
  if (rest.starts_with('#')) rest = {};
  if (const auto items = flow_list(rest)) return list_of(arena, *items);
  if (rest.empty()) {
    if (const auto items = block_list(below)) return list_of(arena, *items);
    return arena.string(joined(below));
  }
  if (rest.front() == '|' || rest.front() == '>') return arena.string(joined(below));
  return arena.string(scalar(rest));
}

}  // namespace

NodeId read_model_card(Arena& arena, std::string_view readme) {
  const std::vector<std::string_view> lines = front_lines(readme);
  NodeId card = kNoNode;
  for (std::size_t i = 0; i < lines.size();) {
    const std::string_view line = lines[i++];
    const std::size_t colon = line.find(':');
    const bool is_key = !is_blank(line) && indentation(line) == 0 && line.front() != '-' && colon != std::string_view::npos &&
                        (colon + 1 == line.size() || line[colon + 1] == ' ' || line[colon + 1] == '\r');
    if (!is_key) continue;
    std::vector<std::string_view> below;
    while (i < lines.size() && (is_blank(lines[i]) || indentation(lines[i]) > 0 || lines[i].front() == '-'))
      below.push_back(lines[i++]);
    if (card == kNoNode) card = arena.dict();
    arena.set_item(card, scalar(line.substr(0, colon)), value_of(arena, line.substr(colon + 1), below));
  }
  return card;
}

}  // namespace holdall
