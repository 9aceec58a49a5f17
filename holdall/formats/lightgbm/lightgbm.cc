// LightGBM's models as text. See README.md.
#include "holdall/formats/lightgbm/lightgbm.h"

#include <utility>

#include "holdall/base/text.h"
#include "holdall/formats/fault_findings.h"

namespace holdall {
namespace lightgbm {
namespace {

Match match(Peek& peek) {
  if (peek.is_folder()) return Match::kNo;
  Lines lines(as_text(peek.head()));
  const auto first = lines.next();
  const auto second = lines.next();
  if (!first || first->text != "tree" || !second) return Match::kNo;
  if (second->text.starts_with("version=v")) return Match::kCertain;
  return second->text.starts_with("num_class=") ? Match::kCertain : Match::kNo;
}

std::string file_name(const Bundle& bundle) {
  if (!bundle.names().empty()) return bundle.names().front();
  return bundle.path().substr(bundle.path().rfind('/') + 1);
}

struct Opened {
  Model model;
  Contents contents;
};

Result<Opened> open(const Bundle& bundle, const Context& context) {
  const SourceRef& source = bundle.main();
  const std::string file = file_name(bundle);
  HOLDALL_ASSIGN(const Bytes bytes, read_all(*source, context.limits.value_bytes));
  ModelBuilder builder;
  Opened opened;
  HOLDALL_ASSIGN(opened.contents, parse(bytes.text(), source->name(), file, context.limits, builder));
  builder.tree = opened.contents.root;
  const std::size_t trees = opened.contents.blocks.size();
  std::string detail = text("text, {} tree{}", trees, trees == 1 ? "" : "s");
  if (!opened.contents.version.empty()) detail += ", version " + opened.contents.version;
  builder.origin = {"lightgbm", std::move(detail), bundle.path(), {file}, source->size()};
  HOLDALL_ASSIGN(opened.model, std::move(builder).named_by_tree());
  return opened;
}

Result<Model> read(const Bundle& bundle, const Context& context) {
  HOLDALL_ASSIGN(Opened opened, open(bundle, context));
  return std::move(opened.model);
}

Status verify(const Bundle& bundle, const Context& context, Faults& faults) {
  HOLDALL_ASSIGN(const Opened opened, open(bundle, context));
  return check(opened.model, opened.contents, faults);
}

// LightGBM reads numbers and texts; objectives are looked up among its own. Its predictor follows children and features
// wherever they lead.
Status acts(const Bundle& bundle, const Context& context, Findings& findings) {
  Faults faults;
  HOLDALL_TRY(verify(bundle, context, faults));
  tell_faults(faults, bundle.main()->name(), findings);
  return {};
}

}  // namespace
}  // namespace lightgbm

extern const Format k_lightgbm_format;
constinit const Format k_lightgbm_format = {
    .id = "lightgbm",
    .title = "LightGBM's models as text: trees, categories, linear leaves; what a Booster's pickle holds",
    .extensions = {},
    .folder = false,
    .match = lightgbm::match,
    .read = lightgbm::read,
    .verify = lightgbm::verify,
    .acts = lightgbm::acts,
    .plan = nullptr,
};

}  // namespace holdall
