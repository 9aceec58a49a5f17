#include "holdall/ops/convert.h"

#include "cli/input.h"
#include "cli/progress.h"
#include "cli/style.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "holdall/base/text.h"

namespace holdall::cli {
namespace {

Status read_sizes(const Arguments& arguments, WriteOptions& write) {
  if (arguments.has(Flag::kShardSize)) {
    HOLDALL_ASSIGN(write.shard_bytes, parse_size(arguments.value(Flag::kShardSize)));
    if (write.shard_bytes == 0) return invalid_argument("--shard-size must be more than nothing");
  }
  if (arguments.has(Flag::kAlignment)) {
    HOLDALL_ASSIGN(write.alignment, parse_size(arguments.value(Flag::kAlignment)));
    const std::uint64_t n = write.alignment;
    if (n == 0 || (n & (n - 1)) != 0 || n > (std::uint64_t{1} << 30)) {
      return invalid_argument(text("--alignment must be a power of two of at most 1 GiB, not {}", n));
    }
  }
  write.compress = arguments.has(Flag::kCompress);
  return {};
}

Result<ConvertOptions> options_of(const Arguments& arguments) {
  ConvertOptions options;
  HOLDALL_TRY(read_sizes(arguments, options.save.write));
  if (arguments.has(Flag::kPolicy)) {
    HOLDALL_ASSIGN(options.open.policy, Policy::read(std::string(arguments.value(Flag::kPolicy))));
  }
  options.save.to = arguments.value(Flag::kTo);
  if (arguments.has(Flag::kAllowLoss)) options.save.losses = SaveOptions::Losses::kAllow;
  if (arguments.has(Flag::kDType)) options.dtype = dtype_named(arguments.value(Flag::kDType));
  if (arguments.has(Flag::kCheck)) options.check = ConvertOptions::Check::kDigests;
  if (arguments.has(Flag::kNames)) {
    HOLDALL_TRY(read_names_option(arguments.value(Flag::kNames), options));
  }
  options.save.execute.durable = !arguments.has(Flag::kNoSync);
  options.select = arguments.values(Flag::kSelect);
  for (const std::string& given : arguments.values(Flag::kRename)) {
    const std::size_t equals = given.find('=');
    if (equals == std::string::npos || equals == 0) return invalid_argument(text("--rename needs OLD=NEW, not '{}'", given));
    options.rename.emplace_back(given.substr(0, equals), given.substr(equals + 1));
  }
  return options;
}

void print_losses(Console& console, const ConvertReport& report) {
  Table table(
      std::vector<Table::Column>{{.fit = Table::Fit::kCutMiddle, .least = 16}, {.fit = Table::Fit::kWrap, .least = 30}});
  for (const Loss& loss : report.losses) {
    std::vector<Cell> cells{Cell(printable(loss.where), Ink::kAccent), Cell(printable(loss.what))};
    if (!console.terminal()) cells.front() = Cell("loss\t" + printable(loss.where));
    table.add(std::move(cells));
  }
  table.print(console, 2);
}

std::string number_field(const std::optional<double>& number) { return number ? text("{}", *number) : "-"; }

// A line a tensor: bytes before and after, and with --check how far its numbers are from the input's.
void print_copies(Console& console, const ConvertReport& report) {
  if (!console.terminal()) {
    for (const LightCopy& copy : report.copies) {
      console.line(text("cast\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}", printable(copy.name), name(copy.from), name(copy.to),
                        copy.bytes_in, copy.bytes_out, number_field(copy.max_abs), number_field(copy.mean_abs),
                        number_field(copy.cosine)));
    }
    for (const Loss& kept : report.kept) console.line(text("kept\t{}\t{}", printable(kept.where), kept.what));
    return;
  }
  constexpr auto kRight = Table::Align::kRight;
  Table table(std::vector<Table::Column>{{.heading = "name", .fit = Table::Fit::kCutName, .least = 16},
                                         {.heading = "type"},
                                         {.heading = "bytes", .align = kRight},
                                         {.heading = "max abs", .align = kRight},
                                         {.heading = "mean abs", .align = kRight},
                                         {.heading = "cosine", .align = kRight}});
  const auto number = [](const std::optional<double>& value) { return value ? short_number(*value) : std::string("-"); };
  for (const LightCopy& copy : report.copies) {
    const std::string cosine = copy.cosine ? text("{:.8g}", *copy.cosine) : "-";
    table.add({Cell(printable(copy.name)), Cell(text("{} → {}", name(copy.from), name(copy.to)), Ink::kWarn),
               Cell(text("{} → {}", human_bytes(copy.bytes_in), human_bytes(copy.bytes_out))), Cell(number(copy.max_abs)),
               Cell(number(copy.mean_abs)), Cell(cosine)});
  }
  if (report.checked && !table.empty()) table.print(console, 2);
  if (report.kept.empty()) return;
  console.line(text("  {} not cast", counted(report.kept.size(), "tensor", "tensors")));
  Table kept(std::vector<Table::Column>{{.fit = Table::Fit::kCutName, .least = 16}, {.fit = Table::Fit::kWrap, .least = 30}});
  for (const Loss& each : report.kept) kept.add({Cell(printable(each.where)), Cell(each.what)});
  kept.print(console, 4);
}

void print_report(Console& console, const ConvertReport& report) {
  const bool page = console.terminal();
  const std::string input = printable(report.input);
  const std::string output = printable(report.output);
  print_losses(console, report);
  if (!report.written) return;
  if (!page) print_copies(console, report);
  if (page) {
    console.line(text("{} ({}) → {} ({})", input, report.from, console.paint(Ink::kStrong, output), report.to));
    console.line(text("  {}, {} → {}", counted(report.tensors, "tensor", "tensors"), human_bytes(report.bytes_in),
                      human_bytes(report.bytes_out)));
    if (!report.copies.empty()) console.line(text("  {} cast", counted(report.copies.size(), "tensor", "tensors")));
    print_copies(console, report);
    if (!report.renamed.empty()) console.line(text("  {} renamed", counted(report.renamed.size(), "tensor", "tensors")));
  } else {
    console.line(text("written\t{}\t{}\t{}", output, report.to, report.bytes_out));
  }
  for (const std::string& name : report.disarmed)
    console.line(text("{}{}", page ? "  no longer run: " : "disarmed\t", printable(name)));
  if (!report.checked) return;
  const std::uint64_t equal = *report.checked - std::min<std::uint64_t>(*report.checked, report.differing.size());
  if (page) {
    const std::string line = text("{} of {} tensors bit-equal", grouped(equal), grouped(*report.checked));
    console.line("  " + console.paint(report.differing.empty() ? Ink::kGood : Ink::kBad, line));
  } else {
    console.line(text("checked\t{}\t{}", equal, *report.checked));
  }
  for (const std::string& name : report.differing)
    console.line(text("{}{}", page ? "    differs: " : "differs\t", printable(name)));
}

}  // namespace

Result<int> convert_verb(const Arguments& arguments, Console& console) {
  HOLDALL_ASSIGN(ConvertOptions options, options_of(arguments));
  const std::string& output = arguments.operands[1];
  if (output == "-") return invalid_argument("convert writes files and folders, not standard output");
  catch_interrupts();
  Meter meter(console, "converting", Meter::Unit::kBytes);
  meter.then("checking");
  options.progress = meter.function();
  HOLDALL_ASSIGN(const Bundle bundle, open_input(arguments.operands[0]));
  HOLDALL_ASSIGN(const ConvertReport report, convert_model(bundle, output, options));
  meter.clear();
  for (const std::string& warning : report.warnings) console.note("holdall: warning: " + printable(warning));
  if (console.json()) {
    JsonWriter writer(console.terminal() ? 2 : 0);
    write_conversion(writer, report);
    console.line(writer.text());
  } else if (!console.quiet() || !report.written) {
    print_report(console, report);
  }
  if (!report.written) {
    HOLDALL_TRY(console.flush());
    const std::string things = counted(report.losses.size(), "thing", "things");
    return Error(Code::kLoss,
                 text("{} cannot hold {} of this model, as listed; --allow-loss writes it without", report.to, things))
        .in(output);
  }
  return report.differing.empty() ? 0 : 1;
}

}  // namespace holdall::cli
