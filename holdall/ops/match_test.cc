#include "holdall/ops/match.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "holdall/core/cast.h"
#include "holdall/ops/match_names.h"
#include "holdall/ops/ops_test_models.h"

namespace holdall {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using By = MatchedPair::By;

Tensor noise(const Shape& shape, unsigned seed, float around = 0) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(around, 1);
  std::vector<float> values(*element_count(shape));
  for (float& value : values) value = normal(random);
  return tensor_of(DType::kFloat32, shape, values);
}

Tensor filled(std::uint64_t size, float value) { return floats(std::vector<float>(size, value)); }
Tensor turned(const Tensor& tensor, const char* steps) { return *arranged(tensor, *parse_arrangement(steps)); }

// "by a=b steps" a pair.
std::vector<std::string> told(const MatchReport& report) {
  std::vector<std::string> lines;
  for (const MatchedPair& pair : report.pairs) {
    const std::string steps = to_string(pair.arrangement);
    lines.push_back(std::string(name(pair.by)) + " " + pair.a + "=" + pair.b + (steps.empty() ? "" : " " + steps));
  }
  return lines;
}

MatchReport matched(const Model& a, const Model& b) {
  auto report = match_models(a, b);
  EXPECT_TRUE(report) << report.error().to_string();
  return *report;
}

TEST(Match, EqualBytesAndTransposedMatricesAreFoundWhateverTheirNames) {
  const Tensor square = noise({32, 32}, 1), wide = noise({8, 24}, 2), image = noise({3, 3, 4, 8}, 3), vector = noise({40}, 4);
  const Model a = flat_model({{"p", square}, {"q", wide}, {"r", image}, {"s", vector}});
  const Model b = flat_model({{"1", turned(image, "axes=3,2,0,1")},
                              {"2", vector},
                              {"3", turned(square, "axes=1,0")},
                              {"4", turned(wide, "shape=8,4,6 axes=1,2,0")}});
  const MatchReport report = matched(a, b);
  EXPECT_THAT(told(report),
              ElementsAre("values p=3 axes=1,0", "values q=4 shape=8,4,6 axes=1,2,0", "values r=1 axes=3,2,0,1", "digest s=2"));
  EXPECT_TRUE(report.complete());
}

TEST(Match, CastsAndFurtherTrainingAreClose) {
  std::vector<std::pair<std::string, Tensor>> a, b;
  for (unsigned i = 0; i < 20; ++i) {
    const Tensor tensor = noise({16, 16}, i, 5);
    a.emplace_back("a" + std::to_string(i), tensor);
    b.emplace_back("b" + std::to_string(19 - i), *cast(turned(tensor, "axes=1,0"), DType::kFloat8E4M3FN));
  }
  const MatchReport report = matched(flat_model(a), flat_model(b));
  ASSERT_EQ(report.pairs.size(), 20u);
  for (unsigned i = 0; i < 20; ++i) {
    EXPECT_EQ(report.pairs[i].b, "b" + std::to_string(19 - i));
    EXPECT_EQ(report.pairs[i].by, By::kClose);
    EXPECT_EQ(to_string(report.pairs[i].arrangement), "axes=1,0");
    EXPECT_GT(report.pairs[i].cosine.value(), 0.99);
    EXPECT_GT(report.pairs[i].max_abs.value(), 0);
  }
}

TEST(Match, OfTensorsWithTheSameValuesTheNamesTellWhich) {
  std::vector<std::pair<std::string, Tensor>> a, b;
  for (const char* layer : {"0", "1", "2"}) {
    for (const char* part : {"query", "key"}) {
      a.emplace_back(std::string("bert.encoder.layer.") + layer + "." + part + ".bias", filled(24, 0));
      b.emplace_back(std::string("model/bert/encoder/layer_._") + layer + "/" + part + "/bias:0", filled(24, 0));
    }
    a.emplace_back(std::string("bert.encoder.layer.") + layer + ".LayerNorm.weight", filled(24, 1));
    b.emplace_back(std::string("model/bert/encoder/layer_._") + layer + "/LayerNorm/gamma:0", filled(24, 1));
  }
  std::reverse(b.begin(), b.end());
  const MatchReport report = matched(flat_model(a), flat_model(b));
  ASSERT_EQ(report.pairs.size(), 9u);
  for (std::size_t i = 0; i < 9; ++i) {
    EXPECT_EQ(report.pairs[i].b, b[8 - i].first);
    EXPECT_EQ(report.pairs[i].by, By::kDigest);
    EXPECT_TRUE(report.pairs[i].by_name_among_equals);
  }
}

TEST(Match, NamesPairWhatWasTrainedAnewAndTakeTheUsualTranspose) {
  const Tensor query = noise({16, 16}, 1), up = noise({16, 64}, 2);
  const Model a =
      flat_model({{"layer.0.query.kernel", query}, {"layer.0.up.kernel", up}, {"layer.1.query.kernel", noise({16, 16}, 3)}});
  const Model b = flat_model({{"layers.0.query.weight", turned(query, "axes=1,0")},
                              {"layers.0.up.weight", turned(up, "axes=1,0")},
                              {"layers.1.query.weight", noise({16, 16}, 4)}});
  const MatchReport report = matched(a, b);
  EXPECT_THAT(told(report), ElementsAre("values layer.0.query.kernel=layers.0.query.weight axes=1,0",
                                        "values layer.0.up.kernel=layers.0.up.weight axes=1,0",
                                        "name layer.1.query.kernel=layers.1.query.weight axes=1,0"));
}

TEST(Match, WhatHasNoPartnerIsToldAndNeverGuessed) {
  const Model a = flat_model({{"encoder.weight", noise({16, 16}, 1)}, {"flags", filled(3, 1)}});
  const Model b = flat_model({{"decoder.table", noise({16, 16}, 2)}, {"other", filled(5, 1)}});
  const MatchReport report = matched(a, b);
  EXPECT_THAT(report.pairs, IsEmpty());
  EXPECT_THAT(report.only_a, ElementsAre("encoder.weight", "flags"));
  EXPECT_THAT(report.only_b, ElementsAre("decoder.table", "other"));
}

TEST(Match, TheMapMakesTheOtherModel) {
  const Tensor wide = noise({8, 24}, 2), vector = noise({40}, 4);
  const Model a = flat_model({{"p/kernel:0", wide}, {"p/bias:0", vector}, {"p/step:0", floats({3})}});
  const Model b = flat_model({{"p.weight", turned(wide, "axes=1,0")}, {"p.bias", vector}});
  const auto lines = names_of(matched(a, b));
  ASSERT_TRUE(lines);
  std::vector<std::string> renamed;
  const auto made = with_names(a, *parse_names(*lines), renamed);
  ASSERT_TRUE(made) << made.error().to_string();
  EXPECT_THAT(names_of(*made), ElementsAre("p.weight", "p.bias"));
  EXPECT_EQ(made->tensors()[0].tensor.digest().value(), b.tensors()[0].tensor.digest().value());
}

// An exporter writes the table of a tied head a second time, transposed: both get A's values.
TEST(Match, ATiedTableIsBothTablesOfTheOther) {
  const Tensor table = noise({40, 16}, 1), other = noise({40, 16}, 2);
  const Model a = flat_model({{"wte", table}, {"wpe", other}, {"norm", filled(16, 1)}});
  const Model b = flat_model({{"m.wte", table},
                              {"m.wpe", other},
                              {"m.norm", filled(16, 1)},
                              {"val_1", turned(table, "axes=1,0")},
                              {"val_2", turned(table, "axes=1,0")},
                              {"ones", filled(16, 1)}});
  const MatchReport report = matched(a, b);
  EXPECT_THAT(told(report), ElementsAre("digest wte=m.wte", "values wte=val_1 axes=1,0", "values wte=val_2 axes=1,0",
                                        "digest wpe=m.wpe", "digest norm=m.norm"));
  EXPECT_THAT(report.only_b, ElementsAre("ones"));
  const auto lines = names_of(report);
  ASSERT_TRUE(lines);
  std::vector<std::string> renamed;
  const auto made = with_names(a, *parse_names(*lines), renamed);
  ASSERT_TRUE(made) << made.error().to_string();
  EXPECT_THAT(names_of(*made), ElementsAre("m.wte", "m.wpe", "m.norm", "val_1", "val_2"));
  EXPECT_EQ(made->find("val_2")->tensor.digest().value(), b.find("val_2")->tensor.digest().value());
}

TEST(MatchNames, WordsOfAllFrameworksAreTheSame) {
  const std::vector<std::string> words = {"bert", "encoder", "layer", "0", "attention", "self", "query", "weight"};
  for (const char* spelled :
       {"bert.encoder.layer.0.attention.self.query.weight", "bert/encoder/layer_0/attention/self/query/kernel",
        "bert/encoder/layer_._0/attention/self/query/kernel:0", "bert.encoder.layer.0.attention.self.query.kernel"}) {
    EXPECT_EQ(name_words(spelled), words) << spelled;
  }
  EXPECT_THAT(name_words("bn/moving_variance:0"), ElementsAre("bn", "var"));
  EXPECT_THAT(name_words("bn.running_var"), ElementsAre("bn", "var"));
  EXPECT_THAT(name_words("LayerNorm.gamma"), ElementsAre("layer", "norm", "weight"));
}

}  // namespace
}  // namespace holdall
