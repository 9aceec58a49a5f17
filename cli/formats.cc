#include "cli/table.h"
#include "cli/verbs.h"
#include "holdall/formats/format.h"

namespace holdall::cli {
namespace {

void print_document(Console& console) {
  JsonWriter writer(console.terminal() ? 2 : 0);
  write_formats(writer);
  console.line(writer.text());
}

}  // namespace

Result<int> formats_verb(const Arguments&, Console& console) {
  if (console.json()) {
    print_document(console);
    return 0;
  }
  Table table(std::vector<Table::Column>{
      {.heading = "id"}, {.heading = "files", .fit = Table::Fit::kWrap, .least = 20}, {.heading = "access"}});
  for (const Format* format : all_formats()) {
    table.add({Cell(format->id, Ink::kAccent), Cell(format->title), Cell(format->plan == nullptr ? "r" : "rw")});
  }
  table.print(console);
  return 0;
}

}  // namespace holdall::cli
