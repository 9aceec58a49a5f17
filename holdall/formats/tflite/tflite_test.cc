#include "holdall/formats/tflite/tflite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "holdall/core/quantize.h"
#include "holdall/formats/format_test_files.h"
#include "holdall/formats/tflite/scales.h"
#include "holdall/io/execute.h"

namespace holdall {

extern const Format k_tflite_format;

namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kData = HOLDALL_SOURCE_DIR "/holdall/formats/tflite/testdata/";

Bundle bundle_of(const std::string& bytes) { return Bundle::of(memory_source(Bytes::copy(bytes), "model.tflite")); }

Result<Model> open(const std::string& name) {
  HOLDALL_ASSIGN(const Bundle bundle, Bundle::open(kData + name, Limits()));
  HOLDALL_ASSIGN(const Format* format, detect(bundle, {}));
  EXPECT_EQ(format->id, "tflite");
  return format->read(bundle, Context());
}

std::vector<std::string> faults_of(const std::string& bytes) {
  Faults faults;
  const Status read = k_tflite_format.verify(bundle_of(bytes), Context(), faults);
  std::vector<std::string> all;
  if (!read) all.push_back(read.error().to_string());
  for (const Fault& each : faults.list) all.push_back(each.what);
  return all;
}

Findings acts(const std::string& name) {
  Findings findings;
  const Status judged = k_tflite_format.acts(bundle_of(slurp(kData + name)), {}, findings);
  EXPECT_TRUE(judged) << judged.error().to_string();
  return findings;
}

std::vector<std::string> names_of(const Model& model) {
  std::vector<std::string> names;
  for (const NamedTensor& each : model.tensors()) names.push_back(each.name);
  return names;
}

template <class T>
std::vector<T> numbers(const Model& model, std::string_view name) {
  return model.tensor(name).value().read<T>().value();
}

Tensor floats(Shape shape, const std::vector<float>& values) {
  return *Tensor::dense(DType::kFloat32, std::move(shape), Blob::memory(Bytes::copy(std::as_bytes(std::span(values))), "new"));
}

// The model with another tensor under a name.
Model with(const Model& model, const std::string& name, const Tensor& tensor) {
  ModelBuilder builder(model.arena().clone());
  builder.tree = model.tree().id();
  builder.metadata = model.metadata().id();
  builder.side_files = model.side_files();
  builder.origin = model.origin();
  std::vector<NamedTensor> tensors = model.tensors();
  for (NamedTensor& each : tensors)
    if (each.name == name) each.tensor = tensor;
  return *std::move(builder).with_named(std::move(tensors));
}

std::string written(const Plan& plan) {
  std::string out;
  for (const Part& part : plan.files.at(0).parts)
    if (const auto* data = std::get_if<Part::Data>(&part.content)) out += data->blob.read().value().text();
  return out;
}

TEST(Tflite, EveryConstantIsAsTheInterpreterHasIt) {
  std::map<std::string, std::size_t> counts;
  for (const auto& row : rows_of(kData + "digests.tsv")) {
    ASSERT_EQ(row.size(), 6u);
    const auto model = open(row[0]);
    ASSERT_TRUE(model) << model.error().to_string();
    const auto tensor = model->tensor(row[1]);
    ASSERT_TRUE(tensor) << row[0] << " " << tensor.error().to_string();
    EXPECT_EQ(name(tensor->dtype()), row[2]) << row[1];
    EXPECT_EQ(shape_text(tensor->shape()), row[3]) << row[1];
    EXPECT_EQ(digest_of(*tensor), row[4]) << row[1];
    ASSERT_EQ(tensor->quantization() != nullptr, row[5] != "-") << row[1];
    if (row[5] != "-") {
      EXPECT_EQ(digest_of(*dequantize(*tensor)), row[5]) << row[0] << " " << row[1];
    }
    ++counts[row[0]];
  }
  for (const auto& [file, count] : counts) EXPECT_EQ(open(file)->tensors().size(), count) << file;
}

TEST(Tflite, EveryTypeIsReadAndNamesAreKeptOrNumbered) {
  const auto model = open("types.tflite");
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_THAT(names_of(*model),
              ElementsAre("FLOAT32", "FLOAT16", "FLOAT64", "COMPLEX128", "UINT64", "UINT32", "UINT16", "INT4", "BFLOAT16",
                          "INT2", "INT32", "UINT4", "FLOAT8_E4M3FN", "FLOAT8_E5M2", "UINT8", "INT64", "STRING", "BOOL", "INT16",
                          "COMPLEX64", "INT8", "odd", "scalar", "scalar@2", "tensor_29", "first", "second"));
  for (const NamedTensor& each : model->tensors()) EXPECT_TRUE(each.tensor.digest()) << each.name;
  EXPECT_EQ(model->find("INT2")->tensor.dtype(), DType::kInt2);
  EXPECT_EQ(model->find("INT2")->tensor.bytes(), 3u);
  const std::string texts = std::string(model->tensor("STRING")->read_bytes()->text());
  EXPECT_EQ(texts, std::string("\3\0\0\0\0\0\0\0one\0\0\0\0\0\0\0\0\6\0\0\0\0\0\0\0zw\xc3\xb6lf\2\0\0\0\0\0\0\0\0\xff", 43));
  EXPECT_EQ(model->find("odd")->tensor.dtype(), DType::kInt8) << "half a byte is left over";
  EXPECT_THAT(numbers<std::int8_t>(*model, "odd"), ElementsAre(1, 2, 3, -1, -8));
  EXPECT_TRUE(model->find("scalar")->tensor.shape().empty());
  EXPECT_EQ(model->find("first")->tensor.storage(), model->find("second")->tensor.storage());
  const Value main = model->metadata().find("subgraphs").item(0);
  EXPECT_EQ(main.find("operators").find_int("ADD"), 1);
  EXPECT_TRUE(main.find("variables").find("variable"));
}

TEST(Tflite, SparseTensorsAreMadeDense) {
  const auto model = open("sparse.tflite");
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_THAT(numbers<float>(*model, "csr"), ElementsAre(1.5F, 0, 0, -2, 0, 0, 0, 0, 0, 3, 0, 0));
  EXPECT_THAT(numbers<std::int8_t>(*model, "columns"), ElementsAre(0, 0, -8, 0, 0, 0, 9, 0, 7, 0, 0, 0));
  EXPECT_THAT(numbers<float>(*model, "blocks"), ElementsAre(0, 0, 1, 2, 0, 0, 3, 4, 5, 6, 0, 0, 7, 8, 0, 0));
  Context context;
  context.limits.expansion = 1;
  context.limits.expansion_floor = 4;
  const auto refused = k_tflite_format.read(bundle_of(slurp(kData + "sparse.tflite")), context);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kLimit) << refused.error().to_string();
}

TEST(Tflite, BlocksOfInt4HaveTheirScalesFromAnotherTensor) {
  const auto model = open("blockwise.tflite");
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_THAT(model->warnings(), IsEmpty());
  const Tensor weights = *model->tensor("w");
  EXPECT_EQ(weights.dtype(), DType::kInt4);
  ASSERT_NE(weights.quantization(), nullptr);
  EXPECT_EQ(weights.quantization()->blocks, (Shape{1, 32}));
  EXPECT_EQ(model->metadata().find("tensors").find("w").find("quantization").find_int("block_size"), 32);
}

TEST(Tflite, SubgraphsPutTheirNamesBeforeThoseOfTheirTensorsAndShareBuffers) {
  const auto model = open("signatures.tflite");
  ASSERT_TRUE(model) << model.error().to_string();
  const Value signatures = model->metadata().find("signatures");
  ASSERT_EQ(signatures.size(), 2u);
  EXPECT_EQ(signatures.find("scores").find("inputs").find("x").find_string("type"), "FLOAT32");
  EXPECT_EQ(model->metadata().find("subgraphs").size(), 2u);
  std::size_t shared = 0;
  for (std::size_t i = 0; i < model->tensors().size(); ++i) shared += model->shares_with(i) != nullptr ? 1 : 0;
  EXPECT_EQ(shared, 2u) << "the convolution's weights and bias are in both";
}

TEST(Tflite, MetadataAndAssociatedFilesAreTold) {
  const auto model = open("labelled.tflite");
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_EQ(model->side_files().at("labels.txt").read()->text(), "cat\ndog\n");
  const Value about = model->metadata().find("about");
  EXPECT_EQ(about.find_string("name"), "adder");
  EXPECT_EQ(about.find_string("license"), "Apache-2.0");
  const Value label = about.find("subgraphs").item(0).find("outputs").item(0).find("associated_files").item(0);
  EXPECT_EQ(label.find_string("name"), "labels.txt");
  EXPECT_EQ(label.find_string("kind"), "tensor_axis_labels");
  const Value image = about.find("subgraphs").item(0).find("inputs").item(0);
  EXPECT_EQ(image.find_string("content"), "image");
  EXPECT_EQ(image.find("dimension_names").size(), 2u);
  EXPECT_EQ(image.find("process_units").item(0).find_string("kind"), "normalization");
  EXPECT_EQ(image.find("min").item(0).as_float(), -1.0);
  EXPECT_THAT(model->warnings(), IsEmpty());
  EXPECT_EQ(model->metadata().find("buffers").find_string("min_runtime_version"), "1.14.0");
  EXPECT_THAT(model->origin().detail, HasSubstr("1 associated file"));
}

// As the metadata writer leaves a model whose metadata name no files.
TEST(Tflite, AnArchiveWithoutMembersHoldsNoFiles) {
  std::string file = slurp(kData + "float.tflite");
  std::string end = "PK\5\6" + std::string(18, '\0');
  store_le(end.data() + 16, static_cast<std::uint32_t>(file.size()));
  file += end;
  const auto model = k_tflite_format.read(bundle_of(file), Context());
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_THAT(model->warnings(), IsEmpty());
  EXPECT_THAT(faults_of(file), IsEmpty());
}

TEST(Tflite, WhatWasNotChangedIsWrittenAsItWas) {
  for (const char* name :
       {"float.tflite", "dynamic.tflite", "full.tflite", "types.tflite", "sparse.tflite", "beyond.tflite", "labelled.tflite"}) {
    const auto plan = k_tflite_format.plan(*open(name), {});
    ASSERT_TRUE(plan) << plan.error().to_string();
    EXPECT_THAT(plan->losses, IsEmpty());
    EXPECT_EQ(written(*plan), slurp(kData + name)) << name;
  }
}

TEST(Tflite, NewBytesGoWhereTheOldOnesLay) {
  const auto model = open("beyond.tflite");
  std::vector<float> ones(64, 1);
  const auto plan = k_tflite_format.plan(with(*model, "far", floats({64}, ones)), {});
  ASSERT_TRUE(plan) << plan.error().to_string();
  EXPECT_THAT(plan->losses, IsEmpty());
  const std::string before = slurp(kData + "beyond.tflite");
  const std::string now = written(*plan);
  EXPECT_EQ(now.substr(0, before.size() - 256), before.substr(0, before.size() - 256));
  EXPECT_EQ(numbers<float>(*k_tflite_format.read(bundle_of(now), Context()), "far"), ones);

  const auto odd = open("types.tflite");
  const std::vector<std::int8_t> values = {-8, 7, 0, 1, 5};
  const Tensor given = *Tensor::dense(DType::kInt8, {5}, Blob::memory(Bytes::copy(std::as_bytes(std::span(values))), "new"));
  const auto packed = k_tflite_format.plan(with(*odd, "odd", given), {});
  ASSERT_TRUE(packed) << packed.error().to_string();
  EXPECT_EQ(numbers<std::int8_t>(*k_tflite_format.read(bundle_of(written(*packed)), Context()), "odd"), values);
}

TEST(Tflite, WhatHasNoPlaceIsALoss) {
  const auto model = open("types.tflite");
  const auto lost = [](const Model& changed) {
    const auto plan = k_tflite_format.plan(changed, {});
    EXPECT_TRUE(plan) << plan.error().to_string();
    return plan && !plan->losses.empty() ? plan->losses[0].where : std::string();
  };
  EXPECT_EQ(lost(with(*model, "FLOAT32", floats({2}, {1, 2}))), "FLOAT32");
  EXPECT_EQ(lost(with(*model, "first", floats({2, 2}, {1, 2, 3, 4}))), "first");
  EXPECT_EQ(lost(with(*open("sparse.tflite"), "csr", floats({3, 4}, std::vector<float>(12, 1)))), "csr");
}

TEST(Tflite, ScalesOfWeightsAreTheirOwnAndThoseOfABiasFollow) {
  const auto model = open("full.tflite");
  std::size_t own = 0, follow = 0;
  for (const NamedTensor& each : model->tensors()) {
    const auto& quantization = each.tensor.quantization();
    if (quantization == nullptr) continue;
    own += quantization->renewal == Quantization::Renewal::kOwn ? 1 : 0;
    if (quantization->renewal != Quantization::Renewal::kFollows) continue;
    ++follow;
    const auto biases = quantization->scales.read<float>().value();
    const auto weights = model->tensor(quantization->follows.str())->quantization()->scales.read<float>().value();
    ASSERT_EQ(biases.size(), weights.size());
    for (std::size_t i = 0; i < biases.size(); ++i) EXPECT_FLOAT_EQ(biases[i], weights[i] * quantization->factor);
  }
  EXPECT_EQ(own, 2u);
  EXPECT_EQ(follow, 2u);
}

TEST(Tflite, OperatorsOfOthersAreCodeAndFilesOfTheModelsChoiceMalicious) {
  for (const char* name : {"float.tflite", "full.tflite", "labelled.tflite"}) EXPECT_THAT(acts(name), IsEmpty()) << name;
  const Findings custom = acts("custom.tflite");
  ASSERT_EQ(custom.size(), 1u);
  EXPECT_EQ(custom[0].severity, Verdict::kCode);
  EXPECT_THAT(custom[0].what, HasSubstr("MyOperator"));
  const Findings flex = acts("flex.tflite");
  ASSERT_EQ(flex.size(), 1u);
  EXPECT_EQ(flex[0].severity, Verdict::kMalicious);
  EXPECT_THAT(flex[0].what, HasSubstr("WriteFile"));
}

TEST(Tflite, SoundFilesHaveNoFaults) {
  for (const char* name : {"float.tflite", "dynamic.tflite", "float16.tflite", "full.tflite", "signatures.tflite",
                           "types.tflite", "sparse.tflite", "blockwise.tflite", "beyond.tflite", "labelled.tflite"}) {
    EXPECT_THAT(faults_of(slurp(kData + name)), IsEmpty()) << name;
  }
}

TEST(Tflite, WhatTheInterpreterWouldNotSurviveIsToldByScan) {
  const auto told = [](const std::string& bytes) {
    Findings findings;
    EXPECT_TRUE(k_tflite_format.acts(bundle_of(bytes), {}, findings));
    std::vector<std::string> all;
    for (const Finding& each : findings) {
      EXPECT_EQ(each.severity, Verdict::kUnreadable);
      all.push_back(each.what);
    }
    return all;
  };
  std::string without = slurp(kData + "full.tflite");
  without[16] = without[18] = 0;  // in the vtable of the model
  EXPECT_THAT(told(without), Contains(HasSubstr("there is no subgraph")));
  const auto put = [](const std::string& name, std::size_t at, std::uint32_t value) {
    std::string file = slurp(kData + name);
    store_le(file.data() + at, value);
    return file;
  };
  EXPECT_THAT(told(put("beyond.tflite", 248, 0xFFFFFFFF)), Contains(HasSubstr("an operator ADD lacks an input")));
  EXPECT_THAT(told(put("blockwise.tflite", 424, 1)), Contains(HasSubstr("is constant")));
  EXPECT_THAT(told(put("full.tflite", 4000, 8)), Contains(HasSubstr("by which nothing can be divided")));
}

TEST(Tflite, DamageIsFound) {
  const std::string labelled = slurp(kData + "labelled.tflite");
  std::string damaged = labelled;
  damaged[damaged.find("cat\ndog")] = 'r';
  EXPECT_THAT(faults_of(damaged), Contains(HasSubstr("CRC-32")));
  EXPECT_THAT(faults_of(labelled.substr(0, labelled.find("PK\3\4"))), Contains(HasSubstr("'labels.txt' is missing")));
  const std::string beyond = slurp(kData + "beyond.tflite");
  EXPECT_THAT(faults_of(beyond.substr(0, beyond.size() - 1)), Contains(HasSubstr("the file ends at")));
  std::string version = slurp(kData + "full.tflite");
  version.replace(4, 4, "TFL2");
  EXPECT_FALSE(k_tflite_format.read(bundle_of(version), Context()));
}

TEST(Tflite, TruncationIsNeverAnotherModel) {
  for (const char* name : {"sparse.tflite", "labelled.tflite", "blockwise.tflite"}) {
    const std::string whole = slurp(kData + name);
    const auto expected = k_tflite_format.read(bundle_of(whole), Context());
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const auto cut = k_tflite_format.read(bundle_of(whole.substr(0, size)), Context());
      if (!cut) continue;
      ASSERT_EQ(names_of(*cut), names_of(*expected)) << name << " " << size;
      for (const NamedTensor& each : cut->tensors())
        EXPECT_EQ(digest_of(each.tensor), digest_of(expected->find(each.name)->tensor));
    }
  }
}

TEST(Tflite, LimitsHold) {
  Context context;
  context.limits.tensors = 5;
  const auto model = k_tflite_format.read(bundle_of(slurp(kData + "types.tflite")), context);
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code(), Code::kLimit);
  context.limits = {};
  context.limits.header_bytes = 100;
  EXPECT_EQ(k_tflite_format.read(bundle_of(slurp(kData + "types.tflite")), context).error().code(), Code::kLimit);
}

}  // namespace
}  // namespace holdall
