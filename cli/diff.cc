#include "holdall/ops/diff.h"

#include "cli/diff_view.h"
#include "cli/input.h"
#include "cli/page_output.h"
#include "cli/progress.h"
#include "cli/style.h"
#include "cli/verbs.h"

namespace holdall::cli {
namespace {

Result<double> tolerance_of(const Arguments& arguments, Flag flag) {
  return arguments.has(flag) ? parse_tolerance(arguments.value(flag)) : Result<double>(0.0);
}

// Compares, and makes the page that --html asks for.
Result<DiffReport> compared(const Arguments& arguments, Console& console, const DiffOptions& options, const std::string& a,
                            const std::string& b) {
  HOLDALL_ASSIGN(const TwoModels models, open_two(a, b));
  HOLDALL_ASSIGN(DiffReport report, diff_models(models.a, models.b, options));
  if (arguments.has(Flag::kHtml)) {
    HOLDALL_TRY(write_page(arguments, console, page_of(report), {&models.a, &models.b}));
  }
  return report;
}

}  // namespace

Result<int> diff_verb(const Arguments& arguments, Console& console) {
  return diff_paths(arguments, console, arguments.operands[0], arguments.operands[1]);
}

Result<int> diff_paths(const Arguments& arguments, Console& console, const std::string& a, const std::string& b) {
  const bool html = arguments.has(Flag::kHtml);
  HOLDALL_TRY(check_page(arguments, console));
  if (html) catch_interrupts();
  Meter meter(console, "comparing", Meter::Unit::kBytes);
  DiffOptions options;
  if (html) options.names = DiffOptions::Names::kKeep;
  HOLDALL_ASSIGN(options.atol, tolerance_of(arguments, Flag::kAtol));
  HOLDALL_ASSIGN(options.rtol, tolerance_of(arguments, Flag::kRtol));
  options.progress = meter.function();
  HOLDALL_ASSIGN(const DiffReport report, compared(arguments, console, options, a, b));
  meter.clear();
  if (console.json()) {
    JsonWriter writer(console.terminal() ? 2 : 0);
    write_difference(writer, report);
    console.line(writer.text());
  } else if (!console.quiet() && !html) {
    console.terminal() ? print_page(console, report) : print_lines(console, report);
  }
  return report.same ? 0 : 1;
}

}  // namespace holdall::cli
