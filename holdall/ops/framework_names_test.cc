#include "holdall/ops/framework_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "holdall/ops/ops_test_models.h"

namespace holdall {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Elements count from 0 on.
Tensor counting(Shape shape) {
  std::uint64_t count = 1;
  for (const std::uint64_t size : shape) count *= size;
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  return tensor_of(DType::kFloat32, std::move(shape), values);
}

Model model_of(const std::vector<std::pair<std::string, Shape>>& entries) {
  ModelBuilder builder;
  std::vector<std::string> names;
  for (const auto& [name, shape] : entries) {
    builder.add(counting(shape));
    names.push_back(name);
  }
  return *std::move(builder).named(std::move(names));
}

Model renamed_of(const std::vector<std::pair<std::string, Shape>>& entries) {
  std::vector<std::string> renamed;
  auto model = with_pytorch_names(model_of(entries), renamed);
  EXPECT_TRUE(model) << model.error().to_string();
  return model ? std::move(*model) : Model();
}

Shape shape_of(const Model& model, std::string_view name) {
  const NamedTensor* entry = model.find(name);
  EXPECT_NE(entry, nullptr) << name;
  return entry == nullptr ? Shape() : entry->tensor.shape();
}

TEST(FrameworkNames, OfTransformersHdf5) {
  const Model model = renamed_of({
      {"bert/tf_bert_model/bert/encoder/layer_._0/attention/self/query/kernel:0", {2, 3}},
      {"bert/tf_bert_model/bert/embeddings/LayerNorm/gamma:0", {3}},
      {"bert/tf_bert_model/bert/embeddings/LayerNorm/beta:0", {3}},
      {"bert/tf_bert_model/bert/embeddings/word_embeddings/weight:0", {7, 3}},
      {"mlm/tf_bert_model/mlm___cls/predictions/bias:0", {7}},
      {"vit/tf_vi_t_model/vit/embeddings/patch_embeddings/projection/kernel:0", {5, 4, 3, 2}},
      {"transformer/tfgpt2/transformer/h_._1/attn/c_attn/weight:0", {3, 9}},
      {"transformer/tfgpt2/transformer/h_._1/attn/c_attn/bias:0", {1, 9}},
      {"shared/tft5/shared/embeddings:0", {7, 3}},
  });
  std::vector<std::string> names;
  for (const NamedTensor& entry : model.tensors()) names.push_back(entry.name);
  EXPECT_THAT(names, ElementsAre("bert.encoder.layer.0.attention.self.query.weight", "bert.embeddings.LayerNorm.weight",
                                 "bert.embeddings.LayerNorm.bias", "bert.embeddings.word_embeddings.weight",
                                 "cls.predictions.bias", "vit.embeddings.patch_embeddings.projection.weight",
                                 "transformer.h.1.attn.c_attn.weight", "transformer.h.1.attn.c_attn.bias", "shared.weight"));
  EXPECT_EQ(shape_of(model, "vit.embeddings.patch_embeddings.projection.weight"), Shape({2, 3, 5, 4}));
  EXPECT_EQ(shape_of(model, "transformer.h.1.attn.c_attn.weight"), Shape({3, 9}));
  EXPECT_EQ(shape_of(model, "transformer.h.1.attn.c_attn.bias"), Shape({9}));
  EXPECT_THAT(*model.find("bert.encoder.layer.0.attention.self.query.weight")->tensor.read<float>(),
              ElementsAre(0, 3, 1, 4, 2, 5));
}

// T5's embeddings stand in tf_model.h5 for the encoder, for the decoder, and for themselves.
TEST(FrameworkNames, OfASharedLayerAreOne) {
  const Model model =
      renamed_of({{"decoder/shared/shared/embeddings:0", {7, 3}}, {"shared/shared/shared/embeddings:0", {7, 3}}});
  EXPECT_EQ(model.tensors().size(), 1u);
  EXPECT_EQ(shape_of(model, "shared.weight"), Shape({7, 3}));
}

TEST(FrameworkNames, OfGooglesBert) {
  const Model model = renamed_of({
      {"bert/embeddings/word_embeddings", {7, 3}},
      {"bert/embeddings/word_embeddings/adam_m", {7, 3}},
      {"bert/encoder/layer_11/output/dense/kernel", {4, 3}},
      {"bert/encoder/layer_11/output/LayerNorm/gamma", {3}},
      {"bert/pooler/dense/kernel", {3, 3}},
      {"cls/predictions/output_bias", {7}},
      {"cls/seq_relationship/output_weights", {2, 3}},
      {"cls/squad/output_bias", {2}},
      {"global_step", {}},
  });
  EXPECT_EQ(shape_of(model, "bert.embeddings.word_embeddings.weight"), Shape({7, 3}));
  EXPECT_EQ(shape_of(model, "bert.encoder.layer.11.output.dense.weight"), Shape({3, 4}));
  EXPECT_EQ(shape_of(model, "bert.encoder.layer.11.output.LayerNorm.weight"), Shape({3}));
  EXPECT_EQ(shape_of(model, "cls.seq_relationship.weight"), Shape({2, 3}));
  EXPECT_EQ(shape_of(model, "qa_outputs.bias"), Shape({2}));
  EXPECT_EQ(model.tensors().size(), 7u);
  EXPECT_THAT(model.warnings(), ElementsAre(HasSubstr("2 tensors of the optimizer are left out")));
}

TEST(FrameworkNames, OfOpenAisGpt2) {
  const Model model = renamed_of({{"model/wte", {7, 4}},
                                  {"model/wpe", {5, 4}},
                                  {"model/h10/attn/c_attn/w", {1, 4, 12}},
                                  {"model/h10/ln_1/g", {4}},
                                  {"model/ln_f/b", {4}}});
  EXPECT_EQ(shape_of(model, "wte.weight"), Shape({7, 4}));
  EXPECT_EQ(shape_of(model, "h.10.attn.c_attn.weight"), Shape({4, 12}));
  EXPECT_EQ(shape_of(model, "h.10.ln_1.weight"), Shape({4}));
  EXPECT_EQ(shape_of(model, "ln_f.bias"), Shape({4}));
}

TEST(FrameworkNames, OfWhatNobodyKnowsAreRefusedByName) {
  std::vector<std::string> renamed;
  EXPECT_EQ(with_pytorch_names(model_of({{"w", {1}}}), renamed).error().code(), Code::kUnsupported);
  const auto strange = with_pytorch_names(model_of({{"model/wte", {1}}, {"model/wpe", {1}}, {"model/h0/odd", {1}}}), renamed);
  EXPECT_THAT(strange.error().to_string(), HasSubstr("model/h0/odd"));
  const auto twice = with_pytorch_names(model_of({{"a/m/x/kernel:0", {1, 1}}, {"a/m/x/embeddings:0", {1, 2}}}), renamed);
  EXPECT_EQ(twice.error().code(), Code::kInvalidArgument);
}

TEST(FrameworkNames, FlaxToPyTorchAndBack) {
  const std::vector<std::pair<std::string, Shape>> entries = {
      {"params.encoder.layer.0.dense.kernel", {2, 3}},
      {"params.encoder.layer.0.norm.scale", {3}},
      {"params.encoder.layer.0.norm.bias", {3}},
      {"batch_stats.encoder.layer.0.norm.mean", {3}},
      {"batch_stats.encoder.layer.0.norm.var", {3}},
      {"params.stem.convolution.kernel", {5, 4, 3, 2}},
      {"params.embeddings.word_embeddings.embedding", {7, 3}},
  };
  const Model flax = model_of(entries);
  const Model torch = renamed_of(entries);
  EXPECT_EQ(shape_of(torch, "encoder.layer.0.dense.weight"), (Shape{3, 2}));
  EXPECT_EQ(shape_of(torch, "stem.convolution.weight"), (Shape{2, 3, 5, 4}));
  EXPECT_EQ(shape_of(torch, "encoder.layer.0.norm.running_var"), (Shape{3}));
  std::vector<std::string> renamed;
  const auto back = with_flax_names(torch, renamed);
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_EQ(names_of(*back), names_of(flax));
  for (const NamedTensor& entry : flax.tensors()) {
    EXPECT_EQ(back->find(entry.name)->tensor.digest().value(), entry.tensor.digest().value()) << entry.name;
  }
}

}  // namespace
}  // namespace holdall
