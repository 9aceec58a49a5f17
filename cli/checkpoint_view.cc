#include "cli/checkpoint_view.h"

#include <algorithm>

#include "cli/style.h"
#include "cli/table.h"
#include "holdall/base/text.h"

namespace holdall::cli {
namespace {

using Column = Table::Column;

// Metrics that have a column each on a terminal; more share one.
constexpr std::size_t kMetricColumns = 3;

bool is_known(const Checkpoint& checkpoint) { return checkpoint.sequence != 0; }
std::string step_text(const Checkpoint& c) { return is_known(c) ? text("{}", c.label.step) : "-"; }
std::string epoch_text(const Checkpoint& c) { return is_known(c) && c.label.epoch ? text("{}", *c.label.epoch) : "-"; }
double age_of(const Checkpoint& c, std::int64_t now) { return static_cast<double>(now - c.time) / 1e9; }

std::string metrics_text(const Checkpoint& checkpoint) {
  std::string out;
  for (const auto& [metric, value] : checkpoint.label.metrics)
    out += text("{}{} {}", out.empty() ? "" : ", ", printable(metric), short_number(value));
  return out;
}

Ink ink_of(const Checkpoint& checkpoint) {
  if (checkpoint.state == Checkpoint::State::kDamaged) return Ink::kBad;
  return checkpoint.is_complete() ? Ink::kPlain : Ink::kFaint;
}

// What the complete ones have, in the order in which they are met.
std::vector<std::string> metric_names(const Listing& listing) {
  std::vector<std::string> names;
  for (const Fate& fate : listing.fates) {
    for (const auto& [metric, value] : fate.checkpoint->label.metrics)
      if (std::ranges::find(names, metric) == names.end()) names.push_back(metric);
    if (names.size() > kMetricColumns) break;
  }
  return names;
}

std::vector<Cell> cells_of(const Listing& listing, const Fate& fate, const std::vector<std::string>& metrics, bool apart) {
  const Checkpoint& checkpoint = *fate.checkpoint;
  const Ink ink = fate.goes ? Ink::kFaint : ink_of(checkpoint);
  std::vector<Cell> cells = {Cell(step_text(checkpoint), ink), Cell(epoch_text(checkpoint), ink)};
  if (!apart) cells.emplace_back(metrics_text(checkpoint), ink);
  for (std::size_t i = 0; apart && i < metrics.size(); ++i) {
    const auto found = std::ranges::find(checkpoint.label.metrics, metrics[i], &std::pair<std::string, double>::first);
    cells.emplace_back(found == checkpoint.label.metrics.end() ? "" : short_number(found->second), ink);
  }
  cells.emplace_back(human_bytes(checkpoint.bytes), ink);
  cells.emplace_back(is_known(checkpoint) ? human_age(age_of(checkpoint, listing.now)) : "-", ink);
  cells.emplace_back(name(checkpoint.state), checkpoint.is_complete() && !fate.goes ? Ink::kGood : ink);
  if (!listing.rules.keep_all()) {
    const bool judged = checkpoint.is_complete();
    cells.emplace_back(judged ? text("{}: {}", fate.goes ? "goes" : "kept", printable(fate.why)) : "kept", ink);
  }
  cells.emplace_back(printable(checkpoint.name), ink);
  return cells;
}

void print_table(Console& console, const Listing& listing) {
  const std::vector<std::string> metrics = metric_names(listing);
  const bool apart = metrics.size() <= kMetricColumns;
  constexpr auto kRight = Table::Align::kRight;
  std::vector<std::string> headings;
  for (const std::string& metric : metrics) headings.push_back(cut_middle(printable(metric), 16));
  std::vector<Column> columns = {{.heading = "step", .align = kRight}, {.heading = "epoch", .align = kRight}};
  for (std::size_t i = 0; apart && i < metrics.size(); ++i) columns.push_back({.heading = headings[i], .align = kRight});
  if (!apart) columns.push_back({.heading = "metrics", .fit = Table::Fit::kWrap, .least = 20});
  columns.push_back({.heading = "size", .align = kRight});
  columns.push_back({.heading = "age", .align = kRight});
  columns.push_back({.heading = "state"});
  if (!listing.rules.keep_all()) columns.push_back({.heading = "rules", .fit = Table::Fit::kWrap, .least = 16});
  columns.push_back({.heading = "name", .fit = Table::Fit::kCutMiddle, .least = 16});
  Table table(std::move(columns));
  for (const Fate& fate : listing.fates) {
    auto cells = cells_of(listing, fate, metrics, apart);
    const std::string& why = fate.checkpoint->why;
    why.empty() ? table.add(std::move(cells)) : table.add(std::move(cells), printable(why));
  }
  table.print(console, 2);
}

void print_rules(Console& console, const Rules& rules, std::string_view where) {
  console.line(console.paint(Ink::kStrong, printable(where)));
  const std::string said = to_string(rules);
  console.line(console.paint(Ink::kFaint, "  rules  ") + (said.empty() ? "none: all stay" : printable(said)));
  console.line();
}

// Of an entry that was verified: "12 digests compared".
std::string checks_text(const VerifyReport& report) {
  const std::uint64_t checks = report.faults.crc32 + report.faults.crc32c + report.faults.digests;
  return text("{}, {}", human_bytes(report.bytes), counted(checks, "checksum compared", "checksums compared"));
}

struct Went {
  std::string_view how;
  const Fate* fate;
};

// Those that were to go, and what became of each, in the folder's order.
std::vector<Went> went(const Pruned& pruned) {
  const Pruning& pruning = *pruned.pruning;
  std::vector<Went> all;
  const auto among = [](const std::vector<std::string>& names, const std::string& name) {
    return std::ranges::find(names, name) != names.end();
  };
  for (const Fate& fate : pruning.fates) {
    if (!fate.goes) continue;
    if (among(pruning.removed, fate.checkpoint->name)) all.push_back({"removed", &fate});
    if (among(pruning.held, fate.checkpoint->name)) all.push_back({"held", &fate});
  }
  return all;
}

std::string fault_place(const Fault& fault) {
  return fault.offset ? text("{} @ {}", printable(fault.where), *fault.offset) : printable(fault.where);
}

}  // namespace

void print_page(Console& console, const Listing& listing) {
  if (!console.quiet()) print_rules(console, listing.rules, listing.folder->path());
  if (!listing.fates.empty()) print_table(console, listing);
  if (console.quiet()) return;
  std::uint64_t bytes = 0;
  std::uint64_t complete = 0;
  std::uint64_t going = 0;
  std::uint64_t freed = 0;
  for (const Fate& fate : listing.fates) {
    if (!fate.checkpoint->is_complete()) continue;
    ++complete;
    bytes += fate.checkpoint->bytes;
    if (fate.goes) ++going, freed += fate.checkpoint->bytes;
  }
  if (!listing.fates.empty()) console.line();
  std::string line = text("{}, {}", counted(complete, "complete checkpoint", "complete checkpoints"), human_bytes(bytes));
  if (complete != listing.fates.size())
    line += text("; {}", counted(listing.fates.size() - complete, "other entry", "other entries"));
  if (going != 0) line += text("; the rules let {} go, {}", grouped(going), human_bytes(freed));
  console.line(line);
}

void print_lines(Console& console, const Listing& listing) {
  for (const Fate& fate : listing.fates) {
    const Checkpoint& checkpoint = *fate.checkpoint;
    std::string metrics;
    for (const auto& [metric, value] : checkpoint.label.metrics)
      metrics += text("{}{}={}", metrics.empty() ? "" : " ", printable(metric), value);
    const std::string age = is_known(checkpoint) ? text("{:.0f}", std::max(0.0, age_of(checkpoint, listing.now))) : "-";
    console.line(text("{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}", step_text(checkpoint), epoch_text(checkpoint),
                      metrics.empty() ? "-" : metrics, checkpoint.bytes, age, name(checkpoint.state),
                      fate.goes ? "goes" : "kept", printable(checkpoint.is_complete() ? fate.why : checkpoint.why),
                      printable(listing.folder->path_of(checkpoint))));
  }
}

std::string_view verdict_of(const Verified& entry) noexcept {
  if (!entry.report) return name(entry.checkpoint->state);
  return entry.report->sound() ? "sound" : "damaged";
}

void print_page(Console& console, const std::vector<Verified>& entries) {
  std::size_t damaged = 0;
  std::size_t sound = 0;
  for (const Verified& entry : entries) {
    const std::string_view verdict = verdict_of(entry);
    const bool bad = entry.report && !entry.report->sound();
    const Ink ink = !entry.report ? Ink::kFaint : bad ? Ink::kBad : Ink::kGood;
    damaged += bad ? 1 : 0;
    sound += entry.report && !bad ? 1 : 0;
    const std::string checks = entry.report && !bad ? "  " + checks_text(*entry.report) : "";
    console.line(
        text("{}{}{}", console.paint(ink, text("{:<9}", verdict)), printable(entry.path), console.paint(Ink::kFaint, checks)));
    if (!bad) continue;
    for (const Fault& fault : entry.report->faults.list) {
      const std::string place = fault_place(fault);
      std::string lead = "  ";
      const std::string said = text("{}{}{}", place, place.empty() ? "" : ": ", printable(fault.what));
      for (const std::string& line : wrapped(said, console.width() - 4)) {
        console.line(lead + line);
        lead = "    ";
      }
    }
  }
  console.line();
  const std::string others =
      entries.size() == sound + damaged ? "" : text(", {} not looked into", grouped(entries.size() - sound - damaged));
  console.line(text("{} sound, {}{}", grouped(sound),
                    console.paint(damaged == 0 ? Ink::kPlain : Ink::kBad, text("{} damaged", grouped(damaged))), others));
}

void print_lines(Console& console, const std::vector<Verified>& entries) {
  for (const Verified& entry : entries) {
    const std::string path = printable(entry.path);
    if (!entry.report) {
      console.line(text("{}\t{}", path, verdict_of(entry)));
      continue;
    }
    const Faults& faults = entry.report->faults;
    console.line(
        text("{}\t{}\tcrc32={}\tcrc32c={}\tdigests={}", path, verdict_of(entry), faults.crc32, faults.crc32c, faults.digests));
    for (const Fault& fault : faults.list) {
      console.line(text("{}\tfault\t{}\t{}\t{}", path, printable(fault.where), fault.offset ? text("{}", *fault.offset) : "-",
                        printable(fault.what)));
    }
  }
}

void write_verified(JsonWriter& writer, const CheckpointFolder& folder, const std::vector<Verified>& entries) {
  const bool sound = std::ranges::all_of(entries, [](const Verified& e) { return !e.report || e.report->sound(); });
  writer.begin_object().key("path").string(folder.path()).key("sound").boolean(sound).key("checkpoints").begin_array();
  for (const Verified& entry : entries) {
    writer.begin_object();
    write_members(writer, *entry.checkpoint, folder.path());
    writer.key("verdict").string(verdict_of(entry)).key("verification");
    entry.report ? write_verification(writer, *entry.report) : static_cast<void>(writer.null());
    writer.end_object();
  }
  writer.end_array().end_object();
}

void print_page(Console& console, const Pruned& pruned) {
  if (!console.quiet()) print_rules(console, *pruned.rules, pruned.folder->path());
  constexpr auto kRight = Table::Align::kRight;
  Table table(std::vector<Column>{{},
                                  {.heading = "step", .align = kRight},
                                  {.heading = "size", .align = kRight},
                                  {.heading = "name", .fit = Table::Fit::kCutMiddle, .least = 16},
                                  {.heading = "why", .fit = Table::Fit::kWrap, .least = 16}});
  std::uint64_t freed = 0;
  for (const auto& [how, fate] : went(pruned)) {
    const Checkpoint& checkpoint = *fate->checkpoint;
    const bool held = how == "held";
    if (!held) freed += checkpoint.bytes;
    table.add({Cell(how, held ? Ink::kWarn : Ink::kAccent), Cell(step_text(checkpoint)), Cell(human_bytes(checkpoint.bytes)),
               Cell(printable(checkpoint.name)),
               Cell(held ? text("{}, and some process has it open", printable(fate->why)) : printable(fate->why))});
  }
  table.print(console, 2);
  if (console.quiet()) return;
  if (!table.empty()) console.line();
  const Pruning& pruning = *pruned.pruning;
  std::string line =
      text("{} {}, {}", grouped(pruning.removed.size()), pruned.dry_run ? "would be removed" : "removed", human_bytes(freed));
  if (!pruning.held.empty()) line += text("; {} held", grouped(pruning.held.size()));
  const auto kept = std::ranges::count_if(pruning.fates, [](const Fate& f) { return !f.goes && f.checkpoint->is_complete(); });
  console.line(text("{}; {} kept", line, grouped(static_cast<std::uint64_t>(kept))));
}

void print_lines(Console& console, const Pruned& pruned) {
  for (const auto& [how, fate] : went(pruned))
    console.line(text("{}\t{}\t{}", how, printable(pruned.folder->path_of(*fate->checkpoint)), printable(fate->why)));
  for (const Error& failure : pruned.pruning->failures)
    console.line(text("failed\t{}\t{}", printable(failure.path()), printable(failure.message())));
}

void write_pruned(JsonWriter& writer, const Pruned& pruned) {
  writer.begin_object().key("path").string(pruned.folder->path()).key("rules").string(to_string(*pruned.rules));
  writer.key("dry_run").boolean(pruned.dry_run);
  const std::vector<Went> all = went(pruned);
  for (const std::string_view kind : {"removed", "held"}) {
    writer.key(kind).begin_array();
    for (const auto& [how, fate] : all)
      if (how == kind) write_checkpoint(writer, *fate, pruned.folder->path());
    writer.end_array();
  }
  writer.key("failed").begin_array();
  for (const Error& failure : pruned.pruning->failures) {
    writer.begin_object().key("path").string(failure.path()).key("what").string(failure.message()).end_object();
  }
  writer.end_array().end_object();
}

}  // namespace holdall::cli
