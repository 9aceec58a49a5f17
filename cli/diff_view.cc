#include "cli/diff_view.h"

#include "cli/style.h"
#include "cli/table.h"
#include "holdall/base/text.h"
#include "holdall/ops/fold.h"

namespace holdall::cli {
namespace {

using Column = Table::Column;

constexpr std::size_t kMostValues = 60;  // rows of a page; --json and a pipe have them all

std::string type_text(DType dtype, const Shape& shape) { return text("{} {}", name(dtype), to_string(shape)); }

bool same_type(const TensorDifference& difference) {
  return difference.a_dtype == difference.b_dtype && difference.a_shape == difference.b_shape;
}

// "float32 [2, 3] → float16 [2, 3]", saying once what did not change.
std::string change_text(const TensorDifference& change) {
  if (same_type(change)) return type_text(change.a_dtype, change.a_shape);
  if (change.a_shape == change.b_shape)
    return text("{} → {} {}", name(change.a_dtype), name(change.b_dtype), to_string(change.a_shape));
  if (change.a_dtype == change.b_dtype)
    return text("{} {} → {}", name(change.a_dtype), to_string(change.a_shape), to_string(change.b_shape));
  return type_text(change.a_dtype, change.a_shape) + " → " + type_text(change.b_dtype, change.b_shape);
}

void print_heading(Console& console, std::string_view heading, std::size_t count) {
  console.line();
  console.line(text("{}  {}", console.paint(Ink::kStrong, heading), console.paint(Ink::kFaint, grouped(count))));
}

void print_only(Console& console, std::string_view heading, const std::vector<std::string>& names, Ink ink) {
  if (names.empty()) return;
  print_heading(console, heading, names.size());
  std::vector<FoldItem> items;
  for (const std::string& each : names) items.push_back({each, {}});
  for (const FoldedLine& line : fold(std::span<const FoldItem>(items))) {
    const std::string count = line.members.size() > 1 ? text("  ×{}", line.members.size()) : "";
    const std::string pattern = cut_name(printable(line.pattern), console.width() - 2 - display_width(count));
    console.line("  " + console.paint(ink, pattern) + console.paint(Ink::kStrong, count));
  }
}

// A dash stands for what no number says.
std::string number_text(const std::optional<double>& number) { return number ? short_number(*number) : "-"; }

// Cosines near 1 differ in their last digits.
std::string cosine_text(const std::optional<double>& cosine) { return cosine ? text("{:.8g}", *cosine) : "-"; }

void print_changed(Console& console, const std::vector<TensorDifference>& changed) {
  if (changed.empty()) return;
  print_heading(console, "changed", changed.size());
  constexpr auto kRight = Table::Align::kRight;
  Table table(std::vector<Column>{{.heading = "name", .fit = Table::Fit::kCutName, .least = 16},
                                  {.heading = "type"},
                                  {.heading = "max abs", .align = kRight},
                                  {.heading = "max rel", .align = kRight},
                                  {.heading = "cosine", .align = kRight}});
  for (const TensorDifference& change : changed) {
    table.add({Cell(printable(change.name)), Cell(change_text(change), same_type(change) ? Ink::kFaint : Ink::kWarn),
               Cell(number_text(change.max_abs)), Cell(number_text(change.max_rel)), Cell(cosine_text(change.cosine))});
  }
  table.print(console, 2);
}

// The place a difference is about: an object announces itself by its class.
std::string_view place_of(const TreeDifference& change) noexcept {
  std::string_view place = change.path;
  if (place.ends_with("/$object")) place.remove_suffix(std::string_view("/$object").size());
  return place;
}

// Whether `change` lies under `above` and says no more than that all of it is on one side.
bool is_under(const TreeDifference& above, const TreeDifference& change) noexcept {
  const std::string_view place = place_of(above);
  return above.kind == change.kind && change.kind != TreeDifference::Kind::kChanged && !place.empty() &&
         change.path.size() > place.size() && change.path.starts_with(place) && change.path[place.size()] == '/';
}

std::string side_text(std::string_view side, std::string_view value, std::size_t values_under) {
  // An object's class reads better without its JSON.
  constexpr std::string_view kOpen = "{\"$global\":\"";
  if (value.starts_with(kOpen) && value.ends_with("\"}")) {
    value.remove_prefix(kOpen.size());
    value.remove_suffix(2);
  }
  std::string out = text("only in {}: {}", side, printable(value));
  if (values_under != 0) out += text(" of {}", counted(values_under, "value", "values"));
  return out;
}

std::string change_text(const TreeDifference& change, std::size_t values_under) {
  switch (change.kind) {
    case TreeDifference::Kind::kOnlyA:
      return side_text("A", change.a, values_under);
    case TreeDifference::Kind::kOnlyB:
      return side_text("B", change.b, values_under);
    case TreeDifference::Kind::kChanged:
      break;
  }
  return text("{} → {}", printable(change.a), printable(change.b));
}

void print_tree(Console& console, const std::vector<TreeDifference>& changes) {
  if (changes.empty()) return;
  print_heading(console, "values", changes.size());
  Table table(std::vector<Column>{{.fit = Table::Fit::kCutMiddle, .least = 16}, {.fit = Table::Fit::kWrap, .least = 20}});
  std::size_t rows = 0;
  std::size_t next = 0;
  while (next < changes.size() && rows++ < kMostValues) {
    const TreeDifference& change = changes[next++];
    const std::size_t first_under = next;
    while (next < changes.size() && is_under(change, changes[next])) ++next;
    const std::string_view place = place_of(change);
    table.add({Cell(place.empty() ? "/" : printable(place), Ink::kAccent), Cell(change_text(change, next - first_under))});
  }
  table.print(console, 2);
  if (next < changes.size()) console.line(console.paint(Ink::kFaint, text("  … {} more", grouped(changes.size() - next))));
}

std::string summary(const DiffReport& report) {
  if (report.same) return text("{}, values equal", counted(report.compared, "tensor", "tensors"));
  std::string out;
  const auto add = [&](std::size_t count, std::string_view what) {
    if (count != 0) out += text("{}{} {}", out.empty() ? "" : ", ", grouped(count), what);
  };
  add(report.only_a.size(), "only in A");
  add(report.only_b.size(), "only in B");
  add(report.changed.size(), "changed");
  add(report.tree.size(), report.tree.size() == 1 ? "value differs" : "values differ");
  return out;
}

std::string_view kind_of(const TensorDifference& change) noexcept {
  if (change.a_shape != change.b_shape) return "shape";
  return change.a_dtype != change.b_dtype ? "dtype" : "values";
}

std::string field(const std::optional<double>& number) { return number ? text("{}", *number) : "-"; }

}  // namespace

void print_page(Console& console, const DiffReport& report) {
  console.line(console.paint(Ink::kFaint, "A  ") + printable(report.a));
  console.line(console.paint(Ink::kFaint, "B  ") + printable(report.b));
  print_only(console, "only in A", report.only_a, Ink::kBad);
  print_only(console, "only in B", report.only_b, Ink::kGood);
  print_changed(console, report.changed);
  print_tree(console, report.tree);
  console.line();
  console.line(text("{}: {}", report.same ? console.paint(Ink::kGood, "the same") : console.paint(Ink::kWarn, "they differ"),
                    summary(report)));
}

void print_lines(Console& console, const DiffReport& report) {
  for (const std::string& each : report.only_a) console.line("only_a\t" + printable(each));
  for (const std::string& each : report.only_b) console.line("only_b\t" + printable(each));
  for (const TensorDifference& change : report.changed) {
    console.line(text("{}\t{}\t{}\t{}\t{}\t{}\t{}", kind_of(change), printable(change.name),
                      type_text(change.a_dtype, change.a_shape), type_text(change.b_dtype, change.b_shape),
                      field(change.max_abs), field(change.max_rel), field(change.cosine)));
  }
  for (const TreeDifference& change : report.tree) {
    console.line(text("tree\t{}\t{}\t{}", printable(change.path), change.a.empty() ? "-" : printable(change.a),
                      change.b.empty() ? "-" : printable(change.b)));
  }
}

}  // namespace holdall::cli
