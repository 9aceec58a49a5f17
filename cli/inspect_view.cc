#include "cli/inspect_view.h"

#include <array>
#include <tuple>

#include "cli/findings.h"
#include "cli/inspect_facts.h"
#include "cli/outline.h"
#include "cli/style.h"
#include "cli/table.h"
#include "cli/tensor_rows.h"
#include "cli/training_view.h"
#include "holdall/base/text.h"
#include "holdall/codec/document.h"

namespace holdall::cli {
namespace {

using Column = Table::Column;

constexpr unsigned kIndent = 2;
// From here on a row of statistics has room for dtype and shape besides.
constexpr unsigned kWide = 116;
// Below this a name needs the room of the sizes.
constexpr unsigned kNarrow = 72;
constexpr std::size_t kBins = std::tuple_size_v<decltype(Statistics::histogram)>;

void print_heading(Console& console, std::string_view heading, std::string_view remark = {}) {
  console.line();
  std::string line = console.paint(Ink::kStrong, heading);
  if (!remark.empty()) line += "  " + console.paint(Ink::kFaint, remark);
  console.line(line);
}

void print_facts(Console& console, const std::vector<Fact>& facts) {
  Table table(std::vector<Column>{{}, {.fit = Table::Fit::kWrap, .least = 24}});
  for (const Fact& fact : facts) table.add({Cell(fact.key, Ink::kFaint), Cell(fact.value)});
  table.print(console, kIndent);
}

std::string under_line(const Inspection& inspection, const TensorReport& report) {
  std::string out;
  if (report.bytes().sha256) out = "sha256 " + to_hex(*report.bytes().sha256);
  if (const NamedTensor* first = inspection.model.shares_with(report.entry)) {
    out += text("{}shares memory with {}", out.empty() ? "" : "  ", printable(first->name));
  }
  return out;
}

const NamedTensor& entry_of(const Inspection& inspection, const TensorReport& report) {
  return inspection.model.tensors()[report.entry];
}

std::string shape_text(const Tensor& tensor) {
  return tensor.logical().empty() ? to_string(tensor.shape())
                                  : text("{} {}", to_string(tensor.shape()), printable(tensor.logical()));
}

void print_folded(Console& console, const Inspection& inspection) {
  std::vector<NamedTensor> shown;
  for (const TensorReport& report : inspection.tensors) shown.push_back(entry_of(inspection, report));
  constexpr Column kNumber{.align = Table::Align::kRight};
  std::vector<Column> columns{{.fit = Table::Fit::kCutName, .least = 20}, {}, {}, kNumber};
  if (console.width() >= kNarrow) columns.push_back(kNumber);
  Table table(columns);
  for (const TensorRow& line : rows_of(shown)) {
    const TensorReport& first = inspection.tensors[line.members.front()];
    const Tensor& tensor = shown[line.members.front()].tensor;
    const std::size_t count = line.members.size();
    std::uint64_t bytes = 0;
    for (const std::uint32_t member : line.members) bytes += shown[member].tensor.bytes();
    std::vector<Cell> cells{Cell(printable(line.pattern)), Cell(name(tensor.dtype()), Ink::kAccent),
                            line.one_shape ? Cell(shape_text(tensor)) : Cell("various", Ink::kFaint),
                            Cell(count > 1 ? text("×{}", count) : "", Ink::kStrong)};
    if (columns.size() > cells.size()) cells.emplace_back(human_bytes(bytes), Ink::kFaint);
    table.add(std::move(cells), count == 1 ? under_line(inspection, first) : "");
  }
  table.print(console, kIndent);
}

void print_each(Console& console, const Inspection& inspection) {
  Table table(std::vector<Column>{{.fit = Table::Fit::kCutName, .least = 20}, {}, {}, {.align = Table::Align::kRight}});
  for (const TensorReport& report : inspection.tensors) {
    const NamedTensor& entry = entry_of(inspection, report);
    table.add({Cell(printable(entry.name)), Cell(name(entry.tensor.dtype()), Ink::kAccent), Cell(shape_text(entry.tensor)),
               Cell(human_bytes(entry.tensor.bytes()), Ink::kFaint)},
              under_line(inspection, report));
  }
  table.print(console, kIndent);
}

// Two bins a column.
std::array<std::uint64_t, kBins / 2> in_columns(const std::array<std::uint64_t, kBins>& bins) {
  std::array<std::uint64_t, kBins / 2> columns = {};
  for (std::size_t i = 0; i < bins.size(); ++i) columns[i / 2] += bins[i];
  return columns;
}

std::string share_text(std::uint64_t part, std::uint64_t whole) {
  if (part == 0 || whole == 0) return "0";
  const double percent = 100 * static_cast<double>(part) / static_cast<double>(whole);
  return percent >= 0.1 ? text("{:.3g} %", percent) : grouped(part);
}

void print_statistics(Console& console, const Inspection& inspection) {
  const bool wide = console.width() >= kWide;
  constexpr auto kRight = Table::Align::kRight;
  std::vector<Column> columns{{.heading = "name", .fit = Table::Fit::kCutName, .least = 12}};
  if (wide) {
    columns.push_back({.heading = "dtype"});
    columns.push_back({.heading = "shape"});
  }
  for (const std::string_view heading : {"min", "max", "mean", "zeros", "NaN", "Inf"}) {
    columns.push_back({.heading = heading, .align = kRight});
  }
  if (console.width() >= 76) columns.push_back({.heading = "histogram"});
  Table table(columns);
  for (const TensorReport& report : inspection.tensors) {
    const NamedTensor& entry = entry_of(inspection, report);
    std::vector<Cell> cells{Cell(printable(entry.name))};
    if (wide) {
      cells.emplace_back(name(entry.tensor.dtype()), Ink::kAccent);
      cells.emplace_back(shape_text(entry.tensor));
    }
    if (const auto& values = report.bytes().statistics) {
      const bool finite = values->nan + values->inf < values->elements;
      for (const double number : {values->min, values->max, values->mean})
        cells.emplace_back(finite ? short_number(number) : "-");
      cells.emplace_back(share_text(values->zeros, values->elements), values->zeros == 0 ? Ink::kFaint : Ink::kPlain);
      cells.emplace_back(grouped(values->nan), values->nan == 0 ? Ink::kFaint : Ink::kBad);
      cells.emplace_back(grouped(values->inf), values->inf == 0 ? Ink::kFaint : Ink::kBad);
      cells.emplace_back(finite ? sparkline(in_columns(values->histogram)) : "", Ink::kAccent);
    } else {
      for (const std::string_view absent : {"-", "-", "-", "-", "-", "-", ""}) cells.emplace_back(absent);
    }
    cells.erase(cells.begin() + static_cast<std::ptrdiff_t>(columns.size()), cells.end());
    table.add(std::move(cells), under_line(inspection, report));
  }
  table.print(console, kIndent);
}

void print_tensors(Console& console, const Inspection& inspection, Listing listing) {
  if (inspection.model.tensors().empty()) return;
  const std::size_t all = inspection.model.tensors().size();
  const std::size_t shown = inspection.tensors.size();
  print_heading(console, "tensors", shown == all ? grouped(all) : text("{} of {}", grouped(shown), grouped(all)));
  bool measured = false;
  for (const TensorReport& report : inspection.tensors) measured = measured || report.bytes().statistics;
  if (measured) return print_statistics(console, inspection);
  return listing == Listing::kFolded ? print_folded(console, inspection) : print_each(console, inspection);
}

void print_values(Console& console, std::string_view heading, Value value) {
  if (!value || value.is_null() || !holds_plain_values(value)) return;
  print_heading(console, heading);
  print_outline(console, value, kIndent);
}

// Lines of JSON, a value each; a tensor in it by its name. What a file says once and refers to often must not print without
// end: all lines together may take so many times what the values take.
constexpr std::uint64_t kLeastLeafBytes = 64u << 20;
constexpr std::uint64_t kMostLeafRepeats = 16;

Status print_leaves(Console& console, const Inspection& inspection, std::string_view key, Value root) {
  if (!root || root.is_null() || !holds_plain_values(root)) return {};
  const TensorNames names(inspection.model);
  const std::uint64_t most = kLeastLeafBytes + kMostLeafRepeats * root.arena().memory();
  std::uint64_t bytes = 0;
  Status status;
  for_each_leaf(root, [&](std::string_view pointer, Value leaf) {
    if (!status || !holds_plain_values(leaf)) return;
    JsonWriter writer;
    status = write_document(writer, leaf, names, {});
    bytes += pointer.size() + writer.text().size();
    if (status && bytes > most) {
      status = over_limit(text("the values take more than {} bytes as lines; inspect --json writes once what they share", most))
                   .in(inspection.path);
    }
    if (status) console.line(text("# {}\t{}\t{}", key, pointer, printable(writer.text())));
  });
  return status;
}

Status print_fact_lines(Console& console, const Inspection& inspection) {
  for (const Fact& fact : line_facts(inspection)) console.line(text("# {}\t{}", fact.key, fact.value));
  print_training_lines(console, inspection.training);
  HOLDALL_TRY(print_leaves(console, inspection, "tree", inspection.model.tree()));
  HOLDALL_TRY(print_leaves(console, inspection, "config", inspection.model.config()));
  HOLDALL_TRY(print_leaves(console, inspection, "metadata", inspection.model.metadata()));
  for (const std::string& warning : inspection.model.warnings()) console.line("# warning\t" + printable(warning));
  console.line(text("# verdict\t{}", name(inspection.verdict)));
  for (const Finding& finding : inspection.findings) console.line("# finding\t" + finding_fields(finding));
  return {};
}

std::string statistics_fields(const std::optional<Statistics>& values) {
  if (!values) return "\t-\t-\t-\t-\t-\t-";
  return text("\t{}\t{}\t{}\t{}\t{}\t{}", values->min, values->max, values->mean, values->zeros, values->nan, values->inf);
}

}  // namespace

void print_page(Console& console, const Inspection& inspection, Listing listing) {
  console.line(console.paint(Ink::kStrong, printable(inspection.path)));
  print_facts(console, page_facts(inspection));
  print_tensors(console, inspection, listing);
  print_training(console, inspection.training);
  print_values(console, "values", inspection.model.tree());
  print_values(console, "config", inspection.model.config());
  print_values(console, "metadata", inspection.model.metadata());
  print_warnings(console, inspection.model.warnings());
  console.line();
  print_verdict(console, inspection.verdict);
  print_findings(console, inspection.findings, kIndent);
}

Status print_lines(Console& console, const Inspection& inspection) {
  if (!console.quiet()) HOLDALL_TRY(print_fact_lines(console, inspection));
  bool digests = false;
  bool measured = false;
  for (const TensorReport& report : inspection.tensors) {
    digests = digests || report.bytes().sha256;
    measured = measured || report.bytes().statistics;
  }
  for (const TensorReport& report : inspection.tensors) {
    const NamedTensor& entry = entry_of(inspection, report);
    const auto offset = offset_in_file(entry.tensor);
    std::string line =
        text("{}\t{}\t{}\t{}\t{}\t{}", printable(entry.name), name(entry.tensor.dtype()), to_string(entry.tensor.shape()),
             entry.tensor.bytes(), printable(entry.file.str()), offset ? text("{}", *offset) : "-");
    if (digests) line += "\t" + (report.bytes().sha256 ? to_hex(*report.bytes().sha256) : "-");
    if (measured) line += statistics_fields(report.bytes().statistics);
    console.line(line);
  }
  return {};
}

}  // namespace holdall::cli
