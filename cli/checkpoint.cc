#include <charconv>
#include <iterator>

#include "cli/checkpoint_rules.h"
#include "cli/checkpoint_view.h"
#include "cli/page_output.h"
#include "cli/progress.h"
#include "cli/style.h"
#include "cli/verbs.h"
#include "holdall/base/text.h"

namespace holdall::cli {
namespace {

using State = Checkpoint::State;

Result<CheckpointFolder> folder_of(const Arguments& arguments) { return CheckpointFolder::read(arguments.operands.front()); }

// The folder, and what becomes of its entries by the flags' rules or else by its own.
Result<Listing> listed(const Arguments& arguments, const CheckpointFolder& folder) {
  HOLDALL_ASSIGN(std::optional<Rules> given, rules_given(arguments, folder));
  return listing_of(folder, given ? *std::move(given) : folder.rules(), System::local().now());
}

Result<int> list(const Arguments& arguments, Console& console) {
  const bool html = arguments.has(Flag::kHtml);
  HOLDALL_TRY(check_page(arguments, console));
  if (html) catch_interrupts();
  HOLDALL_ASSIGN(const CheckpointFolder folder, folder_of(arguments));
  HOLDALL_ASSIGN(const Listing listing, listed(arguments, folder));
  if (html) HOLDALL_TRY(write_page(arguments, console, page_of(listing), {}));
  if (console.json()) {
    JsonWriter writer(console.terminal() ? 2 : 0, [&](std::string_view text) { console.write(text); });
    write_listing(writer, listing);
    writer.flush();
    console.line();
  } else if (!html) {
    console.terminal() ? print_page(console, listing) : print_lines(console, listing);
    if (listing.fates.empty() && !console.terminal()) console.note(text("{}: no entries", printable(folder.path())));
  }
  return 0;
}

// Prints one checkpoint, or says that there is none.
int print_one(Console& console, const CheckpointFolder& folder, const Checkpoint* checkpoint, std::string_view wanted) {
  if (console.json()) {
    JsonWriter writer(console.terminal() ? 2 : 0);
    checkpoint == nullptr ? static_cast<void>(writer.null()) : write_checkpoint(writer, *checkpoint, folder.path());
    console.line(writer.text());
  } else if (checkpoint != nullptr) {
    console.line(folder.path_of(*checkpoint));
  }
  if (checkpoint == nullptr) console.note(text("{}: there is no {}", printable(folder.path()), wanted));
  return checkpoint == nullptr ? 1 : 0;
}

Result<int> latest(const Arguments& arguments, Console& console) {
  HOLDALL_ASSIGN(const CheckpointFolder folder, folder_of(arguments));
  return print_one(console, folder, folder.latest(), "complete checkpoint");
}

Result<int> best(const Arguments& arguments, Console& console) {
  HOLDALL_ASSIGN(const CheckpointFolder folder, folder_of(arguments));
  HOLDALL_ASSIGN(const BestRule rule, best_rule(arguments, folder));
  return print_one(console, folder, folder.best(rule.metric, rule.mode),
                   text("complete checkpoint with a number for '{}'", printable(rule.metric)));
}

// What verifying one entry gave; nothing where it is gone meanwhile. Errors: those that say nothing about the entry.
Result<std::optional<Verified>> verified(const CheckpointFolder& folder, const Checkpoint& checkpoint,
                                         const VerifyOptions& options) {
  Verified entry{&checkpoint, folder.path_of(checkpoint), std::nullopt};
  if (checkpoint.state == State::kForeign || checkpoint.state == State::kFuture) return std::optional(std::move(entry));
  Result<VerifyReport> report = verify_checkpoint(folder.path(), checkpoint, options);
  if (report) {
    entry.report = *std::move(report);
    if (!checkpoint.is_complete() && entry.report->sound())
      entry.report->faults.list.push_back({checkpoint.name, std::nullopt, checkpoint.why});
    return std::optional(std::move(entry));
  }
  const Code code = report.error().code();
  if (code == Code::kCancelled || code == Code::kOutOfMemory || code == Code::kInternal) return std::move(report).error();
  HOLDALL_ASSIGN(const System::Kind kind, System::local().kind(entry.path));
  if (kind == System::Kind::kMissing) return std::optional<Verified>();
  entry.report.emplace();
  entry.report->path = entry.path;
  entry.report->faults.list.push_back({"", std::nullopt, report.error().message()});
  return std::optional(std::move(entry));
}

Result<int> verify(const Arguments& arguments, Console& console) {
  HOLDALL_ASSIGN(const CheckpointFolder folder, folder_of(arguments));
  Meter meter(console, "verifying", Meter::Unit::kBytes);
  const auto show = meter.function();
  std::uint64_t total = 0;
  std::uint64_t before = 0;
  for (const Checkpoint& checkpoint : folder.all()) total += checkpoint.state == State::kForeign ? 0 : checkpoint.bytes;
  std::vector<Verified> entries;
  bool sound = true;
  for (const Checkpoint& checkpoint : folder.all()) {
    VerifyOptions options;
    options.progress = [&](std::uint64_t done, std::uint64_t) {
      return show(before + std::min(done, checkpoint.bytes), std::max<std::uint64_t>(total, 1));
    };
    HOLDALL_ASSIGN(std::optional<Verified> entry, verified(folder, checkpoint, options));
    before += checkpoint.state == State::kForeign ? 0 : checkpoint.bytes;
    if (!entry) continue;
    sound = sound && (!entry->report || entry->report->sound());
    entries.push_back(*std::move(entry));
  }
  meter.clear();
  if (console.json()) {
    JsonWriter writer(console.terminal() ? 2 : 0);
    write_verified(writer, folder, entries);
    console.line(writer.text());
  } else if (!console.quiet()) {
    console.terminal() ? print_page(console, entries) : print_lines(console, entries);
  }
  return sound ? 0 : 1;
}

Result<int> prune_folder(const Arguments& arguments, Console& console) {
  HOLDALL_ASSIGN(const CheckpointFolder folder, folder_of(arguments));
  HOLDALL_ASSIGN(const std::optional<Rules> given, rules_given(arguments, folder));
  const Rules rules = given ? *given : folder.rules();
  if (rules.keep_all())
    return invalid_argument(
               "by which rules? DIR has none of its own: --keep-last, --keep-best, --keep-every, --max-age, --max-bytes")
        .in(folder.path());
  const bool dry_run = arguments.has(Flag::kDryRun);
  HOLDALL_ASSIGN(const Pruning pruning, prune(System::local(), folder, rules, dry_run));
  const Pruned pruned{&folder, &rules, &pruning, dry_run};
  if (console.json()) {
    JsonWriter writer(console.terminal() ? 2 : 0);
    write_pruned(writer, pruned);
    console.line(writer.text());
  } else {
    console.terminal() ? print_page(console, pruned) : print_lines(console, pruned);
  }
  for (std::size_t i = 1; i < pruning.failures.size(); ++i) console.complain(printable(pruning.failures[i].to_string()));
  if (!pruning.failures.empty()) return pruning.failures.front();
  return 0;
}

// "1000", "latest", "best". Errors: invalid argument, not found, and corrupt for one that is not complete.
Result<const Checkpoint*> named(const Arguments& arguments, const CheckpointFolder& folder, const std::string& word) {
  const Checkpoint* found = nullptr;
  if (word == "latest") {
    found = folder.latest();
  } else if (word == "best") {
    HOLDALL_ASSIGN(const BestRule rule, best_rule(arguments, folder));
    found = folder.best(rule.metric, rule.mode);
  } else {
    std::int64_t step = 0;
    const auto read = std::from_chars(word.data(), word.data() + word.size(), step);
    if (read.ec != std::errc() || read.ptr != word.data() + word.size())
      return invalid_argument(text("'{}' is no STEP: a number, latest or best", word));
    found = folder.at_step(step);
    for (const Checkpoint& other : folder.all()) {
      if (found != nullptr || other.is_complete() || other.sequence == 0 || other.label.step != step) continue;
      return corrupt(text("the checkpoint of step {} is {}: {}", step, name(other.state), other.why)).in(folder.path_of(other));
    }
  }
  const bool is_step = word != "latest" && word != "best";
  if (found == nullptr)
    return not_found(text("no complete checkpoint{}{}", is_step ? " of step " : ": ", word)).in(folder.path());
  return found;
}

Result<int> diff(const Arguments& arguments, Console& console) {
  HOLDALL_ASSIGN(const CheckpointFolder folder, folder_of(arguments));
  HOLDALL_ASSIGN(const Checkpoint* const a, named(arguments, folder, arguments.operands[1]));
  HOLDALL_ASSIGN(const Checkpoint* const b, named(arguments, folder, arguments.operands[2]));
  return diff_paths(arguments, console, folder.path_of(*a), folder.path_of(*b));
}

constexpr VerbFunction kActionFunctions[] = {list, latest, best, verify, prune_folder, diff};
static_assert(std::size(kActionFunctions) == static_cast<std::size_t>(Action::kDiff) + 1);

}  // namespace

Result<int> checkpoint_verb(const Arguments& arguments, Console& console) {
  return kActionFunctions[static_cast<std::size_t>(*arguments.action)](arguments, console);
}

}  // namespace holdall::cli
