#include "cli/flags.h"

#include <algorithm>
#include <iterator>

#include "holdall/base/text.h"
#include "holdall/core/dtype.h"
#include "holdall/core/model.h"
#include "holdall/formats/format.h"

namespace holdall::cli {
namespace {

using enum Values;

constexpr VerbRow kVerbs[] = {
#define HOLDALL_VERB(id, name, operands, fewest, most, summary, detail, example) \
  {Verb::id, name, operands, fewest, most, summary, detail, example},
#include "cli/flags.inc"
#undef HOLDALL_VERB
};

constexpr ActionRow kActions[] = {
#define HOLDALL_ACTION(id, verb, name, operands, fewest, most, summary) \
  {Action::id, Verb::verb, name, operands, fewest, most, summary},
#include "cli/flags.inc"
#undef HOLDALL_ACTION
};

constexpr FlagRow kFlags[] = {
#define HOLDALL_FLAG(id, name, letter, argument, values, verbs, summary) \
  {Flag::id, name, letter, argument, values, verbs, summary},
#include "cli/flags.inc"
#undef HOLDALL_FLAG
};

static_assert(std::size(kVerbs) == static_cast<std::size_t>(Verb::kMatch) + 1 && std::size(kVerbs) <= 32);
static_assert(std::size(kActions) == static_cast<std::size_t>(Action::kDiff) + 1 && std::size(kActions) <= 32);
static_assert(std::size(kFlags) == static_cast<std::size_t>(Flag::kGenerate) + 1);

const VerbRow* verb_named(std::string_view name) noexcept {
  const auto found = std::ranges::find(kVerbs, name, &VerbRow::name);
  return found == std::end(kVerbs) ? nullptr : found;
}

// "; known: ls latest best"
std::string known_words(const std::vector<std::string>& words) {
  std::string out = "; known:";
  for (const std::string& word : words) out.append(" ").append(word);
  return out;
}

std::string spelled(const ActionRow& action) { return text("{} {}", row(action.verb).name, action.name); }

// "'inspect' and 'checkpoint ls'": what a flag belongs to; empty for one that stands without a verb.
std::string owners_of(const FlagRow& flag) {
  std::vector<std::string> owners;
  for (const VerbRow& verb : kVerbs) {
    if ((flag.verbs & on(verb.verb)) != 0) owners.emplace_back(verb.name);
    for (const ActionRow& action : actions_of(verb.verb)) {
      if ((flag.verbs & on(action.action)) != 0) owners.push_back(spelled(action));
    }
  }
  std::string out;
  for (const std::string& owner : owners) out += text("{}'{}'", out.empty() ? "" : " and ", owner);
  return out;
}

// Walks the words once; what a flag may be is judged at the end, when the verb is known.
class Parser {
 public:
  explicit Parser(std::span<const char* const> words) : words_(words) {}

  Result<Arguments> run() {
    while (next_ < words_.size()) {
      const std::string_view word = words_[next_++];
      if (only_operands_ || word.size() < 2 || word.front() != '-') {
        HOLDALL_TRY(take_operand(word));
      } else if (word == "--") {
        only_operands_ = true;
      } else if (word.starts_with("--")) {
        HOLDALL_TRY(take_long(word.substr(2)));
      } else {
        HOLDALL_TRY(take_letters(word.substr(1)));
      }
    }
    HOLDALL_TRY(judge_flags());
    HOLDALL_TRY(judge_operands());
    return std::move(arguments_);
  }

 private:
  Status take_operand(std::string_view word) {
    if (arguments_.verb && !arguments_.action && !actions_of(*arguments_.verb).empty()) return take_action(word);
    if (arguments_.verb) {
      arguments_.operands.emplace_back(word);
      return {};
    }
    if (const VerbRow* verb = verb_named(word)) {
      arguments_.verb = verb->verb;
      return {};
    }
    if (word == "help") {
      arguments_.set(Flag::kHelp, {});
      return {};
    }
    std::vector<std::string> names;
    for (const VerbRow& verb : kVerbs) names.emplace_back(verb.name);
    const std::string hint = did_you_mean(word, names);
    return invalid_argument(text("unknown verb '{}'{}", word, hint.empty() ? "; 'holdall --help' lists the verbs" : hint));
  }

  Status take_action(std::string_view word) {
    std::vector<std::string> names;
    for (const ActionRow& action : actions_of(*arguments_.verb)) {
      if (action.name == word) {
        arguments_.action = action.action;
        return {};
      }
      names.emplace_back(action.name);
    }
    std::string hint = did_you_mean(word, names);
    if (hint.empty()) hint = known_words(names);
    return invalid_argument(text("'{}' has no action '{}'{}", row(*arguments_.verb).name, word, hint));
  }

  Status take_long(std::string_view word) {
    const std::size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    const auto flag = std::ranges::find(kFlags, name, &FlagRow::name);
    if (flag == std::end(kFlags)) return unknown_flag(name);
    if (equals == std::string_view::npos) return take(*flag, text("--{}", name));
    if (flag->argument.empty()) return invalid_argument(text("--{} takes no argument", name));
    return keep(*flag, std::string(word.substr(equals + 1)));
  }

  Status take_letters(std::string_view letters) {
    for (const char letter : letters) {
      const auto flag = std::ranges::find(kFlags, letter, &FlagRow::letter);
      if (flag == std::end(kFlags)) return invalid_argument(text("unknown flag '-{}'", letters));
      if (flag->flag == Flag::kHelp) arguments_.short_help = true;
      HOLDALL_TRY(take(*flag, text("-{}", letter)));
    }
    return {};
  }

  Status take(const FlagRow& flag, const std::string& spelled) {
    if (flag.argument.empty()) return keep(flag, {});
    if (next_ == words_.size()) return invalid_argument(text("{} needs an argument: {} {}", spelled, spelled, flag.argument));
    return keep(flag, words_[next_++]);
  }

  Status keep(const FlagRow& flag, std::string value) {
    if (const auto known = choices(flag.values); !known.empty() && std::ranges::find(known, value) == known.end()) {
      std::string hint = did_you_mean(value, known);
      if (hint.empty() && flag.values != kDType) hint = known_words(known);
      return invalid_argument(text("--{} does not know '{}'{}", flag.name, value, hint));
    }
    arguments_.set(flag.flag, std::move(value));
    return {};
  }

  Status unknown_flag(std::string_view name) const {
    std::vector<std::string> names;
    for (const FlagRow& flag : kFlags) {
      if (!arguments_.verb || (flag.verbs & reach(*arguments_.verb)) != 0) names.emplace_back(text("--{}", flag.name));
    }
    return invalid_argument(text("unknown flag '--{}'{}", name, did_you_mean(text("--{}", name), names)));
  }

  Status judge_flags() const {
    if (!arguments_.verb) return {};
    for (const FlagRow& flag : kFlags) {
      const VerbSet here = arguments_.action ? on(*arguments_.verb) | on(*arguments_.action) : reach(*arguments_.verb);
      if (!arguments_.has(flag.flag) || (flag.verbs & here) != 0) continue;
      const std::string owners = owners_of(flag);
      return invalid_argument(text("--{} {}{}, not with '{}'", flag.name,
                                   owners.empty() ? "stands without a verb" : "belongs to ", owners,
                                   arguments_.action ? spelled(row(*arguments_.action)) : row(*arguments_.verb).name));
    }
    return {};
  }

  Status judge_operands() const {
    if (!arguments_.verb || arguments_.has(Flag::kHelp) || arguments_.has(Flag::kVersion)) return {};
    const VerbRow& verb = row(*arguments_.verb);
    if (arguments_.action) {
      const ActionRow& action = row(*arguments_.action);
      return judge_count(spelled(action), action.operands, action.fewest, action.most);
    }
    if (const auto actions = actions_of(verb.verb); !actions.empty()) {
      std::vector<std::string> names;
      for (const ActionRow& action : actions) names.emplace_back(action.name);
      return invalid_argument(text("'{0}' needs {1}: holdall {0} {1}{2}", verb.name, verb.operands, known_words(names)));
    }
    return judge_count(std::string(verb.name), verb.operands, verb.fewest, verb.most);
  }

  Status judge_count(const std::string& name, std::string_view operands, std::size_t fewest, std::size_t most) const {
    const std::size_t count = arguments_.operands.size();
    if (count < fewest) return invalid_argument(text("'{0}' needs {1}: holdall {0} {1}", name, operands));
    if (count > most) {
      const std::string what = operands.empty() ? "no operands" : std::string(operands) + " alone";
      return invalid_argument(text("'{}' takes {}; what is '{}'?", name, what, arguments_.operands[most]));
    }
    return {};
  }

  std::span<const char* const> words_;
  std::size_t next_ = 0;
  bool only_operands_ = false;
  Arguments arguments_;
};

}  // namespace

std::span<const VerbRow> all_verbs() noexcept { return kVerbs; }
std::span<const FlagRow> all_flags() noexcept { return kFlags; }
std::span<const ActionRow> actions_of(Verb verb) noexcept {
  const auto found = std::ranges::equal_range(kActions, verb, {}, &ActionRow::verb);
  return {found.begin(), found.end()};
}
VerbSet reach(Verb verb) noexcept {
  VerbSet all = on(verb);
  for (const ActionRow& action : actions_of(verb)) all |= on(action.action);
  return all;
}
const ActionRow& row(Action action) noexcept { return kActions[static_cast<std::size_t>(action)]; }
const VerbRow& row(Verb verb) noexcept { return kVerbs[static_cast<std::size_t>(verb)]; }
const FlagRow& row(Flag flag) noexcept { return kFlags[static_cast<std::size_t>(flag)]; }

std::vector<std::string> choices(Values values) {
  std::vector<std::string> names;
  if (values == kDType) {
    for (const DTypeInfo& dtype : all_dtypes()) names.emplace_back(dtype.name);
  } else if (values == kFormat) {
    for (const Format* format : all_formats()) names.emplace_back(format->id);
  } else if (values == kScript) {
    names = {"man", "bash", "zsh", "fish"};
  }
  return names;
}

bool Arguments::has(Flag flag) const noexcept {
  return std::ranges::any_of(given_, [&](const auto& entry) { return entry.first == flag; });
}

std::string_view Arguments::value(Flag flag) const noexcept {
  std::string_view last;
  for (const auto& [given, value] : given_) {
    if (given == flag) last = value;
  }
  return last;
}

std::vector<std::string> Arguments::values(Flag flag) const {
  std::vector<std::string> all;
  for (const auto& [given, value] : given_) {
    if (given == flag) all.push_back(value);
  }
  return all;
}

Result<Arguments> parse(std::span<const char* const> words) { return Parser(words).run(); }

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  const std::vector<std::string> near = nearest_names(word, known);
  return near.empty() ? std::string() : text("; did you mean '{}'?", near.front());
}

}  // namespace holdall::cli
