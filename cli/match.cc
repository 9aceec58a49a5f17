#include "holdall/ops/match.h"

#include "cli/input.h"
#include "cli/progress.h"
#include "cli/style.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "holdall/base/text.h"
#include "holdall/ops/convert.h"

namespace holdall::cli {
namespace {

std::string number_text(const std::optional<double>& number) { return number ? text("{:.8g}", *number) : "-"; }

std::string steps_text(const MatchedPair& pair) { return pair.arrangement.is_identity() ? "-" : to_string(pair.arrangement); }

void print_lines(Console& console, const MatchReport& report) {
  for (const MatchedPair& pair : report.pairs) {
    console.line(text("{}\t{}\t{}\t{}\t{}\t{}\t{}", name(pair.by), printable(pair.a), printable(pair.b), steps_text(pair),
                      number_text(pair.max_abs), number_text(pair.cosine), pair.by_name_among_equals ? "equals" : "-"));
  }
  for (const std::string& each : report.only_a) console.line("only_a\t" + printable(each));
  for (const std::string& each : report.only_b) console.line("only_b\t" + printable(each));
}

Ink ink_of(MatchedPair::By by) {
  return by == MatchedPair::By::kName ? Ink::kWarn : by == MatchedPair::By::kClose ? Ink::kAccent : Ink::kGood;
}

void print_only(Console& console, std::string_view heading, const std::vector<std::string>& names) {
  if (names.empty()) return;
  console.line();
  console.line(text("{}  {}", console.paint(Ink::kStrong, heading), console.paint(Ink::kFaint, grouped(names.size()))));
  for (const std::string& each : names) console.line("  " + cut_name(printable(each), console.width() - 2));
}

void print_page(Console& console, const MatchReport& report) {
  console.line(text("{}  {}", console.paint(Ink::kFaint, "A"), printable(report.a)));
  console.line(text("{}  {}", console.paint(Ink::kFaint, "B"), printable(report.b)));
  console.line();
  Table table(std::vector<Table::Column>{{.heading = "by"},
                                         {.heading = "in A", .fit = Table::Fit::kCutName, .least = 16},
                                         {.heading = "in B", .fit = Table::Fit::kCutName, .least = 16},
                                         {.heading = "steps"},
                                         {.heading = "cosine", .align = Table::Align::kRight}});
  for (const MatchedPair& pair : report.pairs) {
    table.add({Cell(name(pair.by), ink_of(pair.by)), Cell(printable(pair.a)), Cell(printable(pair.b)),
               Cell(to_string(pair.arrangement)), Cell(pair.cosine ? number_text(pair.cosine) : "")});
  }
  table.print(console, 0);
  print_only(console, "only in A", report.only_a);
  print_only(console, "only in B", report.only_b);
}

}  // namespace

Result<int> match_verb(const Arguments& arguments, Console& console) {
  catch_interrupts();
  Meter meter(console, "comparing", Meter::Unit::kBytes);
  MatchOptions options;
  options.progress = meter.function();
  HOLDALL_ASSIGN(const TwoModels models, open_two(arguments.operands[0], arguments.operands[1]));
  HOLDALL_ASSIGN(const MatchReport report, match_models(models.a, models.b, options));
  if (arguments.has(Flag::kOut)) {
    const std::string path(arguments.value(Flag::kOut));
    HOLDALL_TRY(refuse_own_input(models.a, path));
    HOLDALL_TRY(refuse_own_input(models.b, path));
    HOLDALL_TRY(save_names(report, path));
  }
  meter.clear();
  if (console.json()) {
    JsonWriter writer(console.terminal() ? 2 : 0);
    write_match(writer, report);
    console.line(writer.text());
  } else if (!console.quiet()) {
    console.terminal() ? print_page(console, report) : print_lines(console, report);
  }
  return report.complete() ? 0 : 1;
}

}  // namespace holdall::cli
