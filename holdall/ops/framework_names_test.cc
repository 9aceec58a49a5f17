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

TEST(FrameworkNames, PyTorchToTensorFlow) {
  std::vector<std::string> renamed;
  const auto model = with_tensorflow_names(model_of({
                                               {"bert.embeddings.position_ids", {1, 5}},
                                               {"bert.embeddings.position_embeddings.weight", {5, 3}},
                                               {"bert.encoder.layer.0.output.dense.weight", {3, 2}},
                                               {"bert.encoder.layer.0.output.dense.bias", {3}},
                                               {"bert.encoder.layer.0.output.LayerNorm.bias", {3}},
                                               {"cls.predictions.bias", {7}},
                                               {"cls.predictions.decoder.bias", {7}},
                                               {"cls.predictions.transform.LayerNorm.weight", {3}},
                                               {"cls.seq_relationship.weight", {2, 3}},
                                           }),
                                           renamed);
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_THAT(names_of(*model), ElementsAre("bert/tf_model/bert/embeddings/position_embeddings/weight:0",
                                            "bert/tf_model/bert/encoder/layer_._0/output/dense/kernel:0",
                                            "bert/tf_model/bert/encoder/layer_._0/output/dense/bias:0",
                                            "bert/tf_model/bert/encoder/layer_._0/output/LayerNorm/beta:0",
                                            "mlm___cls/tf_model/mlm___cls/predictions/bias:0",
                                            "mlm___cls/tf_model/mlm___cls/predictions/transform/LayerNorm/gamma:0",
                                            "nsp___cls/tf_model/nsp___cls/seq_relationship/kernel:0"));
  EXPECT_THAT(*model->find("bert/tf_model/bert/encoder/layer_._0/output/dense/kernel:0")->tensor.read<float>(),
              ElementsAre(0, 2, 4, 1, 3, 5));
  EXPECT_THAT(model->warnings(), ElementsAre(HasSubstr("1 tensors are left out: TensorFlow computes them")));
  EXPECT_EQ(model->origin().framework, "tf");
}

// GPT-2's Conv1D keeps [in, out] and has biases of one row; the head is the table, or TensorFlow's class has none.
TEST(FrameworkNames, OfGpt2ToTensorFlowKeepItsMatrices) {
  const std::vector<std::pair<std::string, Shape>> base = {
      {"wte.weight", {7, 4}}, {"h.10.attn.c_attn.weight", {4, 12}}, {"h.10.attn.c_attn.bias", {12}}};
  std::vector<std::string> renamed;
  const auto model = with_tensorflow_names(model_of(base), renamed);
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_EQ(shape_of(*model, "transformer/tf_model/transformer/wte/weight:0"), Shape({7, 4}));
  EXPECT_EQ(shape_of(*model, "transformer/tf_model/transformer/h_._10/attn/c_attn/weight:0"), Shape({4, 12}));
  EXPECT_EQ(shape_of(*model, "transformer/tf_model/transformer/h_._10/attn/c_attn/bias:0"), Shape({1, 12}));
  const auto tied = with_tensorflow_names(model_of({{"transformer.wte.weight", {7, 4}}, {"lm_head.weight", {7, 4}}}), renamed);
  ASSERT_TRUE(tied) << tied.error().to_string();
  EXPECT_EQ(tied->tensors().size(), 1u);
  const auto other = with_tensorflow_names(model_of({{"transformer.wte.weight", {7, 4}}, {"lm_head.weight", {8, 4}}}), renamed);
  EXPECT_THAT(other.error().to_string(), HasSubstr("'lm_head.weight' and a tensor before it would both be called"));
}

// As pytorch_model.bin has it: two tensors of one storage. The TensorFlow class of a T5 that ties them has no layer for the
// head.
TEST(FrameworkNames, TiedByTheirStorageHaveOneName) {
  ModelBuilder builder;
  const Tensor table = counting({7, 4});
  builder.add(table);
  builder.add(counting({4, 4}));
  builder.add(table);
  const Model t5 =
      *std::move(builder).named({"shared.weight", "encoder.block.0.layer.0.SelfAttention.q.weight", "lm_head.weight"});
  std::vector<std::string> renamed;
  const auto model = with_tensorflow_names(t5, renamed);
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_THAT(names_of(*model), ElementsAre("shared/tf_model/shared/weight:0",
                                            "encoder/tf_model/encoder/block_._0/layer_._0/SelfAttention/q/kernel:0"));
}

TEST(FrameworkNames, OfABaseModelAloneAreWhoseTheConfigSays) {
  ModelBuilder builder;
  builder.add(counting({7, 3}));
  builder.config = builder.arena->dict();
  builder.arena->set_item(builder.config, "model_type", builder.arena->string("roberta"));
  builder.arena->set_item(builder.config, "architectures", builder.arena->list({builder.arena->string("RobertaModel")}));
  const Model roberta = *std::move(builder).named({"embeddings.word_embeddings.weight"});
  std::vector<std::string> renamed;
  const auto model = with_tensorflow_names(roberta, renamed);
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_THAT(names_of(*model), ElementsAre("roberta/tf_roberta_model/roberta/embeddings/word_embeddings/weight:0"));
  const auto unclear = with_tensorflow_names(model_of({{"embeddings.word_embeddings.weight", {7, 3}}}), renamed);
  EXPECT_EQ(unclear.error().code(), Code::kUnsupported);
  EXPECT_THAT(unclear.error().to_string(), HasSubstr("config.json"));
}

// Safetensors would otherwise say that these are PyTorch's.
TEST(FrameworkNames, OfAnotherFrameworkTakeTheWordAboutTheOneBefore) {
  ModelBuilder builder;
  builder.add(counting({3, 2}));
  builder.metadata = builder.arena->dict();
  builder.arena->set_item(builder.metadata, "format", builder.arena->string("pt"));
  builder.arena->set_item(builder.metadata, "licence", builder.arena->string("mit"));
  const Model torch = *std::move(builder).named({"dense.weight"});
  std::vector<std::string> renamed;
  const auto flax = with_flax_names(torch, renamed);
  ASSERT_TRUE(flax) << flax.error().to_string();
  EXPECT_FALSE(flax->metadata().find("format"));
  EXPECT_EQ(flax->metadata().find_string("licence"), "mit");
}

}  // namespace
}  // namespace holdall
