// A Hugging Face folder made of the input: its JSON files, lists and SentencePiece pieces, cut apart at zero bytes. Whatever
// they say, what becomes of the folder is a model that GGUF can hold, the same twice.
#include "holdall/formats/gguf/llama_cpp.h"

#include <array>

#include "holdall/codec/json.h"
#include "holdall/formats/gguf/gguf.h"
#include "tests/fuzz/formats.h"

namespace {

using namespace holdall;

struct Named {
  const char* name;
  Shape shape;
};

// The text up to the next zero byte.
std::string_view next_part(std::string_view& input) {
  const std::string_view part = input.substr(0, input.find('\0'));
  input.remove_prefix(std::min(part.size() + 1, input.size()));
  return part;
}

Model folder_of(std::string_view input) {
  static const std::array kTensors = {Named{"embed_tokens.weight", {9, 4}},
                                      Named{"bert.embeddings.word_embeddings.weight", {9, 4}},
                                      Named{"transformer.wte.weight", {9, 4}},
                                      Named{"model.layers.0.self_attn.q_proj.weight", {4, 4}},
                                      Named{"layers.0.self_attn.k_proj.weight", {4, 4}},
                                      Named{"h.0.attn.c_attn.weight", {4, 12}},
                                      Named{"h.0.attn.c_attn.bias", {12}},
                                      Named{"embeddings.position_embeddings.weight", {4, 4}},
                                      Named{"pooler.dense.weight", {4, 4}},
                                      Named{"classifier.weight", {2, 4}},
                                      Named{"lm_head.weight", {9, 4}}};
  ModelBuilder builder;
  std::vector<std::string> names;
  for (const Named& tensor : kTensors) {
    const auto count = element_count(tensor.shape);
    builder.add(*Tensor::dense(DType::kFloat16, tensor.shape,
                               Blob::memory(Bytes::copy(std::string(static_cast<std::size_t>(2 * *count), 'x')), tensor.name)));
    names.emplace_back(tensor.name);
  }
  JsonOptions json;
  json.depth = 100;
  const auto config = parse_json(*builder.arena, next_part(input), json);
  if (config) builder.config = *config;
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
                           "vocab.json", "merges.txt", "vocab.txt", "modules.json", "1_Pooling/config.json",
                           "generation_config.json", "chat_template.json", "chat_template.jinja", "README.md"}) {
    const std::string_view part = next_part(input);
    if (!part.empty()) builder.side_files.emplace(name, Blob::memory(Bytes::copy(part), name));
  }
  if (!input.empty()) builder.side_files.emplace("tokenizer.model", Blob::memory(Bytes::copy(input), "tokenizer.model"));
  return *std::move(builder).named(std::move(names));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Model model = folder_of({reinterpret_cast<const char*>(data), size});
  AdaptOptions options;
  options.limits = fuzz::small().limits;
  const auto adapted = gguf::adapt(model, options);
  const auto again = gguf::adapt(model, options);
  fuzz::require(adapted.has_value() == again.has_value());
  if (!adapted || !*adapted) return 0;
  fuzz::require((*adapted)->losses.size() == (*again)->losses.size() && (*adapted)->renamed == (*again)->renamed);
  const auto plan = gguf::plan((*adapted)->model, {});
  fuzz::require(plan.has_value());
  for (const NamedTensor& entry : (*adapted)->model.tensors()) {
    const auto bytes = entry.tensor.read_bytes();
    fuzz::require(bytes && bytes->size() == entry.tensor.bytes());
  }
  return 0;
}
