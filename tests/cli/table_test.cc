#include "cli/table.h"

#include <gtest/gtest.h>

#include "cli/style.h"

namespace holdall::cli {
namespace {

Table table_of_tensors() {
  Table table(std::vector<Table::Column>{{.heading = "name", .fit = Table::Fit::kCutMiddle, .least = 8},
                                         {.heading = "size", .align = Table::Align::kRight}});
  table.add({"encoder.layer.0.weight", "9 B"}, "sha256 00ff");
  table.add({"重み", "100 B"});
  return table;
}

Console console_of(unsigned width, bool colour) {
  return Console(Console::Settings{.out_terminal = width != 0, .colour = colour, .width = width});
}

TEST(TableTest, ColumnsAlignOnATerminal) {
  Console console = console_of(80, false);
  table_of_tensors().print(console, 1);
  EXPECT_EQ(console.pending(),
            " name                     size\n"
            " encoder.layer.0.weight    9 B\n"
            "   sha256 00ff\n"
            " 重み                    100 B\n");
}

TEST(TableTest, NarrowTerminalsCutNamesAndKeepNumbers) {
  Console console = console_of(20, false);
  table_of_tensors().print(console);
  EXPECT_EQ(console.pending(),
            "name            size\n"
            "enco…0.weight    9 B\n"
            "  sha256 00ff\n"
            "重み           100 B\n");
}

TEST(TableTest, NamesThatWouldLookAlikeWhenCutAreWrittenOut) {
  Table table(std::vector<Table::Column>{{.fit = Table::Fit::kCutName, .least = 8}, {.align = Table::Align::kRight}});
  table.add({"encoder.attention.query.weight", "1 B"});
  table.add({"decoder.attention.query.weight", "2 B"});
  table.add({"decoder.attention.output.weight", "3 B"});
  Console console = console_of(24, false);
  table.print(console);
  EXPECT_EQ(console.pending(),
            "encoder.attention.q  1 B\n"
            "uery.weight\n"
            "decoder.attention.q  2 B\n"
            "uery.weight\n"
            "….output.weight      3 B\n");
}

TEST(TableTest, OffATerminalFieldsAreTabbedAndNothingIsCut) {
  Console console = console_of(0, false);
  table_of_tensors().print(console, 3);
  EXPECT_EQ(console.pending(), "encoder.layer.0.weight\t9 B\n重み\t100 B\n");
}

TEST(TableTest, ColourDoesNotDisturbTheColumns) {
  Console plain = console_of(40, false);
  Console coloured = console_of(40, true);
  for (Console* console : {&plain, &coloured}) {
    Table table(std::vector<Table::Column>{{}, {}});
    table.add({Cell("a", Ink::kBad), Cell("b")});
    table.add({Cell("long"), Cell("c")});
    table.print(*console);
  }
  EXPECT_EQ(plain.pending(), "a     b\nlong  c\n");
  EXPECT_EQ(coloured.pending(), "\x1b[31ma\x1b[0m     b\nlong  c\n");
}

TEST(TableTest, WrappedColumnsGoOnUnderThemselves) {
  Console console = console_of(24, false);
  Table table(std::vector<Table::Column>{{}, {.fit = Table::Fit::kWrap, .least = 10}, {}});
  table.add({"id", "several words that need room", "rw"});
  table.print(console);
  EXPECT_EQ(console.pending(),
            "id  several words     rw\n"
            "    that need room\n");
}

TEST(TableTest, WordsLongerThanALineStandAlone) {
  EXPECT_EQ(wrapped("a bb ccccccccc d", 4), (std::vector<std::string>{"a bb", "ccccccccc", "d"}));
  EXPECT_EQ(wrapped("", 4), std::vector<std::string>{""});
}

}  // namespace
}  // namespace holdall::cli
