#include "cli/table.h"
#include "cli/verbs.h"
#include "holdall/codec/json.h"
#include "holdall/formats/format.h"

namespace holdall::cli {
namespace {

void print_document(Console& console) {
  JsonWriter writer(console.terminal() ? 2 : 0);
  writer.begin_array();
  for (const Format* format : all_formats()) {
    writer.begin_object().key("id").string(format->id).key("title").string(format->title).key("extensions").begin_array();
    for (const std::string_view extension : format->extensions) writer.string(extension);
    writer.end_array().key("folder").boolean(format->folder);
    writer.key("read").boolean(format->read != nullptr).key("write").boolean(format->plan != nullptr).end_object();
  }
  console.line(writer.end_array().text());
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
