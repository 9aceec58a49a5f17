#include "cli/flags.h"

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
    for (const VerbRow& verb : all_verbs()) EXPECT_NE(script.find(verb.name), std::string::npos) << kind << " " << verb.name;
    for (const FlagRow& flag : all_flags()) EXPECT_NE(script.find(flag.name), std::string::npos) << kind << " " << flag.name;
  }
}

TEST(HelpTest, FullHelpOfEveryVerbNamesItsFlagsAndExample) {
  for (const VerbRow& verb : all_verbs()) {
    Console console(Console::Settings{});
    print_help(console, verb.verb, HelpForm::kFull);
    for (const FlagRow& flag : all_flags()) {
      if ((flag.verbs & on(verb.verb)) == 0) continue;
      EXPECT_NE(console.pending().find("--" + std::string(flag.name)), std::string::npos) << verb.name << " " << flag.name;
    }
    EXPECT_NE(console.pending().find("Examples"), std::string::npos) << verb.name;
  }
}

}  // namespace
}  // namespace holdall::cli
