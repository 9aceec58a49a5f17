#include "holdall/trust/references.h"

#include <algorithm>
#include <cctype>
#include <deque>
#include <iterator>
#include <map>
#include <optional>
#include <vector>

#include "holdall/base/among.h"
#include "holdall/base/text.h"
#include "holdall/codec/yaml.h"
#include "holdall/formats/chat_template.h"
#include "holdall/formats/pytorch/instantiator.h"
#include "holdall/formats/torch_export/tree_spec.h"
#include "holdall/objects/globals.h"
#include "holdall/objects/told.h"
#include "holdall/trust/encoded.h"
#include "holdall/trust/yaml_mappings.h"

namespace holdall {
namespace {

// Libraries that configurations are made of: what they name of these is called by every one of them.
constexpr std::string_view kFrameworks[] = {
    "datasets", "diffusers", "fsspec",      "h5py",    "huggingface_hub", "jax",   "joblib",     "keras",       "numpy",
    "onnx",     "pandas",    "safetensors", "sklearn", "tensorflow",      "torch", "torchaudio", "torchvision", "transformers"};

// Of these, what runs programs or texts.
constexpr std::string_view kNeverMeant[] = {"numpy.distutils",
                                            "numpy.f2py",
                                            "numpy.testing",
                                            "pandas.core.computation",
                                            "torch.utils.collect_env",
                                            "torch.utils.cpp_extension",
                                            "torch.jit.unsupported_tensor_ops"};

// What a configuration that names "os.system" has called; of Python's own, what is not known to be inert is never meant well.
Verdict verdict_of_target(std::string_view target) {
  const std::size_t dot = target.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return Verdict::kCode;
  if (std::any_of(std::begin(kNeverMeant), std::end(kNeverMeant), [&](std::string_view module) {
        return target.starts_with(module) && target.substr(module.size()).starts_with('.');
      }))
    return Verdict::kMalicious;
  const std::string_view first = target.substr(0, target.find('.'));
  if (std::find(std::begin(kFrameworks), std::end(kFrameworks), first) != std::end(kFrameworks)) return Verdict::kCode;
  const Verdict verdict = verdict_of_global(target.substr(0, dot), target.substr(dot + 1));
  return verdict == Verdict::kMalicious ? verdict : Verdict::kCode;
}

// Letters, digits and dots between them: "package.module.Class".
bool is_dotted_name(std::string_view name) {
  const auto is_part = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
  };
  return name.find('.') != std::string_view::npos && !name.starts_with('.') && !name.ends_with('.') &&
         std::all_of(name.begin(), name.end(), is_part);
}

// What layers of Sentence Transformers import and call.
constexpr std::string_view kActivations[] = {"activation_function", "activation_fn", "sbert_ce_default_activation_function"};
// What configurations of latent diffusion ("target", "params"), of Lightning ("class_path", "init_args") and of logging ("()")
// have called: classes of the reader's own, most often, so that only what no configuration means well is told.
constexpr std::string_view kTargets[] = {"target", "class_path", "()"};
// Functions of frameworks that run, fetch or overwrite what they are given the name of.
constexpr std::string_view kActing[] = {"fsspec.open",
                                        "h5py.File",
                                        "joblib.dump",
                                        "joblib.load",
                                        "numpy.ctypeslib.load_library",
                                        "numpy.load",
                                        "numpy.save",
                                        "numpy.savetxt",
                                        "numpy.savez",
                                        "pandas.read_pickle",
                                        "tensorflow.load_library",
                                        "tensorflow.load_op_library",
                                        "torch.classes.load_library",
                                        "torch.hub.load",
                                        "torch.hub.download_url_to_file",
                                        "torch.jit.load",
                                        "torch.load",
                                        "torch.ops.load_library",
                                        "torch.save",
                                        "torch.utils.cpp_extension.load",
                                        "torch.utils.cpp_extension.load_inline",
                                        "transformers.pipeline"};
bool is_never_meant(std::string_view target) {
  return is_among(kActing, target) || verdict_of_target(target) == Verdict::kMalicious;
}
// Classes that hold what they are given, whatever it is: logs of training have them of their arguments.
constexpr std::string_view kPlainClasses[] = {"argparse.Namespace",
                                              "collections.OrderedDict",
                                              "collections.defaultdict",
                                              "datetime.date",
                                              "datetime.datetime",
                                              "datetime.time",
                                              "datetime.timedelta",
                                              "datetime.timezone",
                                              "decimal.Decimal",
                                              "pathlib.Path",
                                              "pathlib.PosixPath",
                                              "pathlib.PurePath",
                                              "pathlib.PurePosixPath",
                                              "pathlib.PureWindowsPath",
                                              "pathlib.WindowsPath",
                                              "pathlib._local.PosixPath",
                                              "torch.Size",
                                              "torch.device",
                                              "types.SimpleNamespace",
                                              "uuid.UUID"};
// Types that make no more than they are given.
constexpr std::string_view kPlainTypes[] = {"builtins.bool", "builtins.dict", "builtins.float", "builtins.int",
                                            "builtins.list", "builtins.set",  "builtins.str",   "builtins.tuple"};
// jsonpickle/tags.py: those whose text is a name.
constexpr std::string_view kOfJsonpickle[] = {"py/class", "py/function", "py/mod", "py/object", "py/repr", "py/type"};

// Codecs of numcodecs that unpickle.
constexpr std::string_view kFiltersOfZarr[] = {"pickle"};

constexpr std::string_view kKernels[] = {"attn_implementation",           "_attn_implementation",
                                         "experts_implementation",        "_experts_implementation",
                                         "_attn_implementation_internal", "_experts_implementation_internal"};
// Trees of arguments as torch.export writes them, which transformers reads of export.json.
constexpr std::string_view kTrees[] = {"in_spec", "out_spec"};

// Arguments of tokenizers that today's transformers opens where they are texts. What older versions wrote there of the files
// they had opened ("vocab_file", "tokenizer_file") it replaces by those of the folder.
constexpr std::string_view kVocabularies[] = {"vocab", "merges"};

bool leads_out(std::string_view path) {
  const bool has_drive = path.size() > 2 && path[1] == ':' && (path[2] == '/' || path[2] == '\\');
  return path.starts_with('/') || path.starts_with('\\') || has_drive || path.find("..") != path.npos;
}

std::string cut(std::string_view shown) { return std::string(shown.substr(0, 120)); }

constexpr std::string_view kCalls = "instantiating this configuration calls";

// Walks a document with the path from its root in a stack as deep as it is nested: paths are written out for findings alone.
class References {
 public:
  References(std::string_view where, Findings& findings, const Limits& limits)
      : where_(where), findings_(findings), told_(findings), limits_(limits) {}

  void judge(Value document) {
    enter(document);
    while (!open_.empty()) {
      Open& top = open_.back();
      if (top.next == top.value.size()) {
        open_.pop_back();
        continue;
      }
      const std::size_t i = top.next++;
      if (top.value.is(ValueKind::kList)) {
        const Value item = top.value.item(i);
        if (item.is(ValueKind::kString)) encoded({}, item.as_string());
        enter(item);
      } else {
        const Value key = top.value.key(i), mapped = top.value.mapped(i);
        look_at(key.is(ValueKind::kString) ? key.as_string() : std::string_view(), mapped);
        enter(mapped);
      }
    }
  }

 private:
  struct Open {
    Value value;
    std::size_t next = 0;
  };

  void enter(Value value) {
    if (value.is(ValueKind::kList) || value.is(ValueKind::kDict)) open_.push_back({value});
  }

  // One key of a configuration and what loaders make of it.
  void look_at(std::string_view key, Value mapped) {
    const std::string_view said = mapped.is(ValueKind::kString) ? mapped.as_string() : std::string_view();
    encoded(key, said);
    encoded({}, key);
    if (key.starts_with("json://") && key.find("py/") != key.npos)
      report(Verdict::kCode, Rule::kHydraTarget, "jsonpickle makes or calls what a key says", key.substr(0, kLongestPlace));
    if (is_among(kOfJsonpickle, key)) {
      pickled(key, said);
    } else if (key == "auto_map") {
      report_strings(mapped, Rule::kAutoMap, "with trust_remote_code the loader runs Python from the repository:");
    } else if (key == "custom_pipelines" || (key == "_class_name" && mapped.is(ValueKind::kList))) {
      report_strings(mapped, Rule::kCustomPipeline, "the loader runs Python from the repository:");
    } else if (key == "_target_" && mapped.is(ValueKind::kString)) {
      report(verdict_of_target(said), Rule::kHydraTarget, kCalls, said);
    } else if (key == "object_constructor" && mapped.is(ValueKind::kString) && !said.starts_with("llama_index.")) {
      report(verdict_of_target(said), Rule::kHydraTarget, "MLflow calls", said);
    } else if (key == "id" && is_among(kFiltersOfZarr, said) && is_of_zarr()) {
      report(Verdict::kCode, Rule::kPickleComputedBytes, "zarr decodes its chunks by the filter", said);
    } else if (key == "auto_mapping" && mapped.is(ValueKind::kDict)) {
      base_model(mapped);
    } else if (is_among(kKernels, key)) {
      kernel(said);
      for (std::size_t i = 0; mapped.is(ValueKind::kDict) && i < mapped.size(); ++i)  // for each part of the model
        if (mapped.mapped(i).is(ValueKind::kString)) kernel(mapped.mapped(i).as_string());
    } else if (is_among(kActivations, key) && is_dotted_name(said) && !said.starts_with("torch.nn.")) {
      report(verdict_of_target(said), Rule::kHydraTarget, kCalls, said);
    } else if (is_among(kTargets, key) && is_never_meant(said)) {
      report(verdict_of_target(said), Rule::kHydraTarget, kCalls, said);
    } else if (key == "custom_ops_library" && !said.empty()) {  // of genai_config.json
      report(Verdict::kCode, Rule::kNativeCode, "ONNX Runtime loads the library", said);
    } else if (key == "_instantiator" && mapped.is(ValueKind::kString)) {
      if (pytorch::verdict_of_instantiator(said) != Verdict::kInert)
        report(verdict_of_target(said), Rule::kHydraTarget, "Lightning calls", said);
    } else if (key == "megatron_core" && mapped.is(ValueKind::kString) && !said.starts_with("megatron.")) {
      report(verdict_of_target(text("{}.x", said)), Rule::kAutoMap, "PEFT imports", said);
    } else if (key == "prompt_tuning_init_state_dict_path" && leads_out(said)) {
      report(Verdict::kMalicious, Rule::kHydraTarget, "the adapter is made of a file outside of its folder,", said);
    } else if (is_among(kTrees, key) && where_.ends_with("export.json")) {
      torch_export::judge_tree_spec(said, text("{}#{}", where_, path()), findings_);
    } else if (is_among(kVocabularies, key) && where_.ends_with("tokenizer_config.json") && leads_out(said)) {
      report(Verdict::kMalicious, Rule::kHydraTarget, "the tokenizer is made of a file outside of its folder,", said);
    }
  }

  void encoded(std::string_view key, std::string_view said) {
    const auto judge = key == ":serialized:" ? judge_encoded : said.starts_with("gA") ? judge_maybe_encoded : nullptr;
    if (judge == nullptr || said.empty()) return;
    Findings found;
    judge(said, text("{}#{}", where_, path()), limits_, found);
    for (Finding& finding : found) told_.add(std::move(finding));
  }

  // jsonpickle.decode() imports what these name, and calls what "py/reduce" and "py/object" do; once it took Python of
  // "py/repr".
  void pickled(std::string_view key, std::string_view said) {
    if (said.empty() || is_among(kPlainClasses, said) || is_among(kPlainTypes, said)) return;
    const std::string target = said.find('.') == said.npos ? text("builtins.{}", said) : std::string(said);
    report(key == "py/repr" ? Verdict::kMalicious : verdict_of_target(target), Rule::kHydraTarget, "jsonpickle makes or calls",
           said);
  }

  bool is_of_zarr() const {
    return where_.ends_with(".zarray") || where_.ends_with(".zmetadata") || where_.ends_with("zarr.json");
  }

  // transformers fetches such a kernel, which is native code, from the hub.
  void kernel(std::string_view name) {
    if (name.find('/') != name.npos) report(Verdict::kCode, Rule::kNativeCode, "the loader fetches and runs the kernel", name);
  }

  // What PEFT imports the class of the model from: {"base_model_class", "parent_library"}.
  void base_model(Value mapping) {
    const auto library = mapping.find_string("parent_library");
    if (!library || *library == "transformers" || library->starts_with("transformers.") || library->starts_with("peft."))
      return;
    const std::string target = text("{}.{}", *library, mapping.find_string("base_model_class").value_or("x"));
    report(verdict_of_target(target), Rule::kAutoMap, "PEFT imports", *library);
  }

  void report_strings(Value value, Rule rule, std::string_view means) {
    std::vector<Value> stack = {value};
    while (!stack.empty()) {
      const Value one = stack.back();
      stack.pop_back();
      if (one.is(ValueKind::kString)) {
        report(Verdict::kCode, rule, means, one.as_string());
      } else if (one.is(ValueKind::kDict)) {
        for (std::size_t i = one.size(); i-- > 0;) stack.push_back(one.mapped(i));
      } else if (one.is(ValueKind::kList)) {
        for (std::size_t i = one.size(); i-- > 0;) stack.push_back(one.item(i));
      }
    }
  }

  void report(Verdict severity, Rule rule, std::string_view means, std::string_view name) {
    if (told_.is_full(severity, rule)) return;
    told_.add({severity, rule, text("{}#{}", where_, path()), text("{} '{}'", means, name), std::string(name)});
  }

  std::string path() const {
    std::string made;
    for (const Open& open : open_) {
      const std::size_t i = open.next - 1;
      if (open.value.is(ValueKind::kList)) {
        made += "/" + std::to_string(i);
      } else {
        const Value key = open.value.key(i);
        made += text("/{}", key.is(ValueKind::kString) ? key.as_string().substr(0, kLongestPlace) : std::string_view());
      }
      if (made.size() > kLongestPlace) return made.substr(0, kLongestPlace) + "…";
    }
    return made;
  }

  std::string_view where_;
  Findings& findings_;
  Told told_;
  const Limits& limits_;
  std::vector<Open> open_;
};

}  // namespace

void judge_references(Value document, std::string_view where, Findings& findings, const Limits& limits) {
  References(where, findings, limits).judge(document);
}

namespace {

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
    if (is_among(kMakingKinds, made) && is_among(kPlainClasses, target)) return;
    if (made == "name:" && is_among(kPlainTypes, target)) return;
  } else {
    for (const std::string_view calling : kCallingTags)
      if (tag.starts_with(calling)) target = tag.substr(calling.size());
    if (target.empty()) return;
  }
  const bool is_module = tag.find("module:") != std::string_view::npos;
  const Verdict verdict = verdict_of_tagged(is_module ? std::string(target) + ".__name__" : std::string(target));
  told.add({verdict, Rule::kYamlTag, place, text("yaml.load makes a Python object: {}", cut(tag)), cut(target)});
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
      encoded(token);
      key_ = token.text;
    }
    if (token.kind == YamlKind::kAlias) key_ = anchors_[token.text];
  }

  // What pyannote.audio has called: {"name": "package.Class", "params": {…}}. Much else is named, too, so that only what
  // nothing means well is told.
  void named(const Window& tokens) {
    constexpr std::string_view kParameters[] = {"params", "init_args"};
    const bool is_target = is_among(kTargets, key_), is_parameters = is_among(kParameters, key_);
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
                              text("{} '{}'", kCalls, cut(target)), cut(target)};
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
    const std::string target = cut(tokens[next].text);
    mapping.named =
        Finding{Verdict::kCode, Rule::kHydraTarget, place_of(tokens.front()), text("{} '{}'", kCalls, target), target};
    if (alone_.size() < kMostAlone) alone_.push_back(*mapping.named);
  }

  void encoded(const YamlToken& scalar) {
    if (!scalar.text.starts_with("gA")) return;
    Findings found;
    judge_maybe_encoded(scalar.text, place_of(scalar), limits_, found);
    for (Finding& finding : found) told_.add(std::move(finding));
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
    if (key == "download" && scalar_at(tokens, at) < tokens.size()) return downloaded(tokens[scalar_at(tokens, at)]);
    const bool is_target = is_among(kTargets, key), is_instantiator = key == "_instantiator";
    if (key != "_target_" && !is_import && !is_target && !is_instantiator) return references(key, tokens, at);
    const std::size_t next = scalar_at(tokens, at);
    const bool is_alias = at < tokens.size() && tokens[at].kind == YamlKind::kAlias;
    if (next == tokens.size() && !is_alias) return;
    const std::string target = is_alias ? anchors_[tokens[at].text] : tokens[next].text;
    const std::string place = place_of(tokens[is_alias ? at : next]);
    if (is_target && !is_never_meant(target)) return;
    if (is_instantiator && pytorch::verdict_of_instantiator(target) == Verdict::kInert) return;
    if (!is_import)
      return told_.add(
          {verdict_of_target(target), Rule::kHydraTarget, place, text("{} '{}'", kCalls, cut(target)), cut(target)});
    // MLflow's own ones import what is pickled beside them, which is judged by itself.
    if (is_meant_by_mlflow(key, target)) return;
    told_.add({verdict_of_target(target + ".x"), Rule::kHydraTarget, place, text("mlflow imports the module '{}'", cut(target)),
               cut(target)});
  }

  // Ultralytics' files of data sets (check_det_dataset()): the address of a .zip, a script of the shell, or else Python.
  void downloaded(const YamlToken& script) {
    const std::string_view said = script.text;
    bool calls = false;
    for (std::size_t open = said.find('('); open != said.npos && !calls; open = said.find('(', open + 1))
      calls = open > 0 && (std::isalnum(static_cast<unsigned char>(said[open - 1])) != 0 || said[open - 1] == '_');
    const bool is_address = said.starts_with("http") && said.ends_with(".zip");
    if (is_address || !(calls || said.starts_with("bash "))) return;
    told_.add({Verdict::kCode, Rule::kHydraTarget, place_of(script), text("Ultralytics runs '{}'", cut(said)), cut(said)});
  }

  // MLflow's file of a model: Python that it runs, and a folder that it imports from before anywhere else.
  bool is_code_of_mlflow(const std::string& key) const {
    return where_.ends_with("MLmodel") && (key == "model_code_path" || key == "code");
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
  bool merges_ = false, has_parameters_ = false;
};

}  // namespace

namespace {

void judge_module(std::optional<std::string_view> type, std::string place, Told& told) {
  if (!type || type->starts_with("sentence_transformers.")) return;
  told.add({verdict_of_target(*type), Rule::kAutoMap, std::move(place), text("Sentence Transformers imports '{}'", cut(*type)),
            cut(*type)});
}

}  // namespace

void judge_modules(Value document, std::string_view where, Findings& findings) {
  Told told(findings);
  for (std::size_t i = 0; document.is(ValueKind::kList) && i < document.size(); ++i)
    judge_module(document.item(i).find_string("type"), text("{}#/{}/type", where, i), told);
}

void judge_mlflow_module(std::string_view module, std::string_view where, Findings& findings) {
  if (is_among(kKerasModules, module) || is_among(kPickleModules, module)) return;
  findings.push_back({verdict_of_target(text("{}.x", module)), Rule::kHydraTarget, std::string(where),
                      text("mlflow imports the module '{}'", cut(module)), cut(module)});
}

void judge_words(Value document, std::string_view where, Findings& findings) {
  Told told(findings);
  if (document.is(ValueKind::kDict))
    judge_module(document.find_string("tokenizer_class"), text("{}#/tokenizer_class", where), told);
}

void judge_router(Value document, std::string_view where, Findings& findings) {
  Told told(findings);
  const Value types = document.is(ValueKind::kDict) ? document.find("types") : Value();
  for (std::size_t i = 0; types.is(ValueKind::kDict) && i < types.size(); ++i)
    if (types.mapped(i).is(ValueKind::kString)) judge_module(types.mapped(i).as_string(), text("{}#/types/{}", where, i), told);
}

void judge_yaml(std::string_view text_, std::string_view where, Findings& findings, const Limits& limits) {
  YamlJudge(where, findings, limits).run(text_);
}

}  // namespace holdall
