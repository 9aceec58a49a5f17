// Whether the files of a Hugging Face folder agree with one another: sizes that config.json gives against shapes, the tokenizer
// against the embedding.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "holdall/core/model.h"
#include "holdall/formats/tokenizer.h"

namespace holdall::huggingface {

struct Facts {
  std::span<const NamedTensor> tensors;
  Value config;      // config.json; no value where there is none
  Value generation;  // generation_config.json, likewise
  Value adapter;     // adapter_config.json of PEFT, likewise
  const std::optional<TokenizerFacts>& tokenizer;
};

// One sentence for each disagreement. Silent where config.json does not say, or says it in words that are not known here.
std::vector<std::string> disagreements(const Facts& facts);

}  // namespace holdall::huggingface
