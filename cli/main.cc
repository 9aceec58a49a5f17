// The command `holdall`: parses the words, runs the verb, reports its error, gives the exit status of surface.md.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <iterator>
#include <new>
#include <span>
#include <utility>

#include "cli/console.h"
#include "cli/flags.h"
#include "cli/generate.h"
#include "cli/help.h"
#include "cli/progress.h"
#include "cli/style.h"
#include "cli/verbs.h"
#include "holdall/base/text.h"

namespace holdall::cli {
namespace {

constexpr int kCouldNot = 2;

constexpr VerbFunction kVerbFunctions[] = {inspect_verb, convert_verb,    diff_verb,   verify_verb, scan_verb,
                                           formats_verb, checkpoint_verb, update_verb, match_verb};
static_assert(std::size(kVerbFunctions) == static_cast<std::size_t>(Verb::kMatch) + 1);

// The library throws nothing for bad input; what is left is memory running out.
Result<int> run_verb(const Arguments& arguments, Console& console) {
  try {
    return kVerbFunctions[static_cast<std::size_t>(*arguments.verb)](arguments, console);
  } catch (const std::bad_alloc&) {
    Error error(Code::kOutOfMemory, "no memory left");
    return arguments.operands.empty() ? error : std::move(error).in(arguments.operands.front());
  }
}

Result<int> answer(const Arguments& arguments, Console& console) {
  const bool help = arguments.has(Flag::kHelp);
  const HelpForm form = arguments.short_help ? HelpForm::kShort : HelpForm::kFull;
  if (help) {
    print_help(console, arguments.verb, form);
  } else if (arguments.has(Flag::kVersion)) {
    console.line(text("holdall {}", version()));
  } else if (arguments.has(Flag::kGenerate)) {
    console.write(generate(arguments.value(Flag::kGenerate)));
  } else if (!arguments.verb) {
    return invalid_argument("usage: holdall VERB [FLAGS] PATH...; 'holdall --help' lists the verbs");
  } else {
    return run_verb(arguments, console);
  }
  return 0;
}

int run(std::span<const char* const> words) {
  Console::Settings settings = Console::surroundings();
  const Result<Arguments> arguments = parse(words);
  if (arguments) {
    settings.quiet = arguments->has(Flag::kQuiet);
    settings.json = arguments->has(Flag::kJson);
  }
  Console console(settings);
  const Result<int> status = arguments ? answer(*arguments, console) : Result<int>(arguments.error());
  const Status flushed = console.flush();
  die_if_interrupted();
  if (!status) {
    console.complain(printable(status.error().to_string()));
    return code_exit_status(status.error().code());
  }
  if (!flushed) {
    console.complain(flushed.error().to_string());
    return kCouldNot;
  }
  return *status;
}

}  // namespace
}  // namespace holdall::cli

int main(int count, char** words) {
  try {
    return holdall::cli::run(std::span<const char* const>(words, static_cast<std::size_t>(count)).subspan(count > 0 ? 1 : 0));
  } catch (const std::bad_alloc&) {
    std::fputs("holdall: out of memory\n", stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "holdall: internal: %s\n", error.what());
  }
  return holdall::cli::kCouldNot;
}
