#include "cli/help.h"

#include "cli/style.h"
#include "cli/table.h"
#include "holdall/base/text.h"

namespace holdall::cli {
namespace {

void print_paragraphs(Console& console, std::string_view paragraphs, unsigned indent) {
  const unsigned room = std::min(console.width(), 100U) - indent;
  while (!paragraphs.empty()) {
    const std::size_t end = paragraphs.find("\n\n");
    for (const std::string& line : wrapped(paragraphs.substr(0, end), room)) console.line(std::string(indent, ' ') + line);
    console.line();
    paragraphs.remove_prefix(end == std::string_view::npos ? paragraphs.size() : end + 2);
  }
}

// Help is for people wherever it goes, so it is aligned also when it is piped to a pager.
void print_rows(Console& console, const std::vector<std::pair<std::string, std::string>>& rows) {
  std::size_t widest = 0;
  for (const auto& [left, right] : rows) widest = std::max(widest, left.size());
  const unsigned indent = static_cast<unsigned>(widest) + 4;
  const unsigned room = std::max(std::min(console.width(), 100U), indent + 20) - indent;
  for (const auto& [left, right] : rows) {
    std::string lead = "  " + console.paint(Ink::kAccent, left) + std::string(indent - 2 - left.size(), ' ');
    for (const std::string& line : wrapped(right, room)) {
      console.line(lead + line);
      lead = std::string(indent, ' ');
    }
  }
}

// Those of a verb, or those that stand with every verb and with none.
void print_flags(Console& console, std::optional<Verb> verb) {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const FlagRow& flag : all_flags()) {
    if (verb && (flag.verbs & reach(*verb)) == 0) continue;
    if (!verb && flag.verbs != kEveryVerb && flag.verbs != kNoVerb) continue;
    std::string left = flag.letter == 0 ? "    " : text("-{}, ", flag.letter);
    left += text("--{}{}{}", flag.name, flag.argument.empty() ? "" : " ", flag.argument);
    rows.emplace_back(std::move(left), verb ? summary_on(flag, *verb) : std::string(flag.summary));
  }
  print_rows(console, rows);
}

void print_heading(Console& console, std::string_view heading) { console.line(console.paint(Ink::kStrong, heading)); }

void print_example(Console& console, std::string_view example) {
  print_heading(console, "Examples");
  while (!example.empty()) {
    const std::size_t end = example.find('\n');
    console.line("  " + std::string(example.substr(0, end)));
    example.remove_prefix(end == std::string_view::npos ? example.size() : end + 1);
  }
}

void print_verb_help(Console& console, const VerbRow& verb, HelpForm form) {
  console.line(text("{} [FLAGS]{}{}", console.paint(Ink::kStrong, text("holdall {}", verb.name)),
                    verb.operands.empty() ? "" : " ", verb.operands));
  print_paragraphs(console, verb.summary, 2);
  if (form == HelpForm::kFull) print_paragraphs(console, verb.detail, 2);
  if (const auto actions = actions_of(verb.verb); !actions.empty()) {
    print_heading(console, "Actions");
    std::vector<std::pair<std::string, std::string>> rows;
    for (const ActionRow& action : actions) rows.emplace_back(text("{} {}", action.name, action.operands), action.summary);
    print_rows(console, rows);
    console.line();
  }
  print_heading(console, "Flags");
  print_flags(console, verb.verb);
  console.line();
  print_example(console, verb.example);
}

}  // namespace

std::string summary_on(const FlagRow& flag, Verb verb) {
  std::string actions;
  for (const ActionRow& action : actions_of(verb)) {
    if ((flag.verbs & on(action.action)) != 0) actions.append(actions.empty() ? "" : ", ").append(action.name);
  }
  const bool of_all = (flag.verbs & on(verb)) != 0 || actions.empty();
  return of_all ? std::string(flag.summary) : text("{} ({})", flag.summary, actions);
}

std::string_view version() noexcept { return HOLDALL_VERSION; }

void print_help(Console& console, std::optional<Verb> verb, HelpForm form) {
  if (verb) return print_verb_help(console, row(*verb), form);
  console.line(text("{} VERB [FLAGS] PATH...", console.paint(Ink::kStrong, "holdall")));
  print_paragraphs(
      console,
      "Opens, checks, compares and converts machine-learning model files, without the framework that wrote them and "
      "without running the code inside them.",
      2);
  print_heading(console, "Verbs");
  std::vector<std::pair<std::string, std::string>> rows;
  for (const VerbRow& each : all_verbs()) rows.emplace_back(each.name, each.summary);
  print_rows(console, rows);
  console.line();
  print_heading(console, "Flags");
  print_flags(console, std::nullopt);
  console.line();
  if (form == HelpForm::kFull) {
    print_heading(console, "Exit status");
    print_rows(console, {{"0", "done, or the answer is yes"},
                         {"1", "the answer is no: differs, damaged, unsafe, would lose something"},
                         {"2", "could not answer: usage, unreadable, unsupported, input or output failed"}});
    console.line();
    print_paragraphs(
        console,
        "A PATH may be a file, a folder, or '-' for standard input. Notes and a progress bar (on terminals only) go to "
        "standard error. NO_COLOR is kept.",
        2);
  }
  console.line("'holdall VERB --help' says more, with examples.");
}

}  // namespace holdall::cli
