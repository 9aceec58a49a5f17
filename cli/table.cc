#include "cli/table.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "cli/style.h"

namespace holdall::cli {
namespace {

constexpr unsigned kGap = 2;

}  // namespace

std::vector<std::string> wrapped(std::string_view text, unsigned columns) {
  std::vector<std::string> lines;
  std::string line;
  while (!text.empty()) {
    const std::size_t space = text.find(' ');
    const std::string_view word = text.substr(0, space);
    text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
    if (!line.empty() && display_width(line) + 1 + display_width(word) > columns) lines.push_back(std::exchange(line, {}));
    if (!line.empty()) line += ' ';
    line += word;
  }
  if (!line.empty() || lines.empty()) lines.push_back(line);
  return lines;
}

std::vector<unsigned> Table::measure(unsigned room) const {
  std::vector<unsigned> widths;
  for (const Column& column : columns_) widths.push_back(display_width(column.heading));
  for (const Row& row : rows_) {
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], display_width(row.cells[i].text));
  }
  unsigned used = std::accumulate(widths.begin(), widths.end(), 0U) + kGap * static_cast<unsigned>(widths.size() - 1);
  // Wrapping loses nothing, so it gives way first; then what may be cut.
  for (const Fit fit : {Fit::kWrap, Fit::kCutMiddle, Fit::kCutName}) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      if (columns_[i].fit != fit || used <= room || widths[i] <= columns_[i].least) continue;
      const unsigned given = std::min(used - room, widths[i] - columns_[i].least);
      widths[i] -= given;
      used -= given;
    }
  }
  return widths;
}

Table::Names Table::alike(const std::vector<unsigned>& widths) const {
  Names alike;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    if (columns_[i].fit != Fit::kCutName) continue;
    std::map<std::string, std::string_view> first;  // by what it looks like
    for (const Row& row : rows_) {
      const std::string& name = row.cells[i].text;
      if (display_width(name) <= widths[i]) continue;
      const auto [met, is_new] = first.emplace(cut_name(name, widths[i]), name);
      if (!is_new && met->second != name) alike.insert(met->first);
    }
  }
  return alike;
}

void Table::print_aligned(Console& console, const Row& row, const std::vector<unsigned>& widths, const Names& alike,
                          unsigned indent) const {
  std::vector<std::vector<std::string>> lines(widths.size());
  std::size_t height = 1;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    const std::string& text = row.cells[i].text;
    switch (columns_[i].fit) {
      case Fit::kKeep:
        lines[i] = {text};
        break;
      case Fit::kCutMiddle:
        lines[i] = {cut_middle(text, widths[i])};
        break;
      case Fit::kCutName:
        lines[i] = {cut_name(text, widths[i])};
        if (alike.contains(lines[i].front())) lines[i] = broken(text, widths[i]);
        break;
      case Fit::kWrap:
        lines[i] = wrapped(text, widths[i]);
        break;
    }
    height = std::max(height, lines[i].size());
  }
  for (std::size_t y = 0; y < height; ++y) {
    std::string line;
    std::size_t blanks = indent;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const std::string_view text = y < lines[i].size() ? std::string_view(lines[i][y]) : std::string_view();
      const unsigned width = display_width(text);
      const std::size_t fill = widths[i] > width ? widths[i] - width : 0;
      if (columns_[i].align == Align::kRight) blanks += fill;
      if (!text.empty()) {
        line.append(std::exchange(blanks, 0), ' ');
        line += console.paint(row.cells[i].ink, text);
      }
      if (columns_[i].align == Align::kLeft) blanks += fill;
      blanks += kGap;
    }
    console.line(line);
  }
}

void Table::print(Console& console, unsigned indent) const {
  if (!console.terminal()) {
    for (const Row& row : rows_) {
      for (std::size_t i = 0; i < row.cells.size(); ++i) {
        if (i != 0) console.write("\t");
        console.write(row.cells[i].text);
      }
      console.write("\n");
    }
    return;
  }
  const std::vector<unsigned> widths = measure(console.width() > indent ? console.width() - indent : 0);
  const auto named = [](const Column& column) { return !column.heading.empty(); };
  if (std::ranges::any_of(columns_, named) && !rows_.empty()) {
    Row headings;
    for (const Column& column : columns_) headings.cells.emplace_back(column.heading, Ink::kFaint);
    print_aligned(console, headings, widths, {}, indent);
  }
  const Names same = alike(widths);
  for (const Row& row : rows_) {
    print_aligned(console, row, widths, same, indent);
    if (!row.under.empty()) console.line(std::string(indent + kGap, ' ') + console.paint(Ink::kFaint, row.under));
  }
}

}  // namespace holdall::cli
