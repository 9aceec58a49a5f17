// A Hugging Face folder made of the input: a tokenizer, a model card, JSON files and SentencePiece pieces, cut apart at zero
// bytes. What is read must be described without a fault, and the same twice.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "holdall/codec/json.h"
#include "holdall/formats/huggingface/checks.h"
#include "holdall/formats/model_card.h"
#include "holdall/formats/tokenizer.h"

namespace {

using namespace holdall;

// The text up to the next zero byte.
std::string_view next_part(std::string_view& input) {
  const std::string_view part = input.substr(0, input.find('\0'));
  input.remove_prefix(std::min(part.size() + 1, input.size()));
  return part;
}

Value parsed(Arena& arena, std::string_view json) {
  const auto node = parse_json(arena, json);
  return node ? arena.at(*node) : Value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  std::map<std::string, Blob> files;
  for (const char* name : {"tokenizer.json", "vocab.json", "added_tokens.json"}) {
    const std::string_view part = next_part(input);
    if (!part.empty()) files.emplace(name, Blob::memory(Bytes::copy(part), name));
  }
  Arena arena;
  const Value config = parsed(arena, next_part(input));
  const Value generation = parsed(arena, next_part(input));
  const Value adapter = parsed(arena, next_part(input));
  read_model_card(arena, next_part(input));
  files.emplace("tokenizer.model", Blob::memory(Bytes::copy(input), "tokenizer.model"));
  const auto tokenizer = describe_tokenizer(files, {});
  ModelBuilder builder;
  std::vector<std::string> names = {"model.embed_tokens.weight", "model.layers.0.w", "model.layers.1.w", "base.lora_A.weight"};
  for (std::size_t i = 0; i < names.size(); ++i) {
    builder.add(*Tensor::dense(DType::kFloat32, {4, 2}, Blob::memory(Bytes::copy(std::string(32, 'x')), "w")));
  }
  const auto model = std::move(builder).named(std::move(names));
  const huggingface::Facts facts{model->tensors(), config, generation, adapter, tokenizer};
  if (huggingface::disagreements(facts) != huggingface::disagreements(facts)) std::abort();
  return 0;
}
