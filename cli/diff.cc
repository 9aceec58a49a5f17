#include "holdall/ops/diff.h"

#include "cli/diff_view.h"
#include "cli/input.h"
#include "cli/progress.h"
#include "cli/style.h"
#include "cli/verbs.h"

namespace holdall::cli {
namespace {

Result<double> tolerance_of(const Arguments& arguments, Flag flag) {
  return arguments.has(flag) ? parse_tolerance(arguments.value(flag)) : Result<double>(0.0);
}

Result<DiffReport> compared(const Arguments& arguments, const DiffOptions& options) {
  const std::string& a = arguments.operands[0];
  const std::string& b = arguments.operands[1];
  if (a == "-" && b == "-") return invalid_argument("only one of the two can be standard input");
  HOLDALL_ASSIGN(const Bundle bundle_a, open_input(a));
  HOLDALL_ASSIGN(const Model model_a, open_model(bundle_a, options.open));
  HOLDALL_ASSIGN(const Bundle bundle_b, open_input(b));
  HOLDALL_ASSIGN(const Model model_b, open_model(bundle_b, options.open));
  return diff_models(model_a, model_b, options);
}

}  // namespace

Result<int> diff_verb(const Arguments& arguments, Console& console) {
  Meter meter(console, "comparing", Meter::Unit::kBytes);
  DiffOptions options;
  HOLDALL_ASSIGN(options.atol, tolerance_of(arguments, Flag::kAtol));
  HOLDALL_ASSIGN(options.rtol, tolerance_of(arguments, Flag::kRtol));
  options.progress = meter.function();
  HOLDALL_ASSIGN(const DiffReport report, compared(arguments, options));
  meter.clear();
  if (console.json()) {
    JsonWriter writer(console.terminal() ? 2 : 0);
    write_difference(writer, report);
    console.line(writer.text());
  } else if (!console.quiet()) {
    console.terminal() ? print_page(console, report) : print_lines(console, report);
  }
  return report.same ? 0 : 1;
}

}  // namespace holdall::cli
