#include "cli/page_output.h"

#include <filesystem>

#include "cli/style.h"
#include "holdall/base/text.h"

namespace holdall::cli {

Status check_page(const Arguments& arguments, const Console& console) {
  if (!arguments.has(Flag::kHtml)) return {};
  const std::string_view file = arguments.value(Flag::kHtml);
  if (file.empty()) return invalid_argument("--html needs a file's name, or '-' for standard output");
  if (file == "-" && console.json()) return invalid_argument("--json and --html - cannot both have standard output");
  return require_pages();
}

Status write_page(const Arguments& arguments, Console& console, const Page& page, std::initializer_list<const Model*> models) {
  const std::string file(arguments.value(Flag::kHtml));
  if (file == "-") {
    return page([&](std::span<const std::byte> piece) -> Status {
      console.write({reinterpret_cast<const char*>(piece.data()), piece.size()});
      return {};
    });
  }
  HOLDALL_TRY(save_page(page, file, models));
  if (console.quiet() || console.json()) return {};
  std::error_code ignored;
  const std::uint64_t bytes = std::filesystem::file_size(file, ignored);
  const std::string name = printable(file);
  console.line(console.terminal() ? text("{} ({})", console.paint(Ink::kStrong, name), human_bytes(bytes))
                                  : text("written\t{}\t{}", name, bytes));
  return {};
}

}  // namespace holdall::cli
