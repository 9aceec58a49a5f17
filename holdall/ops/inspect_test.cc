#include "holdall/ops/inspect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "holdall/ops/convert.h"
#include "holdall/ops/digest.h"
#include "holdall/ops/ops_test_models.h"

namespace holdall {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Statistics, CountWhatTrainingGoesWrongWith) {
  const float nan = std::nanf("");
  const float inf = std::numeric_limits<float>::infinity();
  const Model model = flat_model({{"w", floats({-1, 0, 3, nan, inf, -inf, 0, 2})}});
  const Statistics statistics = *measure_tensors(model.tensors())->front();
  EXPECT_EQ(statistics.elements, 8u);
  EXPECT_DOUBLE_EQ(statistics.min, -1);
  EXPECT_DOUBLE_EQ(statistics.max, 3);
  EXPECT_DOUBLE_EQ(statistics.mean, 0.8);
  EXPECT_EQ(statistics.zeros, 2u);
  EXPECT_EQ(statistics.nan, 1u);
  EXPECT_EQ(statistics.inf, 2u);
  EXPECT_DOUBLE_EQ(statistics.deviation, std::sqrt(2.16));
  std::array<std::uint64_t, 32> bins = {};
  bins[0] = 1, bins[8] = 2, bins[24] = 1, bins[31] = 1;
  EXPECT_EQ(statistics.histogram, bins);
}

TEST(Statistics, TheLargestNumbersHaveADeviation) {
  const double most = std::numeric_limits<double>::max();
  const Model model = flat_model({{"w", tensor_of<double>(DType::kFloat64, {2}, {-most, most})}});
  EXPECT_DOUBLE_EQ(measure_tensors(model.tensors())->front()->deviation, most);
}

TEST(Statistics, NothingButNansHasNoMean) {
  const Model model = flat_model({{"w", floats({std::nanf("")})}, {"e", floats({})}});
  const auto all = *measure_tensors(model.tensors());
  EXPECT_TRUE(std::isnan(all[0]->mean));
  EXPECT_EQ(all[1]->elements, 0u);
}

TEST(Digest, IsThatOfTheDenseBytesWhateverTheView) {
  const StorageRef storage = std::make_shared<Storage>(Storage{floats({1, 2, 3, 4, 5, 6}).storage()->data});
  const Tensor transposed = *Tensor::view(DType::kFloat32, {3, 2}, storage, {.strides = {1, 3}});
  const Model views = flat_model({{"t", transposed}});
  const Model dense = flat_model({{"t", tensor_of<float>(DType::kFloat32, {3, 2}, {1, 4, 2, 5, 3, 6})}});
  EXPECT_EQ(digest_tensors(views.tensors())->front(), digest_tensors(dense.tensors())->front());
}

TEST(Inspect, TheDocumentHasWhatTheContractSays) {
  const Scratch scratch;
  ASSERT_TRUE(save_model(checkpoint_model(), scratch / "model.safetensors"));
  InspectOptions options;
  options.digests = InspectOptions::Read::kBytes;
  options.statistics = InspectOptions::Read::kBytes;
  const Result<Inspection> inspection = inspect(scratch / "model.safetensors", options);
  ASSERT_TRUE(inspection) << inspection.error().to_string();
  EXPECT_EQ(inspection->label.precision, "float32");
  JsonWriter writer;
  ASSERT_TRUE(write_inspection(writer, *inspection));
  Arena arena;
  const Result<NodeId> parsed = parse_json(arena, writer.text());
  ASSERT_TRUE(parsed) << writer.text();
  const Value document = arena.at(*parsed);
  EXPECT_EQ(document.find_string("format"), "safetensors");
  EXPECT_EQ(document.find_int("parameters"), 6);
  EXPECT_EQ(document.find_string("verdict"), "inert");
  EXPECT_EQ(document.find("tree").find_int("epoch"), 3);
  const Value tensors = document.find("tensors");
  ASSERT_EQ(tensors.size(), 3u);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(tensors.item(i).find_string("dtype"), "float32");
    EXPECT_TRUE(tensors.item(i).find_int("offset"));
    EXPECT_EQ(tensors.item(i).find_string("sha256")->size(), 64u);
  }
}

TEST(Inspect, GlobsChooseTensorsAndOffsetsPointAtTheirBytes) {
  const Scratch scratch;
  const std::string path = scratch / "model.safetensors";
  ASSERT_TRUE(save_model(checkpoint_model(), path));
  InspectOptions options;
  options.tensors = {"*.bias"};
  const Result<Inspection> inspection = inspect(path, options);
  ASSERT_TRUE(inspection);
  ASSERT_EQ(inspection->tensors.size(), 1u);
  std::ifstream file(path, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(*offset_in_file(inspection->model.tensors()[inspection->tensors[0].entry].tensor)));
  float value = 0;
  file.read(reinterpret_cast<char*>(&value), sizeof(value));
  EXPECT_EQ(value, 4.0F);
}

Model labelled() {
  ModelBuilder builder;
  Arena& arena = *builder.arena;
  builder.add(floats({1, 2, 3}));
  builder.add(tensor_of<std::uint16_t>(DType::kFloat16, {1}, {0}));
  const std::string config =
      R"({"model_type":"bert","architectures":["BertModel"],"transformers_version":"4.30.0","_name_or_path":"there"})";
  builder.config = *parse_json(arena, config);
  const auto side = [&](const std::string& name, std::string_view text) {
    builder.side_files[name] = Blob::memory(Bytes::copy(text), name);
  };
  side("README.md", "---\nlanguage: en\nlicense: apache-2.0\nbase_model:\n- google/bert\n---\n# Card\nlicense: none\n");
  side(
      "tokenizer.json",
      R"({"version":"1.0","added_tokens":[{"id":5,"content":"x"}],"model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":[["a","b"]]}})");
  return *std::move(builder).named({"a", "b"});
}

TEST(Label, SaysWhatConfigCardAndTensorsSay) {
  const Label label = label_of(labelled());
  EXPECT_EQ(label.family, "bert");
  EXPECT_EQ(label.task, "BertModel");
  EXPECT_EQ(label.base, "google/bert");
  EXPECT_EQ(label.precision, "mostly float32, some float16");
  EXPECT_EQ(label.producer, "transformers 4.30.0");
  EXPECT_EQ(label.licence, "apache-2.0");
}

TEST(Label, ATokenizerCountsItsAddedTokens) {
  const std::optional<Tokenizer> tokenizer = tokenizer_of(labelled());
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->kind, "BPE");
  EXPECT_EQ(tokenizer->vocabulary, 6u);
  EXPECT_THAT(tokenizer->files, ElementsAre("tokenizer.json"));
}

}  // namespace
}  // namespace holdall
