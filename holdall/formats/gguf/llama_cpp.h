// What the parts of adapt() share: a Hugging Face model as llama.cpp runs it. Names and shapes (llama_tensors.cc),
// hyperparameters (llama_parameters.cc), the tokenizer (llama_vocabulary.cc, llama_special_tokens.cc).
//
// Source: the Python converter of github.com/ggml-org/llama.cpp (conversion/, gguf-py) and what llama-model.cpp and
// llama-vocab.cpp read. Thread-safety and ownership: pure; a conversion belongs to one thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/formats/format.h"

namespace holdall::gguf {

enum class Family : std::uint8_t { kBert, kDistilBert, kGpt2, kLlama };

struct Architecture {
  std::string_view model_type;  // of config.json
  Family family;
  std::string_view name;  // general.architecture
  // Position embeddings begin behind the padding token's: the first of them are never used.
  bool skips_positions;
};

inline bool is_true(Value value) { return value.is(ValueKind::kBool) && value.as_bool(); }
inline bool is_false(Value value) { return value.is(ValueKind::kBool) && !value.as_bool(); }

// The metadata being written, each value under its key as the type that llama.cpp reads there. Adding moves the texts of the
// arena: views of them do not outlive it.
class Pairs {
 public:
  explicit Pairs(Arena& arena) : arena_(arena), dict_(arena.dict()) {}
  NodeId dict() const noexcept { return dict_; }

  void integer(std::string_view key, std::int64_t value) { arena_.set_item(dict_, key, arena_.integer(value)); }
  // Rounded to float32, which is what llama.cpp takes.
  void real(std::string_view key, double value) {
    arena_.set_item(dict_, key, arena_.real(static_cast<double>(static_cast<float>(value))));
  }
  void boolean(std::string_view key, bool value) { arena_.set_item(dict_, key, arena_.boolean(value)); }
  // `value` may be a text of the arena, which moves as it grows.
  void string(std::string_view key, std::string_view value) { arena_.set_item(dict_, key, arena_.string(std::string(value))); }
  void strings(std::string_view key, const std::vector<std::string>& values);
  void integers(std::string_view key, const std::vector<std::int32_t>& values);
  void reals(std::string_view key, const std::vector<float>& values);

 private:
  Arena& arena_;
  NodeId dict_;
};

struct Conversion {
  Conversion(const Model& source, const AdaptOptions& given, const Architecture& target);

  const Model& model;
  const AdaptOptions& options;
  const Architecture& architecture;
  ModelBuilder builder;
  Pairs pairs;  // in the builder's arena
  Value config;
  std::set<std::string> read;  // files beside the weights
  std::uint64_t rows = 0;      // of the embedding: as many tokens as there may be
  std::vector<std::string> names;
  std::vector<std::string> renamed;
  std::vector<Loss> losses;
  std::vector<Loss> fixed;

  std::string key(std::string_view ending) const { return std::string(architecture.name) + "." + std::string(ending); }
  // What config.json says under the first of `keys` that is there and is an integer, or a number.
  std::optional<std::int64_t> setting(std::initializer_list<std::string_view> keys) const;
  std::optional<double> number(std::initializer_list<std::string_view> keys) const;
  // Whether it is a model "ForSequenceClassification".
  bool classifies() const;
  // The first position that is used.
  std::uint64_t first_position() const;
  // Rows of the tensor that has this name there; empty where there is none.
  std::optional<std::uint64_t> rows_of(std::string_view name) const;
  // A file beside the weights; empty where there is none. As JSON it is in the builder's arena. Errors: those of reading and
  // parsing it.
  Result<std::optional<Bytes>> file(const std::string& name);
  Result<Value> json(const std::string& name);
};

// Every tensor under its name there. Errors: corrupt for shapes that do not fit config.json.
Status convert_tensors(Conversion& conversion);
// Errors: corrupt where config.json lacks a size that llama.cpp wants.
Status convert_parameters(Conversion& conversion);
// What the tokenizer's files say; a kind that llama.cpp lacks is a loss. Errors: files that cannot be read.
Status convert_tokenizer(Conversion& conversion);

// A Hugging Face folder of the BERT, GPT-2 and Llama families; any other model stays as it is.
Result<std::optional<Adapted>> adapt(const Model& model, const AdaptOptions& options);

}  // namespace holdall::gguf
