// XGBoost's models: one document in JSON or UBJSON. See README.md.
#include "holdall/formats/xgboost/xgboost.h"

#include <utility>

#include "holdall/base/text.h"
#include "holdall/formats/fault_findings.h"

namespace holdall {
namespace xgboost {
namespace {

// What XGBoost 0.x and 1.x wrote before: "binf" in front of its structs, "bs64" in front of base64 of them, and what a pickle
// of those days holds.
constexpr std::string_view kOldMarks[] = {"binf", "bs64", "CONFIG-offset:"};

// Words of a model's document, of which one stands near its beginning unless names of features fill it.
constexpr std::string_view kWords[] = {"attributes",          "feature_names", "gradient_booster",
                                       "learner_model_param", "generic_param", "learner_train_param"};

bool is_old(std::string_view head) {
  for (const std::string_view mark : kOldMarks)
    if (head.starts_with(mark)) return true;
  return false;
}

Match match(Peek& peek) {
  if (peek.is_folder()) return Match::kNo;
  const auto head = peek.head();
  if (is_old(as_text(head))) return Match::kLikely;
  if (spelling_of(head) == Spelling::kNone) return Match::kNo;
  for (const std::string_view word : kWords)
    if (as_text(head).find(word) != std::string_view::npos) return Match::kCertain;
  return spelling_of(head) == Spelling::kUbjson ? Match::kLikely : Match::kNo;
}

std::string file_name(const Bundle& bundle) {
  if (!bundle.names().empty()) return bundle.names().front();
  return bundle.path().substr(bundle.path().rfind('/') + 1);
}

// "gbtree, 3 trees, XGBoost 3.2.0"
std::string detail_of(Value root, Spelling spelling) {
  const Value model = root.find("Model") ? root.find("Model") : root;
  std::string detail = spelling == Spelling::kJson ? "JSON" : "UBJSON";
  const Value booster = model.find("learner").find("gradient_booster");
  if (const auto name = booster.find_string("name")) detail += text(", {}", *name);
  const Value inner = booster.find("gbtree") ? booster.find("gbtree") : booster;
  if (const Value trees = inner.find("model").find("trees"); trees.is(ValueKind::kList)) {
    detail += text(", {} tree{}", trees.size(), trees.size() == 1 ? "" : "s");
  }
  if (const Value version = model.find("version"); version.is(ValueKind::kList) && version.size() == 3) {
    std::string joined;
    for (std::size_t i = 0; i < 3 && version.item(i).is(ValueKind::kInt); ++i) {
      joined += (i == 0 ? "" : ".") + std::to_string(version.item(i).as_int());
    }
    detail += ", XGBoost " + joined;
  }
  return detail;
}

Result<Model> read(const Bundle& bundle, const Context& context) {
  const SourceRef& source = bundle.main();
  Peek peek(bundle, context.limits);
  if (is_old(as_text(peek.head()))) {
    return unsupported(
               "the binary format of XGBoost before 2.1 is not read: load the file with an XGBoost that still does (up to "
               "3.0) and save_model() it as .ubj or .json")
        .in(source->name());
  }
  const Spelling spelling = spelling_of(peek.head());
  if (spelling == Spelling::kNone) return corrupt("no model's document begins so").at(0).in(source->name());
  ModelBuilder builder;
  Assembly assembly(builder, context.limits, file_name(bundle));
  HOLDALL_TRY(spelling == Spelling::kJson ? read_json(source, context.limits, assembly, *builder.arena)
                                          : read_ubjson(source, context.limits, assembly, *builder.arena));
  builder.tree = assembly.root();
  const Value root = builder.arena->at(builder.tree);
  const Value model = root.find("Model") ? root.find("Model") : root;
  if (!model.find("learner").find("gradient_booster")) {
    return corrupt("the document has no 'learner' with a 'gradient_booster'").in(source->name());
  }
  builder.origin = {"xgboost", detail_of(root, spelling), bundle.path(), {file_name(bundle)}, source->size()};
  return std::move(builder).named_by_tree();
}

Status verify(const Bundle& bundle, const Context& context, Faults& faults) {
  HOLDALL_ASSIGN(const Model model, read(bundle, context));
  return check(model, faults);
}

// XGBoost reads numbers and texts; objectives and boosters are looked up among its own.
// Its predictor follows children, features and groups wherever they lead.
Status acts(const Bundle& bundle, const Context& context, Findings& findings) {
  Faults faults;
  HOLDALL_TRY(verify(bundle, context, faults));
  tell_faults(faults, bundle.main()->name(), findings);
  return {};
}

}  // namespace
}  // namespace xgboost

extern const Format k_xgboost_format;
constinit const Format k_xgboost_format = {
    .id = "xgboost",
    .title = "XGBoost's models in UBJSON and JSON: trees, linear weights, DART; what a Booster's pickle holds",
    .extensions = {},
    .folder = false,
    .match = xgboost::match,
    .read = xgboost::read,
    .verify = xgboost::verify,
    .acts = xgboost::acts,
    .plan = nullptr,
};

}  // namespace holdall
