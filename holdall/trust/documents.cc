#include "holdall/trust/documents.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "holdall/base/text.h"
#include "holdall/formats/chat_template.h"
#include "holdall/formats/keras_config.h"
#include "holdall/objects/globals.h"
#include "holdall/objects/told.h"

namespace holdall {
namespace {

constexpr std::size_t kLongestName = 200;  // of a name in a finding

struct Visit {
  Value value;
  std::string path;
  bool is_of_keras = false;  // and judged with what it stands in
};

// Keras builds every such dict, at any depth. Other people's JSON has these keys, too: below the root, or with a config that is
// no dict, the class has to be one that Keras finds.
bool is_keras_config(Value dict, bool is_root) {
  const auto name = dict.find_string("class_name");
  if (!name || (!dict.find("config") && !name->starts_with("__"))) return false;  // "__typespec__", "__lambda__"
  const bool is_whole = is_root && (dict.find("config").is(ValueKind::kDict) || name->starts_with("__"));
  return is_whole || is_known_to_keras(dict);
}

// A node of a skops schema (skops/io/_audit.py): what it makes, by module and class.
void judge_node(Value node, std::string_view where, std::string_view at, Told& told) {
  const auto tell = [&](Verdict verdict, std::string_view from, std::string_view name, std::string_view by) {
    if (told.is_full(verdict, Rule::kSkopsType)) return;
    const std::string subject = text("{}.{}", from, name).substr(0, kLongestName);
    std::string what = by.empty() ? text("it takes {}", subject) : text("its {} makes {}", by, subject);
    told.add({verdict, Rule::kSkopsType, text("{}#{}", where, at), std::move(what), subject});
  };
  const auto module = node.find_string("__module__"), made = node.find_string("__class__"),
             loader = node.find_string("__loader__");
  const auto path = node.find_string("module_path"), function = node.find_string("function");
  const Verdict taken = path && function ? verdict_of_global(*path, *function) : Verdict::kInert;
  if (taken != Verdict::kInert) tell(taken, *path, *function, "");
  if (!module || !made || !loader) return;
  // Such a node takes its function from `operator`, whatever module it says (CVE-2025-54412).
  const std::string_view from = *loader == "OperatorFuncNode" ? std::string_view("operator") : *module;
  Verdict verdict = verdict_of_global(from, *made);
  // A method may be any of its object's; functions of NumPy are what scikit-learn's transformers are made of.
  const bool is_numeric = from.starts_with("numpy") || from.starts_with("scipy");
  if (verdict == Verdict::kInert && *loader != "MethodNode") return;
  if (verdict == Verdict::kInert || (is_numeric && *loader == "FunctionNode")) verdict = Verdict::kCode;
  tell(verdict, from, *made, loader->substr(0, kLongestName));
}

// TorchServe runs the handler of an archive, where it is none of its own, and the source of the model.
void judge_manifest(Value model, std::string_view where, Told& told) {
  constexpr std::array<std::string_view, 5> kOwn = {"base_handler", "image_classifier", "image_segmenter", "object_detector",
                                                    "text_classifier"};
  for (const std::string_view key : {"handler", "modelFile"}) {
    const auto file = model.find_string(key);
    if (!file || file->empty() || std::find(kOwn.begin(), kOwn.end(), *file) != kOwn.end()) continue;
    told.add({Verdict::kCode, Rule::kEndpointHandler, text("{}#/model/{}", where, key),
              text("TorchServe runs '{}'", file->substr(0, 120)), std::string(file->substr(0, 120))});
  }
}

// A pipeline of diffusers takes each of its parts from a library that it imports: {"unet": ["diffusers",
// "UNet2DConditionModel"]}.
void judge_pipeline(Value index, std::string_view where, Told& told) {
  for (std::size_t i = 0; i < index.size() && !told.is_full(Verdict::kMalicious, Rule::kCustomPipeline); ++i) {
    const Value part = index.mapped(i), name = index.key(i);
    const bool names = part.is(ValueKind::kList) && part.size() >= 2 && part.item(0).is(ValueKind::kString) &&
                       part.item(1).is(ValueKind::kString) && name.is(ValueKind::kString);
    if (!names || verdict_of_global(part.item(0).as_string(), part.item(1).as_string()) != Verdict::kMalicious) continue;
    std::string subject = text("{}.{}", part.item(0).as_string(), part.item(1).as_string()).substr(0, kLongestName);
    told.add({Verdict::kMalicious, Rule::kCustomPipeline, text("{}#/{}", where, name.as_string().substr(0, kLongestPlace)),
              text("the pipeline takes a part from {}", subject), subject});
  }
}

// A text, a list of them, or a dict of them by name; those in a list of {"name", "template"} have keys of their own.
void judge_templates(Value templates, const std::string& place, Told& told) {
  const auto judge = [&](Value one) {
    Findings found;
    judge_chat_template(one.as_string(), place, found);
    for (Finding& finding : found) told.add(std::move(finding));
  };
  const bool is_dict = templates.is(ValueKind::kDict);
  if (templates.is(ValueKind::kString)) {
    judge(templates);
  } else if (is_dict || templates.is(ValueKind::kList)) {
    for (std::size_t i = 0; i < templates.size(); ++i) {
      const Value one = is_dict ? templates.mapped(i) : templates.item(i);
      if (one.is(ValueKind::kString)) judge(one);
    }
  }
}

}  // namespace

void judge_document(Value document, std::string_view where, Findings& findings) {
  Told told(findings);
  if (document.is(ValueKind::kDict) && where.ends_with("MANIFEST.json")) judge_manifest(document.find("model"), where, told);
  const bool is_pipeline =
      document.is(ValueKind::kDict) && (document.find("_diffusers_version") || document.find("_class_name"));
  if (is_pipeline) judge_pipeline(document, where, told);
  std::vector<Visit> stack;
  if (document.is(ValueKind::kDict) || document.is(ValueKind::kList)) stack.push_back({document, {}});
  while (!stack.empty()) {
    Visit visit = std::move(stack.back());
    stack.pop_back();
    const bool is_dict = visit.value.is(ValueKind::kDict);
    if (is_dict) judge_node(visit.value, where, visit.path, told);
    const bool is_root = visit.value.id() == document.id();
    if (is_dict && !visit.is_of_keras && is_keras_config(visit.value, is_root)) {
      judge_keras_config(visit.value, is_root ? std::string(where) : text("{}#{}", where, visit.path), told);
      visit.is_of_keras = true;
    }
    for (std::size_t i = visit.value.size(); i-- > 0;) {
      const Value one = is_dict ? visit.value.mapped(i) : visit.value.item(i);
      const Value key = is_dict ? visit.value.key(i) : Value();
      const std::string_view name = key && key.is(ValueKind::kString) ? key.as_string() : std::string_view();
      const bool is_template = name.ends_with("template") || name.ends_with("templates");
      const bool is_container = one.is(ValueKind::kDict) || one.is(ValueKind::kList);
      if (!is_template && !is_container) continue;
      const bool is_long = visit.path.size() > kLongestPlace;
      std::string path = is_long   ? visit.path
                         : is_dict ? text("{}/{}", visit.path, name.substr(0, kLongestPlace))
                                   : text("{}/{}", visit.path, i);
      if (is_template) judge_templates(one, text("{}#{}", where, path), told);
      if (is_container) stack.push_back({one, std::move(path), visit.is_of_keras});
    }
  }
}

}  // namespace holdall
