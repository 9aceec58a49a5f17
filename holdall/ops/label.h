// Label: what a person would write on a model's lid, from its configuration, metadata, model card and tensors.
//
// Thread-safety: may be called from several threads. Ownership: results own their texts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "holdall/core/model.h"

namespace holdall {

// Empty where the file does not say.
struct Label {
  std::string family;     // "bert": model_type of config.json, GGUF's architecture, Keras' class
  std::string task;       // "BertForQuestionAnswering": architectures of config.json
  std::string base;       // the model this one was made from
  std::string precision;  // "float32", "mostly float16, some float32"
  std::string producer;   // "torch >= 2.1", "transformers 4.30.0"
  std::string licence;    // as the model card or metadata says
};

struct Tokenizer {
  std::string kind;                // "WordPiece", "BPE", "Unigram", "SentencePiece"
  std::uint64_t vocabulary = 0;    // entries, added tokens included; 0: not known
  std::vector<std::string> files;  // those of the tokenizer, relative to the path
};

// Reads side files of at most a few MiB; what cannot be read or parsed says nothing.
Label label_of(const Model& model);
// Empty where the model has no tokenizer's file.
std::optional<Tokenizer> tokenizer_of(const Model& model);

}  // namespace holdall
