#include "holdall/trust/yaml_references.h"

#include <algorithm>
#include <deque>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "holdall/base/among.h"
#include "holdall/base/text.h"
#include "holdall/codec/python_text.h"
#include "holdall/codec/yaml.h"
#include "holdall/formats/chat_template.h"
#include "holdall/formats/encoded.h"
#include "holdall/formats/evaluated.h"
#include "holdall/formats/pytorch/instantiator.h"
#include "holdall/objects/told.h"
#include "holdall/trust/config_texts.h"
#include "holdall/trust/targets.h"
#include "holdall/trust/text_files.h"
#include "holdall/trust/yaml_mappings.h"

namespace holdall {
namespace {

constexpr std::string_view kCalls = "instantiating this configuration calls";

// Tags of PyYAML that are plain values, as every one of its loaders but the safe one makes them.
constexpr std::string_view kPlainTags[] = {"none", "bool",  "str",     "unicode", "bytes", "int",
                                           "long", "float", "complex", "list",    "tuple", "dict"};
constexpr std::string_view kPythonTag = "tag:yaml.org,2002:python/";
constexpr std::string_view kMakingKinds[] = {"object:", "object/apply:", "object/new:"};
// HyperPyYAML's, which SpeechBrain's files are written in: "!new:package.Class", "!apply:package.function".
constexpr std::string_view kCallingTags[] = {"!new:", "!name:", "!apply:", "!applyref:", "!module:"};

// PyYAML takes a name without a module for a builtin.
Verdict verdict_of_tagged(const std::string& target) {
  return verdict_of_target(target.find('.') == std::string::npos ? "builtins." + target : target);
}

void judge_tag(std::string_view tag, const std::string& place, Told& told) {
  std::string_view target;
  if (tag.starts_with(kPythonTag)) {
    const std::string_view kind = tag.substr(kPythonTag.size());
    if (std::find(std::begin(kPlainTags), std::end(kPlainTags), kind) != std::end(kPlainTags)) return;
    target = kind.substr(std::min(kind.find(':'), kind.size() - 1) + 1);
    const std::string_view made = kind.substr(0, kind.size() - target.size());
    if (is_among(kMakingKinds, made) && is_plain_class(target)) return;
    if (made == "name:" && is_plain_type(target)) return;
  } else {
    for (const std::string_view calling : kCallingTags)
      if (tag.starts_with(calling)) target = tag.substr(calling.size());
    if (target.empty()) return;
  }
  const bool is_module = tag.find("module:") != std::string_view::npos;
  const Verdict verdict = verdict_of_tagged(is_module ? std::string(target) + ".__name__" : std::string(target));
  told.add({verdict, Rule::kYamlTag, place, text("yaml.load makes a Python object: {}", cut_for_finding(tag)),
            cut_for_finding(target)});
}

// What stands behind a key is looked at through a window of as many tokens as a node may begin with, and a few more.
constexpr std::size_t kWindow = 8;
using Window = std::deque<YamlToken>;

bool is_null(std::string_view scalar) noexcept { return scalar.empty() || scalar == "null" || scalar == "~"; }

// What else MLflow imports by its file of a model, and the libraries that it means.
constexpr std::string_view kImportsOfMlflow[] = {"keras_module", "model_class"};
constexpr std::string_view kKerasModules[] = {"keras", "tensorflow.keras", "tf_keras"};
constexpr std::string_view kPickleModules[] = {"cloudpickle", "dill", "mlflow.pytorch.pickle_module", "pickle"};
constexpr std::string_view kModelLibraries[] = {"catboost.", "lightgbm.", "pyspark.ml.", "sklearn.", "xgboost."};

bool is_meant_by_mlflow(std::string_view key, std::string_view target) {
  if (key == "keras_module" && is_among(kKerasModules, target)) return true;
  const bool is_own = std::any_of(std::begin(kModelLibraries), std::end(kModelLibraries),
                                  [&](std::string_view library) { return target.starts_with(library); });
  return is_null(target) || (key == "model_class" && is_own) || (key == "loader_module" && target.starts_with("mlflow."));
}

// Reads keys and their values off the tokens; what an alias stands for where that is a scalar.
class YamlJudge {
 public:
  YamlJudge(std::string_view where, Findings& findings, const Limits& limits)
      : where_(where), findings_(findings), told_(findings), limits_(limits) {}

  void run(std::string_view text_) {
    Window window;
    scan_yaml(text_, [&](YamlToken token) {
      window.push_back(std::move(token));
      if (window.size() < kWindow) return;
      look_at(window);
      window.pop_front();
    });
    for (; !window.empty(); window.pop_front()) look_at(window);
    if (has_handlers_)
      for (const Finding& finding : of_logging_) told_.add(finding);
    if (has_backbone_ && has_head_)
      for (const Finding& finding : of_yolo_) told_.add(finding);
    // `<<: *a` puts them beside each other from anywhere; `? name` has no place of its own.
    merges_ = merges_ || text_.find("? ") != text_.npos || text_.find("?\n") != text_.npos;
    if (!merges_ || !has_parameters_) return;
    for (const Finding& finding : alone_) told_.add(finding);
  }

 private:
  // The first of the window.
  void look_at(const Window& tokens) {
    const YamlToken& token = tokens.front();
    mappings_.look_at(token);
    if (token.kind == YamlKind::kTag) judge_tag(token.text, place_of(token), told_);
    if (token.kind == YamlKind::kAnchor) anchor(tokens);
    if (token.kind == YamlKind::kValue) {
      entry(key_, tokens, 1);
      named(tokens);
    }
    if (token.kind == YamlKind::kScalar) {
      scalar(token);
      key_ = token.text;
    }
    if (token.kind == YamlKind::kAlias) key_ = anchors_[token.text];
  }

  // What pyannote.audio has called: {"name": "package.Class", "params": {…}}. Much else is named, too, so that only what
  // nothing means well is told.
  void named(const Window& tokens) {
    constexpr std::string_view kParameters[] = {"params", "init_args"};
    const bool is_target = is_target_key(key_), is_parameters = is_among(kParameters, key_);
    if (key_ != "name" && key_ != "<<" && !is_target && !is_parameters) return;
    YamlMapping& mapping = mappings_.at_key();
    merges_ = merges_ || key_ == "<<";
    has_parameters_ = has_parameters_ || is_parameters;
    mapping.has_parameters = mapping.has_parameters || is_parameters;
    if (is_target) interpolated(tokens, mapping);
    if (key_ == "name") {
      const std::size_t next = scalar_at(tokens, 1);
      const bool is_alias = tokens.size() > 1 && tokens[1].kind == YamlKind::kAlias;
      const std::string target = is_alias ? anchors_[tokens[1].text] : next < tokens.size() ? tokens[next].text : std::string();
      if (!is_dotted_name(target) || !is_never_meant(target)) return;
      mapping.named = Finding{verdict_of_target(target), Rule::kHydraTarget, place_of(tokens.front()),
                              text("{} '{}'", kCalls, cut_for_finding(target)), cut_for_finding(target)};
      if (alone_.size() < kMostAlone) alone_.push_back(*mapping.named);
    }
    if (!mapping.named || !mapping.has_parameters) return;
    told_.add(*mapping.named);
    mapping.named.reset();
  }

  // OmegaConf puts "${…}" together from the rest of the document.
  void interpolated(const Window& tokens, YamlMapping& mapping) {
    const std::size_t next = scalar_at(tokens, 1);
    if (next == tokens.size() || tokens[next].text.find("${") == std::string::npos) return;
    const std::string target = cut_for_finding(tokens[next].text);
    mapping.named =
        Finding{Verdict::kCode, Rule::kHydraTarget, place_of(tokens.front()), text("{} '{}'", kCalls, target), target};
    if (alone_.size() < kMostAlone) alone_.push_back(*mapping.named);
  }

  void scalar(const YamlToken& token) {
    if (may_be_encoded(token.text)) judge_encoded_text(token.text, place_of(token), limits_, told_);
    if (may_be_template(token.text) && (is_rendered(key_) || is_rendered(base_name(where_))))
      judge_rendered_text(token.text, place_of(token), told_);
    if (token.text.find('(') != std::string::npos) part_of_yolo(token);
  }

  std::string place_of(const YamlToken& token) const { return text("{} line {}", where_, token.line); }

  void anchor(const Window& tokens) {
    const std::size_t next = scalar_at(tokens, 1);
    anchors_[tokens.front().text] = next < tokens.size() ? tokens[next].text : std::string();
  }

  // The scalar behind tags and anchors; past the end where there is none.
  static std::size_t scalar_at(const Window& tokens, std::size_t at) {
    while (at < tokens.size() && (tokens[at].kind == YamlKind::kTag || tokens[at].kind == YamlKind::kAnchor)) ++at;
    return at < tokens.size() && tokens[at].kind == YamlKind::kScalar ? at : tokens.size();
  }

  void entry(const std::string& key, const Window& tokens, std::size_t at) {
    const bool is_import = key == "loader_module" || (where_.ends_with("MLmodel") && is_among(kImportsOfMlflow, key));
    if (key.ends_with("template") && scalar_at(tokens, at) < tokens.size()) {
      const YamlToken& jinja = tokens[scalar_at(tokens, at)];
      return judge_chat_template(jinja.text, place_of(jinja), findings_);
    }
    const std::size_t next = scalar_at(tokens, at);
    const bool is_alias = at < tokens.size() && tokens[at].kind == YamlKind::kAlias;
    const bool is_said = next < tokens.size() || is_alias;
    const std::string target = is_alias ? anchors_[tokens[at].text] : is_said ? tokens[next].text : std::string();
    const std::string place = is_said ? place_of(tokens[is_alias ? at : next]) : std::string();
    if (is_said && is_evaluated_key(key) && where_.ends_with("metadata.yaml")) return judge_evaluated(target, place, told_);
    if (is_said && key == "class_name") return keras_class(target, place);
    if (is_said && key == "class") handler(target, place);
    has_handlers_ = has_handlers_ || key == "handlers" || key == "formatters";
    if (key == "backbone") has_backbone_ = true;
    if (key == "head") has_head_ = true;
    if (is_said && key == "download") return downloaded(target, place);
    const bool is_target = is_target_key(key), is_instantiator = key == "_instantiator";
    if (key != "_target_" && !is_import && !is_target && !is_instantiator) return references(key, tokens, at);
    if (!is_said) return;
    if (is_target && !is_never_meant(target)) return;
    if (is_instantiator && pytorch::verdict_of_instantiator(target) == Verdict::kInert) return;
    if (!is_import)
      return told_.add({verdict_of_target(target), Rule::kHydraTarget, place, text("{} '{}'", kCalls, cut_for_finding(target)),
                        cut_for_finding(target)});
    // MLflow's own ones import what is pickled beside them, which is judged by itself.
    if (is_meant_by_mlflow(key, target)) return;
    told_.add({verdict_of_target(target + ".x"), Rule::kHydraTarget, place,
               text("mlflow imports the module '{}'", cut_for_finding(target)), cut_for_finding(target)});
  }

  // Ultralytics' files of data sets (check_det_dataset()): the address of a .zip, a script of the shell, or else Python.
  void downloaded(std::string_view said, const std::string& place) {
    const bool is_address = said.starts_with("http") && said.ends_with(".zip");
    if (is_address) return;
    if (!said.starts_with("bash ")) return judge_evaluated(said, place, told_);
    told_.add({Verdict::kCode, Rule::kEvaluatedText, place, text("Ultralytics runs '{}'", cut_for_finding(said)),
               cut_for_finding(said)});
  }

  // Of logging.config.dictConfig(), in a document that has handlers.
  void handler(std::string_view name, const std::string& place) {
    if (of_logging_.size() >= kMostAlone || !is_never_a_handler(name)) return;
    of_logging_.push_back({verdict_of_target(name), Rule::kHydraTarget, place, text("{} '{}'", kCalls, cut_for_finding(name)),
                           cut_for_finding(name)});
  }

  // YOLO's files of models, known by their "backbone" and "head": their words are evaluated (parse_model()). "nn.SiLU()" is
  // meant.
  void part_of_yolo(const YamlToken& word) {
    const auto call = single_call(word.text);
    if (call && (call->starts_with("nn.") || call->starts_with("torch.nn."))) return;
    const auto acting = acting_in_python(word.text);
    if (!acting || of_yolo_.size() >= kMostAlone) return;
    // "person (adult)" is a name.
    const std::size_t end = static_cast<std::size_t>(acting->data() - word.text.data()) + acting->size();
    const bool is_called = acting->find('.') != acting->npos || word.text.substr(end, 1) == "(";
    Findings found;
    Told told(found);
    judge_evaluated(word.text, place_of(word), told);
    for (Finding& finding : found)
      if (is_called || finding.severity == Verdict::kMalicious) of_yolo_.push_back(std::move(finding));
  }

  // MLflow's file of a model: Python that it runs, and a folder that it imports from before anywhere else.
  bool is_code_of_mlflow(const std::string& key) const {
    return where_.ends_with("MLmodel") && (key == "model_code_path" || key == "code");
  }

  // What Keras wrote until 2.5 and read again with yaml.load().
  void keras_class(const std::string& name, const std::string& place) {
    if (name != "Lambda") return;
    told_.add({Verdict::kCode, Rule::kKerasLambda, place, "it runs Python code that the file holds (Lambda)", name});
  }

  // What JSON says in the same words.
  void references(const std::string& key, const Window& tokens, std::size_t at) {
    if (key != "auto_map" && key != "custom_pipelines" && !is_code_of_mlflow(key)) return;
    const bool is_empty =
        at + 1 < tokens.size() && tokens[at].kind == YamlKind::kOpen && tokens[at + 1].kind == YamlKind::kClose;
    if (at >= tokens.size() || is_empty ||
        (scalar_at(tokens, at) < tokens.size() && is_null(tokens[scalar_at(tokens, at)].text)))
      return;
    told_.add({Verdict::kCode, key == "custom_pipelines" ? Rule::kCustomPipeline : Rule::kAutoMap, place_of(tokens[at]),
               text("the loader runs Python from the repository ({})", key)});
  }

  std::string where_;
  Findings& findings_;
  Told told_;
  const Limits& limits_;
  std::string key_;
  std::map<std::string, std::string> anchors_;
  static constexpr std::size_t kMostAlone = 20;
  YamlMappings mappings_;
  std::vector<Finding> alone_;  // names, wherever their parameters are
  Findings of_logging_;         // classes, if it has handlers
  Findings of_yolo_;            // what its words call, if this is one of its files
  bool merges_ = false, has_parameters_ = false, has_backbone_ = false, has_head_ = false, has_handlers_ = false;
};

}  // namespace

void judge_yaml(std::string_view text_, std::string_view where, Findings& findings, const Limits& limits) {
  YamlJudge(where, findings, limits).run(text_);
}

void judge_tagged(std::string_view text_, std::string_view where, Findings& findings) {
  constexpr std::string_view kMarks[] = {"!!", "!<", "%TAG", "!new:", "!name:", "!apply", "!module:"};
  if (std::none_of(std::begin(kMarks), std::end(kMarks), [&](auto mark) { return text_.find(mark) != text_.npos; })) return;
  Findings found;
  Told told(found);
  // A line of a block that is a scalar and no key ends the document where more follows.
  std::size_t brackets = 0;
  bool is_alone = false, is_prose = false;
  scan_yaml(text_, [&](const YamlToken& token) {
    is_prose = is_prose || (is_alone && token.kind != YamlKind::kValue && token.kind != YamlKind::kDocument);
    is_alone = token.kind == YamlKind::kScalar && token.column == 0 && brackets == 0;
    if (token.kind == YamlKind::kOpen) ++brackets;
    if (token.kind == YamlKind::kClose && brackets > 0) --brackets;
    if (token.kind == YamlKind::kTag) judge_tag(token.text, text("{} line {}", where, token.line), told);
  });
  if (!is_prose) findings.insert(findings.end(), found.begin(), found.end());
}

void judge_mlflow_module(std::string_view module, std::string_view where, Findings& findings) {
  if (is_among(kKerasModules, module) || is_among(kPickleModules, module)) return;
  findings.push_back({verdict_of_target(text("{}.x", module)), Rule::kHydraTarget, std::string(where),
                      text("mlflow imports the module '{}'", cut_for_finding(module)), cut_for_finding(module)});
}

}  // namespace holdall
