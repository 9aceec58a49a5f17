#include "holdall/trust/references.h"

#include <algorithm>
#include <string>
#include <vector>

#include "holdall/base/among.h"
#include "holdall/base/text.h"
#include "holdall/formats/encoded.h"
#include "holdall/formats/evaluated.h"
#include "holdall/formats/pytorch/instantiator.h"
#include "holdall/formats/torch_export/tree_spec.h"
#include "holdall/objects/globals.h"
#include "holdall/objects/told.h"
#include "holdall/trust/config_texts.h"
#include "holdall/trust/targets.h"
#include "holdall/trust/text_files.h"

namespace holdall {
namespace {

// What layers of Sentence Transformers import and call.
constexpr std::string_view kActivations[] = {"activation_function", "activation_fn", "sbert_ce_default_activation_function"};
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

constexpr std::string_view kCalls = "instantiating this configuration calls";

// Walks a document with the path from its root in a stack as deep as it is nested: paths are written out for findings alone.
class References {
 public:
  References(std::string_view where, Findings& findings, const Limits& limits)
      : where_(where), findings_(findings), told_(findings), limits_(limits) {}

  void judge(Value document) {
    is_of_allennlp_ = document.is(ValueKind::kDict) && document.find("dataset_reader");
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
    } else if (is_target_key(key) && is_never_meant(said)) {
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
    } else {
      look_at_parts(key, mapped, said);
    }
  }

  // Keys that mean this in documents of one kind.
  void look_at_parts(std::string_view key, Value mapped, std::string_view said) {
    if (key == "type" && is_part() && is_dotted_name(said) && is_never_meant(said)) {
      report(verdict_of_target(said), Rule::kHydraTarget, kCalls, said);
    } else if (key == "class" && is_of_logging() && is_never_a_handler(said)) {
      report(verdict_of_target(said), Rule::kHydraTarget, kCalls, said);
    } else if (key == "type_hint" && mapped.is(ValueKind::kList)) {
      type_hint(mapped);
    } else if (key == "backend_path" && said.find_first_of("/\\") != said.npos) {
      report(Verdict::kCode, Rule::kNativeCode, "ONNX Runtime loads the library", said);
    } else if (key == "index_name" && said == "legacy") {
      report(Verdict::kCode, Rule::kPickleComputedBytes, "RAG's retriever unpickles the files of its index,", said);
    } else if (is_evaluated_key(key) && (where_.ends_with("config.txt") || where_.ends_with("metadata.json"))) {
      judge_evaluated(said, text("{}#{}", where_, path()), told_);
    }
  }

  // Haystack makes a component of "type" and "init_parameters", AllenNLP of a "type" of any depth.
  bool is_part() const { return is_of_allennlp_ || open_.back().value.find("init_parameters"); }

  // {"handlers": {"console": {"class": …}}} of logging.config.dictConfig().
  bool is_of_logging() const {
    if (open_.size() < 3) return false;
    const Open& section = open_[open_.size() - 3];
    const Value key = section.value.is(ValueKind::kDict) ? section.value.key(section.next - 1) : Value();
    return key && key.is(ValueKind::kString) && (key.as_string() == "handlers" || key.as_string() == "formatters");
  }

  // Modular diffusers takes a part from the library that it says: ["diffusers", "UNet2DConditionModel"].
  void type_hint(Value hint) {
    const bool names = hint.size() == 2 && hint.item(0).is(ValueKind::kString) && hint.item(1).is(ValueKind::kString);
    if (!names || verdict_of_global(hint.item(0).as_string(), hint.item(1).as_string()) != Verdict::kMalicious) return;
    report(Verdict::kMalicious, Rule::kCustomPipeline, "the pipeline takes a part from",
           text("{}.{}", hint.item(0).as_string(), hint.item(1).as_string()));
  }

  void encoded(std::string_view key, std::string_view said) {
    if (key == ":serialized:" && !said.empty()) {
      Findings found;
      judge_encoded(said, text("{}#{}", where_, path()), limits_, found);
      for (Finding& finding : found) told_.add(std::move(finding));
      return;
    }
    if (may_be_encoded(said)) judge_encoded_text(said, text("{}#{}", where_, path()), limits_, told_);
    if (may_be_template(said) && is_in_rendered()) judge_rendered_text(said, text("{}#{}", where_, path()), told_);
  }

  // Whether the file, or a key on the way here, says that texts are rendered.
  bool is_in_rendered() const {
    return is_rendered(base_name(where_)) || std::any_of(open_.begin(), open_.end(), [](const Open& open) {
             const Value key = open.value.is(ValueKind::kDict) ? open.value.key(open.next - 1) : Value();
             return key && key.is(ValueKind::kString) && is_rendered(key.as_string());
           });
  }

  // jsonpickle.decode() imports what these name, and calls what "py/reduce" and "py/object" do; once it took Python of
  // "py/repr".
  void pickled(std::string_view key, std::string_view said) {
    if (said.empty() || is_plain_class(said) || is_plain_type(said)) return;
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
  bool is_of_allennlp_ = false;
};

}  // namespace

void judge_references(Value document, std::string_view where, Findings& findings, const Limits& limits) {
  References(where, findings, limits).judge(document);
}

namespace {

void judge_module(std::optional<std::string_view> type, std::string place, Told& told) {
  if (!type || type->starts_with("sentence_transformers.")) return;
  told.add({verdict_of_target(*type), Rule::kAutoMap, std::move(place),
            text("Sentence Transformers imports '{}'", cut_for_finding(*type)), cut_for_finding(*type)});
}

}  // namespace

void judge_modules(Value document, std::string_view where, Findings& findings) {
  Told told(findings);
  for (std::size_t i = 0; document.is(ValueKind::kList) && i < document.size(); ++i)
    judge_module(document.item(i).find_string("type"), text("{}#/{}/type", where, i), told);
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

}  // namespace holdall
