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

struct Visit {
  Value value;
  std::string path;
};

bool is_keras_config(Value document) {
  const auto name = document.is(ValueKind::kDict) ? document.find_string("class_name") : std::nullopt;
  return name && (document.find("config").is(ValueKind::kDict) || name->starts_with("__"));  // "__typespec__", "__lambda__"
}

// A node of a skops schema (skops/io/_audit.py): what it makes, by module and class.
void judge_node(Value node, std::string place, Findings& findings) {
  const auto module = node.find_string("__module__"), made = node.find_string("__class__"),
             loader = node.find_string("__loader__");
  const auto path = node.find_string("module_path"), function = node.find_string("function");
  if (path && function && verdict_of_global(*path, *function) != Verdict::kInert) {
    std::string subject = text("{}.{}", *path, *function).substr(0, 200);
    findings.push_back({verdict_of_global(*path, *function), Rule::kSkopsType, place, text("it takes {}", subject), subject});
  }
  if (!module || !made || !loader) return;
  // Such a node takes its function from `operator`, whatever module it says (CVE-2025-54412).
  const std::string_view from = *loader == "OperatorFuncNode" ? std::string_view("operator") : *module;
  Verdict verdict = verdict_of_global(from, *made);
  // A method may be any of its object's; functions of NumPy are what scikit-learn's transformers are made of.
  const bool is_numeric = from.starts_with("numpy") || from.starts_with("scipy");
  if (verdict == Verdict::kInert && *loader != "MethodNode") return;
  if (verdict == Verdict::kInert || (is_numeric && *loader == "FunctionNode")) verdict = Verdict::kCode;
  std::string subject = text("{}.{}", from, *made).substr(0, 200);
  findings.push_back({verdict, Rule::kSkopsType, std::move(place), text("its {} makes {}", *loader, subject), subject});
}

// TorchServe runs the handler of an archive, where it is none of its own, and the source of the model.
void judge_manifest(Value model, std::string_view where, Findings& findings) {
  constexpr std::array<std::string_view, 5> kOwn = {"base_handler", "image_classifier", "image_segmenter", "object_detector",
                                                    "text_classifier"};
  for (const std::string_view key : {"handler", "modelFile"}) {
    const auto file = model.find_string(key);
    if (!file || file->empty() || std::find(kOwn.begin(), kOwn.end(), *file) != kOwn.end()) continue;
    findings.push_back({Verdict::kCode, Rule::kEndpointHandler, text("{}#/model/{}", where, key),
                        text("TorchServe runs '{}'", file->substr(0, 120)), std::string(file->substr(0, 120))});
  }
}

// A pipeline of diffusers takes each of its parts from a library that it imports: {"unet": ["diffusers",
// "UNet2DConditionModel"]}.
void judge_pipeline(Value index, std::string_view where, Findings& findings) {
  for (std::size_t i = 0; i < index.size(); ++i) {
    const Value part = index.mapped(i), name = index.key(i);
    const bool names = part.is(ValueKind::kList) && part.size() == 2 && part.item(0).is(ValueKind::kString) &&
                       part.item(1).is(ValueKind::kString) && name.is(ValueKind::kString);
    if (!names || verdict_of_global(part.item(0).as_string(), part.item(1).as_string()) != Verdict::kMalicious) continue;
    std::string subject = text("{}.{}", part.item(0).as_string(), part.item(1).as_string()).substr(0, 200);
    findings.push_back({Verdict::kMalicious, Rule::kCustomPipeline, text("{}#/{}", where, name.as_string()),
                        text("the pipeline takes a part from {}", subject), subject});
  }
}

// A text, a list of them, or a dict of them by name; those in a list of {"name", "template"} have keys of their own.
void judge_templates(Value templates, const std::string& place, Findings& findings) {
  const bool is_dict = templates.is(ValueKind::kDict);
  if (templates.is(ValueKind::kString)) {
    judge_chat_template(templates.as_string(), place, findings);
  } else if (is_dict || templates.is(ValueKind::kList)) {
    for (std::size_t i = 0; i < templates.size(); ++i) {
      const Value one = is_dict ? templates.mapped(i) : templates.item(i);
      if (one.is(ValueKind::kString)) judge_chat_template(one.as_string(), place, findings);
    }
  }
}

}  // namespace

void judge_document(Value document, std::string_view where, Findings& findings) {
  if (is_keras_config(document)) judge_keras_config(document, where, findings);
  if (document.is(ValueKind::kDict) && where.ends_with("MANIFEST.json"))
    judge_manifest(document.find("model"), where, findings);
  const bool is_pipeline =
      document.is(ValueKind::kDict) && (document.find("_diffusers_version") || document.find("_class_name"));
  if (is_pipeline) judge_pipeline(document, where, findings);
  std::vector<Visit> stack;
  if (document.is(ValueKind::kDict) || document.is(ValueKind::kList)) stack.push_back({document, {}});
  while (!stack.empty()) {
    const Visit visit = std::move(stack.back());
    stack.pop_back();
    const bool is_dict = visit.value.is(ValueKind::kDict);
    if (is_dict) judge_node(visit.value, text("{}#{}", where, visit.path), findings);
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
      if (is_template) judge_templates(one, text("{}#{}", where, path), findings);
      if (is_container) stack.push_back({one, std::move(path)});
    }
  }
}

}  // namespace holdall
