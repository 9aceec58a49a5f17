#include "holdall/ops/inspect.h"

#include "cli/input.h"
#include "cli/inspect_view.h"
#include "cli/page_output.h"
#include "cli/progress.h"
#include "cli/verbs.h"
#include "holdall/ops/glob.h"

namespace holdall::cli {
namespace {

Status require_tensors(const std::vector<std::string>& globs, const Model& model) {
  if (globs.empty()) return {};
  std::vector<std::string> names;
  for (const NamedTensor& entry : model.tensors()) names.push_back(entry.name);
  if (Status status = require_matches(globs, names); !status) return std::move(status).error().in(model.origin().path);
  return {};
}

Status print(Console& console, const Inspection& inspection, const InspectOptions& options) {
  using Read = InspectOptions::Read;
  if (!console.terminal()) return print_lines(console, inspection);
  const bool each = !options.tensors.empty() || options.digests == Read::kBytes || options.statistics == Read::kBytes;
  print_page(console, inspection, each ? Listing::kEach : Listing::kFolded);
  return {};
}

}  // namespace

Result<int> inspect_verb(const Arguments& arguments, Console& console) {
  using Read = InspectOptions::Read;
  const bool html = arguments.has(Flag::kHtml);
  HOLDALL_TRY(check_page(arguments, console));
  if (html) catch_interrupts();
  Meter meter(console, "reading", Meter::Unit::kBytes);
  InspectOptions options;
  options.tensors = arguments.values(Flag::kTensors);
  options.digests = arguments.has(Flag::kDigest) ? Read::kBytes : Read::kNothing;
  options.statistics = html || arguments.has(Flag::kStats) ? Read::kBytes : Read::kNothing;
  options.progress = meter.function();
  const std::string& path = arguments.operands.front();
  HOLDALL_ASSIGN(const Bundle bundle, open_input(path));
  HOLDALL_ASSIGN(const Inspection inspection, inspect(bundle, options));
  meter.clear();
  HOLDALL_TRY(require_tensors(options.tensors, inspection.model));
  if (html) HOLDALL_TRY(write_page(arguments, console, page_of(inspection), {&inspection.model}));
  if (console.json()) {
    JsonWriter writer(console.terminal() ? 2 : 0, [&](std::string_view text) { console.write(text); });
    HOLDALL_TRY(write_inspection(writer, inspection));
    writer.flush();
    console.line();
  } else if (!html) {
    HOLDALL_TRY(print(console, inspection, options));
  }
  return 0;
}

}  // namespace holdall::cli
