#include <algorithm>
#include <array>

#include "holdall/base/text.h"
#include "holdall/formats/gguf/llama_tokenizer.h"

namespace holdall::gguf {
namespace {

struct Known {
  std::string_view steps, name;
};

constexpr std::array kKnown = {
#define HOLDALL_PRE_TOKENIZER(steps, name) Known{steps, name},
#include "holdall/formats/gguf/llama_pre_tokenizers.inc"
#undef HOLDALL_PRE_TOKENIZER
};

// One step in words: "split:" and its expression, "digit", "gpt2" (GPT-2's own expression), "bytes"; "?" for any other.
std::string step_of(Value step) {
  const std::string_view type = step.find_string("type").value_or("");
  if (type == "ByteLevel") {
    const std::string split = is_false(step.find("use_regex")) ? "" : "gpt2 ";
    return is_true(step.find("add_prefix_space")) ? "?" : split + "bytes";
  }
  if (type == "Digits") return is_true(step.find("individual_digits")) ? "digit" : "?";
  if (type != "Split" || step.find_string("behavior").value_or("") != "Isolated" || is_true(step.find("invert"))) return "?";
  const auto expression = step.find("pattern").find_string("Regex");
  return expression ? text("split:{}", *expression) : "?";
}

// All steps, one space between them; "whole" at the end where a piece that is a token is not split by merges.
std::string pre_tokenizer_steps(Value tokenizer) {
  const Value pre = tokenizer.find("pre_tokenizer");
  std::string steps;
  if (pre.find_string("type").value_or("") == "Sequence") {
    const Value list = pre.find("pretokenizers");
    for (std::size_t i = 0; list.is(ValueKind::kList) && i < list.size(); ++i)
      steps += (steps.empty() ? "" : " ") + step_of(list.item(i));
  } else {
    steps = step_of(pre);
  }
  return is_true(tokenizer.find("model").find("ignore_merges")) ? steps + " whole" : steps;
}

// A step, or the steps of a sequence; none where there is none.
std::vector<Value> steps_of(Value step, std::string_view list) {
  if (!step.is(ValueKind::kDict)) return {};
  const Value steps = step.find(list);
  if (!steps.is(ValueKind::kList)) return {step};
  std::vector<Value> result;
  for (std::size_t i = 0; i < steps.size(); ++i) result.push_back(steps.item(i));
  return result;
}

std::string_view type_of(Value step) { return step.find_string("type").value_or("?"); }

bool is_one(const std::vector<Value>& steps, std::string_view type) { return steps.size() == 1 && type_of(steps[0]) == type; }

// What SentencePiece does with spaces, and nothing else.
bool marks_spaces(Value step) {
  if (type_of(step) == "Prepend") return step.find_string("prepend").value_or("") == kSpaceMark;
  return type_of(step) == "Replace" && step.find("pattern").find_string("String").value_or("") == " " &&
         step.find_string("content").value_or("") == kSpaceMark;
}

}  // namespace

std::string unlike_llama_cpp(Value tokenizer, std::string_view model) {
  const std::vector<Value> normalizers = steps_of(tokenizer.find("normalizer"), "normalizers");
  const std::vector<Value> splits = steps_of(tokenizer.find("pre_tokenizer"), "pretokenizers");
  if (model == "gpt2") return normalizers.empty() ? "" : text("its normalizer ({})", type_of(normalizers.front()));
  if (model == "llama") {
    if (!std::all_of(normalizers.begin(), normalizers.end(), marks_spaces)) return "its normalizer";
    return splits.empty() || is_one(splits, "Metaspace") ? "" : "its pre-tokenizer";
  }
  if (!is_one(normalizers, "BertNormalizer") || is_false(normalizers.front().find("handle_chinese_chars")))
    return "its normalizer";
  if (!is_one(splits, "BertPreTokenizer")) return "its pre-tokenizer";
  if (tokenizer.find("model").find_string("continuing_subword_prefix").value_or("##") != "##")
    return "the prefix of its pieces";
  return tokenizer.find("post_processor").is(ValueKind::kDict) ? "" : "that nothing is put around a text";
}

std::string pre_tokenizer_of(Value tokenizer) {
  const std::string steps = pre_tokenizer_steps(tokenizer);
  const auto* known = std::find_if(kKnown.begin(), kKnown.end(), [&](const Known& k) { return k.steps == steps; });
  return known == kKnown.end() ? std::string() : std::string(known->name);
}

}  // namespace holdall::gguf
