#include "holdall/ops/fold.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"

namespace holdall {
namespace {

// A name in pieces: the components between '.' and '/', each with its separator behind it.
struct Line {
  std::vector<std::string> pieces;
  std::string kind;
  std::vector<std::uint32_t> members;
};

std::vector<std::string> pieces_of(std::string_view name) {
  std::vector<std::string> pieces;
  while (!name.empty()) {
    const std::size_t end = name.find_first_of("./");
    const std::size_t size = end == std::string_view::npos ? name.size() : end + 1;
    pieces.emplace_back(name.substr(0, size));
    name.remove_prefix(size);
  }
  return pieces;
}

std::string_view without_separator(std::string_view piece) noexcept {
  if (!piece.empty() && (piece.back() == '.' || piece.back() == '/')) piece.remove_suffix(1);
  return piece;
}

// The number that a piece is, as it would be written ("07" is none).
std::optional<std::uint64_t> number_of(std::string_view piece) noexcept {
  const std::string_view digits = without_separator(piece);
  if (digits.empty() || digits.size() > 9 || (digits.size() > 1 && digits[0] == '0')) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

// Everything about a line but its piece at `position`.
std::string rest_of(const Line& line, std::size_t position) {
  std::string rest = line.kind + '\n' + std::to_string(line.pieces.size()) + '\n';
  for (std::size_t i = 0; i < line.pieces.size(); ++i) {
    if (i != position) rest += line.pieces[i];
    rest += '\0';
  }
  return rest;
}

using Numbered = std::pair<std::uint64_t, std::size_t>;  // number, index of the line

// Joins the lines of one run of numbers into the first of them.
void join_run(std::vector<Line>& lines, std::span<const Numbered> run, std::size_t position) {
  if (run.size() < 2) return;
  std::size_t first = run[0].second;
  for (const Numbered& one : run) first = std::min(first, one.second);
  std::vector<std::uint32_t> members;
  for (const Numbered& one : run) {
    members.insert(members.end(), lines[one.second].members.begin(), lines[one.second].members.end());
    if (one.second != first) lines[one.second].members.clear();
  }
  Line& line = lines[first];
  line.members = std::move(members);
  const std::string_view piece = line.pieces[position];
  const std::string separator(piece.substr(without_separator(piece).size()));
  line.pieces[position] = text("{{{}..{}}}{}", run.front().first, run.back().first, separator);
}

// Folds lines that differ only in the number at `position`.
void fold_at(std::vector<Line>& lines, std::size_t position) {
  TextMap<std::vector<Numbered>> groups;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (position >= lines[i].pieces.size()) continue;
    if (const auto number = number_of(lines[i].pieces[position])) groups[rest_of(lines[i], position)].emplace_back(*number, i);
  }
  for (auto& [rest, group] : groups) {
    std::sort(group.begin(), group.end());
    const bool twice = std::adjacent_find(group.begin(), group.end(), [](const Numbered& a, const Numbered& b) {
                         return a.first == b.first;
                       }) != group.end();
    if (twice) continue;
    std::size_t begin = 0;
    for (std::size_t i = 1; i <= group.size(); ++i) {
      if (i < group.size() && group[i].first == group[i - 1].first + 1) continue;
      join_run(lines, std::span(group).subspan(begin, i - begin), position);
      begin = i;
    }
  }
  std::erase_if(lines, [](const Line& line) { return line.members.empty(); });
}

}  // namespace

std::vector<FoldedLine> fold(std::span<const FoldItem> items) {
  std::vector<Line> lines;
  std::size_t most = 0;
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    lines.push_back({pieces_of(items[i].name), std::string(items[i].kind), {i}});
    most = std::max(most, lines.back().pieces.size());
  }
  // Inner numbers first: the experts of each layer, then the layers.
  for (std::size_t position = std::min<std::size_t>(most, 64); position-- > 0;) fold_at(lines, position);
  std::vector<FoldedLine> folded;
  for (Line& line : lines) {
    FoldedLine& one = folded.emplace_back();
    for (const std::string& piece : line.pieces) one.pattern += piece;
    one.members = std::move(line.members);
  }
  return folded;
}

std::vector<FoldedLine> fold(std::span<const NamedTensor> tensors) {
  std::vector<std::string> kinds;
  kinds.reserve(tensors.size());
  for (const NamedTensor& entry : tensors)
    kinds.push_back(text("{} {}", name(entry.tensor.dtype()), to_string(entry.tensor.shape())));
  std::vector<FoldItem> items;
  for (std::size_t i = 0; i < tensors.size(); ++i) items.push_back({tensors[i].name, kinds[i]});
  return fold(items);
}

}  // namespace holdall
