// Table: rows under aligned columns on a terminal, plain lines of fields divided by tabs elsewhere.
//
// Thread-safety: one thread. Ownership: owns its cells.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cli/console.h"

namespace holdall::cli {

struct Cell {
  Cell(std::string content, Ink colour = Ink::kPlain) : text(std::move(content)), ink(colour) {}
  Cell(std::string_view content, Ink colour = Ink::kPlain) : text(content), ink(colour) {}
  Cell(const char* content, Ink colour = Ink::kPlain) : text(content), ink(colour) {}

  std::string text;  // printable
  Ink ink;
};

class Table {
 public:
  enum class Align : unsigned char { kLeft, kRight };
  // What a column does when a row is wider than the terminal.
  enum class Fit : unsigned char { kKeep, kCutMiddle, kCutName, kWrap };
  struct Column {
    std::string_view heading = {};
    Align align = Align::kLeft;
    Fit fit = Fit::kKeep;
    unsigned least = 0;  // columns that a cut leaves
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // Precondition: as many cells as columns.
  void add(std::vector<Cell> cells) { rows_.push_back({std::move(cells), {}}); }
  // `under` is drawn under the row on a terminal, and left out elsewhere.
  void add(std::vector<Cell> cells, std::string under) { rows_.push_back({std::move(cells), std::move(under)}); }
  bool empty() const noexcept { return rows_.empty(); }
  // Headings, if any, and rows, `indent` spaces from the left. Elsewhere than on a terminal: the rows alone, nothing cut.
  void print(Console& console, unsigned indent = 0) const;

 private:
  struct Row {
    std::vector<Cell> cells;
    std::string under;
  };
  using Names = std::set<std::string, std::less<>>;
  std::vector<unsigned> measure(unsigned room) const;
  // What different names of a column look like alike when they are cut: those are broken into lines instead.
  Names alike(const std::vector<unsigned>& widths) const;
  void print_aligned(Console& console, const Row& row, const std::vector<unsigned>& widths, const Names& alike,
                     unsigned indent) const;

  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

// Words of `text` on lines of at most `columns`; a longer word stands alone, uncut.
std::vector<std::string> wrapped(std::string_view text, unsigned columns);

}  // namespace holdall::cli
