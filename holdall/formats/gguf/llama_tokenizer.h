// The tokenizer as llama.cpp keeps it: a table of tokens by number, the numbers of the special ones, and how a text is split.
//
// Source: llama-vocab.cpp, gguf-py's vocab.py (github.com/ggml-org/llama.cpp). Thread-safety and ownership: as llama_cpp.h.
#pragma once

#include <unordered_map>

#include "holdall/formats/gguf/llama_cpp.h"

namespace holdall::gguf {

inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581, a space in SentencePiece

// llama_token_type of llama.h; SentencePiece's types are the same numbers.
enum class TokenType : std::uint8_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

struct AddedToken {
  std::uint64_t id = 0;
  std::string content;
  bool special = false;
};

// The files beside the weights.
struct TokenizerFiles {
  Value tokenizer;  // tokenizer.json
  Value config;     // tokenizer_config.json
  Value specials;   // special_tokens_map.json
  std::vector<AddedToken> added;
};

struct Vocabulary {
  std::vector<std::string> tokens;  // as transformers spells them; empty where a number has none
  std::vector<float> scores;        // empty: the kind has none
  std::vector<TokenType> types;
  std::vector<std::string> merges;  // "a b"
  std::string model;                // tokenizer.ggml.model
  std::string pre;                  // tokenizer.ggml.pre
  std::optional<bool> adds_space;   // before a text; empty: the files that hold the table do not say
  std::unordered_map<std::string, std::uint64_t> ids;
};

// Empty where the folder has no tokenizer, or one of a kind that llama.cpp lacks (a loss). At most conversion.rows tokens;
// those beyond are losses.
Result<std::optional<Vocabulary>> read_vocabulary(Conversion& conversion, const TokenizerFiles& files);

// "gpt-2"; empty where llama.cpp has none that splits so.
std::string pre_tokenizer_of(Value tokenizer);

// What of a tokenizer.json llama.cpp does otherwise for a tokenizer.ggml.model; empty where nothing is known to.
std::string unlike_llama_cpp(Value tokenizer, std::string_view model);

// Their numbers, whether a text begins and ends with them, the chat template.
Status convert_special_tokens(Conversion& conversion, const TokenizerFiles& files, const Vocabulary& vocabulary);

}  // namespace holdall::gguf
