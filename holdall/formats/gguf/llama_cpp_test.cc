#include "holdall/formats/gguf/llama_cpp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "holdall/codec/json.h"

namespace holdall::gguf {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A folder: tensors of counting numbers, config.json, files beside.
class Folder {
 public:
  explicit Folder(std::string_view config) { builder_.config = *parse_json(*builder_.arena, config); }

  Folder& add(std::string name, const Shape& shape) {
    std::vector<float> values(static_cast<std::size_t>(*element_count(shape)));
    std::iota(values.begin(), values.end(), 0.0F);
    const auto bytes = std::as_bytes(std::span<const float>(values));
    builder_.add(*Tensor::dense(DType::kFloat32, shape, Blob::memory(Bytes::copy(bytes), name)));
    names_.push_back(std::move(name));
    return *this;
  }
  Folder& file(const std::string& name, std::string text) {
    builder_.side_files.emplace(name, Blob::memory(Bytes::adopt(std::move(text)), name));
    return *this;
  }
  Model model() { return *std::move(builder_).named(std::move(names_)); }
  Result<std::optional<Adapted>> adapted() { return adapt(model(), {}); }

 private:
  ModelBuilder builder_;
  std::vector<std::string> names_;
};

constexpr std::string_view kLlama =
    R"({"model_type":"llama","num_hidden_layers":1,"hidden_size":4,"intermediate_size":8,"num_attention_heads":1,)"
    R"("max_position_embeddings":16})";
constexpr std::string_view kGpt2 = R"({"model_type":"gpt2","n_layer":1,"n_embd":2,"n_head":1,"n_positions":4})";
constexpr std::string_view kRoberta =
    R"({"model_type":"roberta","num_hidden_layers":1,"hidden_size":2,"intermediate_size":8,"num_attention_heads":1,)"
    R"("max_position_embeddings":5,"pad_token_id":1})";

std::vector<float> numbers(const Adapted& adapted, std::string_view name) {
  const auto tensor = adapted.model.tensor(name);
  EXPECT_TRUE(tensor) << tensor.error().to_string();
  return *tensor->read<float>();
}

TEST(LlamaCpp, HalvesOfAHeadBecomeNeighbours) {
  Folder folder(kLlama);
  folder.add("model.embed_tokens.weight", {3, 4}).add("model.layers.0.self_attn.q_proj.weight", {4, 2});
  folder.add("model.layers.0.self_attn.q_proj.bias", {4});
  const auto adapted = folder.adapted();
  ASSERT_TRUE(adapted && *adapted) << adapted.error().to_string();
  EXPECT_THAT(numbers(**adapted, "blk.0.attn_q.weight"), ElementsAre(0, 1, 4, 5, 2, 3, 6, 7));
  EXPECT_THAT(numbers(**adapted, "blk.0.attn_q.bias"), ElementsAre(0, 2, 1, 3));
  EXPECT_EQ((*adapted)->model.metadata().find_int("llama.attention.head_count_kv"), 1);
}

TEST(LlamaCpp, ConvolutionsOfGpt2AreTransposed) {
  Folder folder(kGpt2);
  folder.add("wte.weight", {3, 2}).add("h.0.mlp.c_proj.weight", {2, 3}).add("h.0.attn.masked_bias", {});
  const auto adapted = folder.adapted();
  ASSERT_TRUE(adapted && *adapted) << adapted.error().to_string();
  EXPECT_THAT(numbers(**adapted, "blk.0.ffn_down.weight"), ElementsAre(0, 3, 1, 4, 2, 5));
  EXPECT_EQ((*adapted)->model.metadata().find_int("gpt2.feed_forward_length"), 8);
  EXPECT_THAT((*adapted)->model.warnings(), Contains(HasSubstr("1 tensors are left out")));
  EXPECT_THAT((*adapted)->losses, IsEmpty());
}

TEST(LlamaCpp, PositionsOfRobertaBeginBehindThePadding) {
  Folder folder(kRoberta);
  folder.add("embeddings.word_embeddings.weight", {3, 2}).add("embeddings.position_embeddings.weight", {5, 2});
  const auto adapted = folder.adapted();
  ASSERT_TRUE(adapted && *adapted) << adapted.error().to_string();
  EXPECT_THAT(numbers(**adapted, "position_embd.weight"), ElementsAre(4, 5, 6, 7, 8, 9));
  EXPECT_EQ((*adapted)->model.metadata().find_int("bert.context_length"), 3);
}

TEST(LlamaCpp, WordPiecesAreMarkedWhereTheyBegin) {
  Folder folder(kRoberta);
  folder.add("embeddings.word_embeddings.weight", {4, 2}).file("vocab.txt", "[UNK]\nwalk\n##ing\n");
  const auto adapted = folder.adapted();
  ASSERT_TRUE(adapted && *adapted) << adapted.error().to_string();
  const Value tokens = (*adapted)->model.metadata().find("tokenizer.ggml.tokens");
  ASSERT_EQ(tokens.size(), 4U);
  EXPECT_EQ(tokens.item(0).as_string(), "[UNK]");
  EXPECT_EQ(tokens.item(1).as_string(), "\xE2\x96\x81walk");
  EXPECT_EQ(tokens.item(2).as_string(), "ing");
  EXPECT_EQ((*adapted)->model.metadata().find("tokenizer.ggml.token_type").item(3).as_int(), 5);
}

TEST(LlamaCpp, OtherModelsStayAsTheyAre) {
  const auto adapted = Folder(R"({"model_type":"t5"})").add("shared.weight", {3, 2}).adapted();
  ASSERT_TRUE(adapted);
  EXPECT_FALSE(adapted->has_value());
  const auto without = Folder(kGpt2).add("other.weight", {3, 2}).adapted();
  ASSERT_TRUE(without);
  EXPECT_FALSE(without->has_value());
}

TEST(LlamaCpp, BrokenFilesAreErrorsThatNameThem) {
  const auto broken = [](const std::string& name, const std::string& text) {
    Folder folder(kGpt2);
    folder.add("wte.weight", {3, 2}).file(name, text);
    const auto adapted = folder.adapted();
    return adapted ? "" : adapted.error().to_string();
  };
  EXPECT_THAT(broken("tokenizer.json", "{"), HasSubstr("tokenizer.json"));
  EXPECT_THAT(broken("tokenizer_config.json", "[1,"), HasSubstr("tokenizer_config.json"));
  EXPECT_THAT(broken("tokenizer.json", R"({"model":{"type":"BPE","vocab":{},"merges":[["a"]]}})"), HasSubstr("merge 0"));
}

TEST(LlamaCpp, SettingsThatConfigLeavesOutAreTheClasses) {
  Folder folder(R"({"model_type":"bert","num_hidden_layers":1,"hidden_size":2,"intermediate_size":8,"num_attention_heads":1,)"
                R"("max_position_embeddings":5})");
  folder.add("embeddings.word_embeddings.weight", {5, 2}).add("embeddings.token_type_embeddings.weight", {2, 2});
  folder.file("vocab.txt", "[PAD]\na\n[UNK]\n[CLS]\n[SEP]\n").file("tokenizer_config.json", R"({"do_lower_case":true})");
  const auto adapted = folder.adapted();
  ASSERT_TRUE(adapted && *adapted);
  const Value metadata = (*adapted)->model.metadata();
  EXPECT_EQ(metadata.find_int("tokenizer.ggml.token_type_count"), 2);
  EXPECT_EQ(metadata.find_int("tokenizer.ggml.cls_token_id"), 3);
  EXPECT_EQ(metadata.find_int("tokenizer.ggml.bos_token_id"), 3);
  EXPECT_EQ(metadata.find_int("tokenizer.ggml.seperator_token_id"), 4);
}

TEST(LlamaCpp, AttentionThatIsNotScaledIsALoss) {
  Folder folder(R"({"model_type":"gpt2","n_layer":1,"n_embd":2,"n_head":1,"n_positions":4,"scale_attn_weights":false})");
  const auto adapted = folder.add("wte.weight", {3, 2}).adapted();
  ASSERT_TRUE(adapted && *adapted);
  ASSERT_FALSE((*adapted)->losses.empty());
  EXPECT_THAT((*adapted)->losses[0].what, HasSubstr("scale_attn_weights is false"));
}

TEST(LlamaCpp, AScalarHasNoHeads) {
  Folder folder(kLlama);
  folder.add("embed_tokens.weight", {3, 4}).add("layers.0.self_attn.q_proj.weight", {});
  const auto adapted = folder.adapted();
  ASSERT_FALSE(adapted);
  EXPECT_THAT(adapted.error().to_string(), HasSubstr("q_proj.weight"));
}

TEST(LlamaCpp, LongTokensTakeTimeByTheirLength) {
  Folder folder(kLlama);
  std::string spaces;
  for (int i = 0; i < 1'000'000; ++i) spaces += "\xE2\x96\x81";
  const std::string vocabulary = R"({"a":0,")" + std::string(3'000'000, 'a') + R"(":1})";
  folder.add("embed_tokens.weight", {3, 4});
  folder.file("tokenizer.json", R"({"model":{"type":"BPE","byte_fallback":true,"merges":[["a","a"]],"vocab":)" + vocabulary +
                                    R"(},"added_tokens":[{"id":2,"content":")" + spaces + R"("}]})");
  const auto adapted = folder.adapted();
  ASSERT_TRUE(adapted && *adapted);
  EXPECT_EQ((*adapted)->model.metadata().find("tokenizer.ggml.tokens").item(2).as_string(), std::string(1'000'000, ' '));
}

}  // namespace
}  // namespace holdall::gguf
