#include "holdall/ops/update.h"

#include "cli/input.h"
#include "cli/progress.h"
#include "cli/style.h"
#include "cli/verbs.h"
#include "holdall/base/text.h"

namespace holdall::cli {
namespace {

void print_lines(Console& console, const UpdateReport& report) {
  for (const auto& each : report.fit.mismatched) {
    console.line(text("mismatched\t{}\t{}\t{}", printable(each.name), to_string(each.file), to_string(each.module)));
  }
  for (const std::string& name : report.fit.unexpected) console.line("unexpected\t" + printable(name));
  if (!report.written) return;
  console.line(text("written\t{}\t{}\t{}\t{}", printable(report.output), report.format, report.fit.loaded.size(),
                    report.fit.missing.size()));
}

}  // namespace

Result<int> update_verb(const Arguments& arguments, Console& console) {
  if (!arguments.has(Flag::kFrom)) return invalid_argument("update needs --from WEIGHTS");
  if (!arguments.has(Flag::kOut)) return invalid_argument("update needs --out OUT");
  UpdateOptions options;
  if (arguments.has(Flag::kNames)) {
    HOLDALL_ASSIGN(options.names, read_names(std::string(arguments.value(Flag::kNames))));
  }
  if (arguments.has(Flag::kShardSize)) {
    HOLDALL_ASSIGN(options.save.write.shard_bytes, parse_size(arguments.value(Flag::kShardSize)));
    if (options.save.write.shard_bytes == 0) return invalid_argument("--shard-size must be more than nothing");
  }
  options.save.execute.durable = !arguments.has(Flag::kNoSync);
  catch_interrupts();
  Meter meter(console, "writing", Meter::Unit::kBytes);
  options.save.execute.progress = meter.function();
  const std::string output(arguments.value(Flag::kOut));
  HOLDALL_ASSIGN(const UpdateReport report,
                 update_file(arguments.operands[0], std::string(arguments.value(Flag::kFrom)), output, options));
  meter.clear();
  if (report.written) {
    for (const std::string& warning : report.warnings) console.note("holdall: warning: " + printable(warning));
  }
  if (console.json()) {
    JsonWriter writer(console.terminal() ? 2 : 0);
    write_update(writer, report);
    console.line(writer.text());
  } else if (!console.quiet() || !report.written) {
    print_lines(console, report);
  }
  return report.written ? 0 : 1;
}

}  // namespace holdall::cli
