#include "cli/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <set>

#include "cli/generate.h"
#include "cli/help.h"

namespace holdall::cli {
namespace {

Result<Arguments> parsed(std::vector<const char*> words) { return parse(words); }

std::string fault(std::vector<const char*> words) {
  const auto arguments = parse(words);
  return arguments ? "no error" : arguments.error().message();
}

TEST(FlagsTest, ATableRowIsWhereItsEnumeratorSays) {
  for (std::size_t i = 0; i < all_verbs().size(); ++i) EXPECT_EQ(static_cast<std::size_t>(all_verbs()[i].verb), i);
  for (std::size_t i = 0; i < all_flags().size(); ++i) EXPECT_EQ(static_cast<std::size_t>(all_flags()[i].flag), i);
}

TEST(FlagsTest, NamesAndLettersAreUnique) {
  std::set<std::string_view> names;
  std::set<char> letters;
  for (const FlagRow& flag : all_flags()) {
    EXPECT_TRUE(names.insert(flag.name).second) << flag.name;
    if (flag.letter != 0) {
      EXPECT_TRUE(letters.insert(flag.letter).second) << flag.letter;
    }
    EXPECT_EQ(flag.argument.empty(), flag.values == Values::kNone) << flag.name;
  }
}

TEST(FlagsTest, EveryVerbShowsAnExampleOfItself) {
  for (const VerbRow& verb : all_verbs()) {
    EXPECT_NE(verb.example.find("holdall " + std::string(verb.name)), std::string_view::npos) << verb.name;
  }
}

TEST(FlagsTest, UnknownVerbIsAnErrorWithTheNearestOne) {
  EXPECT_EQ(fault({"formts"}), "unknown verb 'formts'; did you mean 'formats'?");
  EXPECT_EQ(fault({"zzzzzzzzz"}), "unknown verb 'zzzzzzzzz'; 'holdall --help' lists the verbs");
}

TEST(FlagsTest, UnknownFlagIsAnErrorWithTheNearestOne) {
  EXPECT_EQ(fault({"formats", "--jsn"}), "unknown flag '--jsn'; did you mean '--json'?");
  EXPECT_EQ(fault({"formats", "-x"}), "unknown flag '-x'");
}

TEST(FlagsTest, LettersCombine) {
  const auto arguments = parsed({"formats", "-qh"});
  ASSERT_TRUE(arguments) << arguments.error().to_string();
  EXPECT_TRUE(arguments->has(Flag::kQuiet));
  EXPECT_TRUE(arguments->has(Flag::kHelp));
  EXPECT_TRUE(arguments->short_help);
}

TEST(FlagsTest, SwitchTakesNoArgument) { EXPECT_EQ(fault({"formats", "--json=1"}), "--json takes no argument"); }

TEST(FlagsTest, ActionsStandTogetherWhereTheirEnumeratorsSay) {
  std::size_t next = 0;
  for (const VerbRow& verb : all_verbs()) {
    EXPECT_EQ(verb.operands.starts_with("ACTION"), !actions_of(verb.verb).empty()) << verb.name;
    for (const ActionRow& action : actions_of(verb.verb)) {
      EXPECT_EQ(static_cast<std::size_t>(action.action), next++);
      EXPECT_EQ(action.verb, verb.verb);
    }
  }
}

TEST(FlagsTest, AnActionIsNoOperand) {
  const auto arguments = parsed({"checkpoint", "--json", "diff", "runs", "10", "latest"});
  ASSERT_TRUE(arguments) << arguments.error().to_string();
  EXPECT_EQ(arguments->action, Action::kDiff);
  EXPECT_EQ(arguments->operands, (std::vector<std::string>{"runs", "10", "latest"}));
}

TEST(FlagsTest, AMistypedActionIsAnErrorWithTheNearestOne) {
  EXPECT_EQ(fault({"checkpoint", "prnue", "runs"}), "'checkpoint' has no action 'prnue'; did you mean 'prune'?");
  EXPECT_THAT(fault({"checkpoint", "runs/bert"}), testing::HasSubstr("known: ls latest best verify prune diff"));
  EXPECT_THAT(fault({"checkpoint"}), testing::HasSubstr("known: ls latest best verify prune diff"));
}

TEST(FlagsTest, AnActionsOperandsAreCounted) {
  EXPECT_EQ(fault({"checkpoint", "ls"}), "'checkpoint ls' needs DIR: holdall checkpoint ls DIR");
  EXPECT_EQ(fault({"checkpoint", "ls", "a", "b"}), "'checkpoint ls' takes DIR alone; what is 'b'?");
  EXPECT_EQ(fault({"checkpoint", "diff", "a", "1"}),
            "'checkpoint diff' needs DIR STEP STEP: holdall checkpoint diff DIR STEP STEP");
}

TEST(FlagsTest, AFlagOfOneActionIsNoneOfAnother) {
  EXPECT_EQ(fault({"checkpoint", "latest", "a", "--dry-run"}),
            "--dry-run belongs to 'checkpoint prune', not with 'checkpoint latest'");
  EXPECT_EQ(fault({"verify", "a", "--dry-run"}), "--dry-run belongs to 'checkpoint prune', not with 'verify'");
  EXPECT_EQ(fault({"checkpoint", "prune", "a", "--dry-run"}), "no error");
}

TEST(FlagsTest, SurplusOperandIsNamed) { EXPECT_EQ(fault({"formats", "x"}), "'formats' takes no operands; what is 'x'?"); }

TEST(FlagsTest, HelpIsAskedForInThreeWays) {
  for (const auto& words : {std::vector<const char*>{"help", "formats"}, {"formats", "--help"}, {"--help", "formats"}}) {
    const auto arguments = parsed(words);
    ASSERT_TRUE(arguments);
    EXPECT_TRUE(arguments->has(Flag::kHelp));
    EXPECT_EQ(arguments->verb, Verb::kFormats);
  }
}

TEST(FlagsTest, ScriptsNameEveryVerbAndFlag) {
  for (const std::string& kind : choices(Values::kScript)) {
    std::string script = generate(kind);
    std::erase(script, '\\');
    for (const VerbRow& verb : all_verbs()) {
      EXPECT_NE(script.find(verb.name), std::string::npos) << kind << " " << verb.name;
      for (const ActionRow& action : actions_of(verb.verb))
        EXPECT_NE(script.find(action.name), std::string::npos) << kind << " " << action.name;
    }
    for (const FlagRow& flag : all_flags()) EXPECT_NE(script.find(flag.name), std::string::npos) << kind << " " << flag.name;
  }
}

TEST(HelpTest, FullHelpOfEveryVerbNamesItsFlagsAndExample) {
  for (const VerbRow& verb : all_verbs()) {
    Console console(Console::Settings{});
    print_help(console, verb.verb, HelpForm::kFull);
    for (const FlagRow& flag : all_flags()) {
      if ((flag.verbs & reach(verb.verb)) == 0) continue;
      EXPECT_NE(console.pending().find("--" + std::string(flag.name)), std::string::npos) << verb.name << " " << flag.name;
    }
    EXPECT_NE(console.pending().find("Examples"), std::string::npos) << verb.name;
  }
}

}  // namespace
}  // namespace holdall::cli
