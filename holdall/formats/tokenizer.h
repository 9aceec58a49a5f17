// What the tokenizer files beside a model hold, by counting: no text is ever tokenized here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "holdall/base/limits.h"
#include "holdall/io/blob.h"

namespace holdall {

struct TokenizerFacts {
  std::string kind;                   // "WordPiece", "BPE", "Unigram", "WordLevel", "SentencePiece"
  std::uint64_t tokens = 0;           // entries of the vocabulary, added tokens included
  std::uint64_t ids = 0;              // one more than the largest id
  std::vector<std::string> files;     // by name, those that were understood or belong to it
  std::vector<std::string> warnings;  // files that could not be read, and why
};

// Looks at tokenizer.json, vocab.txt, vocab.json with merges.txt, and SentencePiece models (tokenizer.model, spiece.model,
// sentencepiece.bpe.model), in this order of trust, and at added_tokens.json. Empty where there is none of them.
// Memory: the largest of these files. `files`: by path relative to the model.
std::optional<TokenizerFacts> describe_tokenizer(const std::map<std::string, Blob>& files, const Limits& limits);

// Pieces of a SentencePiece model: field 1 of ModelProto (sentencepiece_model.proto), counted without decoding them. Errors:
// corrupt where the bytes are no protocol buffer message.
Result<std::uint64_t> count_sentence_pieces(std::span<const std::byte> model);

}  // namespace holdall
