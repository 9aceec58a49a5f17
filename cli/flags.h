// Flags: the command's verbs and flags by the table flags.inc, and the parser that the table drives.
//
// Thread-safety: the tables are constant; Arguments is a value. Ownership: Arguments owns its words.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdall/base/result.h"

namespace holdall::cli {

enum class Verb : std::uint8_t {
#define HOLDALL_VERB(id, name, operands, fewest, most, summary, detail, example) id,
#include "cli/flags.inc"
#undef HOLDALL_VERB
};

enum class Action : std::uint8_t {
#define HOLDALL_ACTION(id, verb, name, operands, fewest, most, summary) id,
#include "cli/flags.inc"
#undef HOLDALL_ACTION
};

enum class Flag : std::uint8_t {
#define HOLDALL_FLAG(id, name, letter, argument, values, verbs, summary) id,
#include "cli/flags.inc"
#undef HOLDALL_FLAG
};

// What a flag's argument may be, for completion and "did you mean".
enum class Values : std::uint8_t { kNone, kText, kDType, kFormat, kScript };

// Verbs, and actions of verbs that have some: what a flag belongs to.
using VerbSet = std::uint64_t;
inline constexpr VerbSet kNoVerb = 0;
inline constexpr VerbSet kEveryVerb = ~VerbSet{0};
constexpr VerbSet on(Verb verb) noexcept { return VerbSet{1} << static_cast<unsigned>(verb); }
constexpr VerbSet on(Action action) noexcept { return VerbSet{1} << (32 + static_cast<unsigned>(action)); }

struct VerbRow {
  Verb verb;
  std::string_view name;
  std::string_view operands;
  std::size_t fewest;
  std::size_t most;
  std::string_view summary;
  std::string_view detail;
  std::string_view example;
};

struct ActionRow {
  Action action;
  Verb verb;
  std::string_view name;
  std::string_view operands;
  std::size_t fewest;
  std::size_t most;
  std::string_view summary;
};

struct FlagRow {
  Flag flag;
  std::string_view name;      // without the dashes
  char letter;                // 0: none
  std::string_view argument;  // empty: a switch
  Values values;
  VerbSet verbs;
  std::string_view summary;
};

std::span<const VerbRow> all_verbs() noexcept;
std::span<const FlagRow> all_flags() noexcept;
// Those of one verb; empty for most. They stand together in the table.
std::span<const ActionRow> actions_of(Verb verb) noexcept;
// A verb with all its actions: whatever a flag of it may belong to.
VerbSet reach(Verb verb) noexcept;
const VerbRow& row(Verb verb) noexcept;
const ActionRow& row(Action action) noexcept;
const FlagRow& row(Flag flag) noexcept;
// The words a flag's argument is chosen from; empty where any text will do.
std::vector<std::string> choices(Values values);

class Arguments {
 public:
  std::optional<Verb> verb;
  std::optional<Action> action;       // of a verb that has some
  std::vector<std::string> operands;  // behind it
  bool short_help = false;            // -h rather than --help

  bool has(Flag flag) const noexcept;
  // The last one given; empty when there is none.
  std::string_view value(Flag flag) const noexcept;
  // All given, in order.
  std::vector<std::string> values(Flag flag) const;
  void set(Flag flag, std::string value) { given_.emplace_back(flag, std::move(value)); }

 private:
  std::vector<std::pair<Flag, std::string>> given_;
};

// Parses the words behind the program's name: verb, action, operands and flags in any order, "--flag=value" or "--flag value",
// "--" before operands that start with a dash, "help VERB". Operands are not counted where help or the version is asked for.
// Errors: invalid argument, with the nearest word where one is near.
Result<Arguments> parse(std::span<const char* const> words);

// "; did you mean 'inspect'?", or nothing.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);

}  // namespace holdall::cli
