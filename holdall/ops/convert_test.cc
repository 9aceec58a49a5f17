#include "holdall/ops/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "holdall/ops/diff.h"
#include "holdall/ops/ops_test_models.h"
#include "holdall/ops/verify.h"

namespace holdall {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string saved(const Model& model, const std::string& path) {
  const Status status = save_model(model, path);
  EXPECT_TRUE(status) << status.error().to_string();
  return path;
}

TEST(Save, ExtensionChoosesTheFormatAndUnknownOnesAreRefused) {
  const Model model = checkpoint_model();
  EXPECT_EQ((*format_to_write("a/b.safetensors", "", model))->id, "safetensors");
  EXPECT_EQ((*format_to_write("a/b.anything", "safetensors", model))->id, "safetensors");
  EXPECT_EQ(format_to_write("a/b.docx", "", model).error().code(), Code::kInvalidArgument);
  EXPECT_THAT(format_to_write("x", "safetensor", model).error().message(), HasSubstr("did you mean 'safetensors'?"));
  EXPECT_THAT(format_to_write("b.safetensor", "", model).error().message(), HasSubstr("did you mean '.safetensors'?"));
  EXPECT_THAT(format_to_write("b.docx", "", model).error().message(), HasSubstr("name one of safetensors, pytorch"));
}

TEST(Convert, ACheckpointComesBackEqualTreeIncluded) {
  const Scratch scratch;
  const std::string first = saved(checkpoint_model(), scratch / "first.safetensors");
  ConvertOptions options;
  options.check = ConvertOptions::Check::kDigests;
  const Result<ConvertReport> report = convert_model(first, scratch / "second.safetensors", options);
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_TRUE(report->written);
  EXPECT_EQ(report->checked, 3u);
  EXPECT_THAT(report->differing, ElementsAre());
  const Result<DiffReport> diff = diff_models(checkpoint_model(), *open_model(scratch / "second.safetensors"));
  ASSERT_TRUE(diff) << diff.error().to_string();
  EXPECT_TRUE(diff->same);
}

TEST(Convert, SelectsRenamesAndCastsInOnePass) {
  const Scratch scratch;
  const std::string first = saved(checkpoint_model(), scratch / "first.safetensors");
  ConvertOptions options;
  options.select = {"model.*"};
  options.rename = {{"model.a.*", "model.fc.*"}};
  options.dtype = DType::kFloat16;
  options.check = ConvertOptions::Check::kDigests;
  const Result<ConvertReport> report = convert_model(first, scratch / "second.safetensors", options);
  ASSERT_TRUE(report) << report.error().to_string();
  ASSERT_EQ(report->copies.size(), 2u);
  EXPECT_EQ(report->copies[0].name, "model.fc.weight");
  EXPECT_EQ(report->copies[0].bytes_in, 12u);
  EXPECT_EQ(report->copies[0].bytes_out, 6u);
  EXPECT_EQ(report->copies[0].max_abs, 0);
  EXPECT_EQ(report->copies[1].cosine, 1);
  EXPECT_THAT(report->renamed, ElementsAre("model.a.weight=model.fc.weight", "model.a.bias=model.fc.bias"));
  const Result<Model> model = open_model(scratch / "second.safetensors");
  ASSERT_TRUE(model);
  EXPECT_THAT(names_of(*model), testing::UnorderedElementsAre("model.fc.weight", "model.fc.bias"));
  EXPECT_THAT(*model->tensor("model.fc.weight")->read<std::uint16_t>(), ElementsAre(0x3c00, 0x4000, 0x4200));
}

TEST(Convert, WhatCannotBeQuantizedIsKeptAndTold) {
  const Scratch scratch;
  std::vector<float> numbers(64);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i) / 8;
  const Model model = flat_model({{"matrix", tensor_of(DType::kFloat32, {2, 32}, numbers)},
                                  {"odd", tensor_of(DType::kFloat32, {4, 16}, numbers)},
                                  {"bias", floats({1, 2})}});
  const std::string first = saved(model, scratch / "first.safetensors");
  ConvertOptions options;
  options.dtype = DType::kQ8_0;
  options.check = ConvertOptions::Check::kDigests;
  const Result<ConvertReport> report = convert_model(first, scratch / "second.gguf", options);
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_THAT(report->differing, ElementsAre());
  ASSERT_EQ(report->copies.size(), 1u);
  const LightCopy& copy = report->copies[0];
  EXPECT_EQ(copy.bytes_out, 68u);
  EXPECT_GT(*copy.max_abs, *copy.mean_abs);
  EXPECT_GT(*copy.mean_abs, 0);
  EXPECT_LT(*copy.max_abs, 0.04);
  EXPECT_GT(*copy.cosine, 0.9999);
  ASSERT_EQ(report->kept.size(), 2u);  // in the order of the file
  EXPECT_EQ(report->kept[0].where, "bias");
  EXPECT_EQ(report->kept[0].what, "it is no matrix");
  EXPECT_EQ(report->kept[1].what, "its rows of 16 elements are not whole blocks of 32");
  // Blocks have no place elsewhere; the loss says what would have.
  const Result<ConvertReport> refused = convert_model(scratch / "second.gguf", scratch / "third.safetensors");
  ASSERT_TRUE(refused) << refused.error().to_string();
  EXPECT_FALSE(refused->written);
  ASSERT_EQ(refused->losses.size(), 1u);
  EXPECT_EQ(refused->losses[0].what, "dtype q8_0 has no place in safetensors; --dtype float32 makes numbers of it");
}

TEST(Convert, LossesAreListedAndNothingIsTouchedUnlessAllowed) {
  const Scratch scratch;
  ModelBuilder builder;  // a file beside the weights, which one file alone cannot hold
  builder.add(floats({1}));
  builder.side_files["notes.md"] = Blob::memory(Bytes::copy("words"), "notes.md");
  const Model model = *std::move(builder).named({"w"});
  const Result<Plan> plan = plan_model(model, scratch / "out.safetensors");
  ASSERT_TRUE(plan) << plan.error().to_string();
  ASSERT_FALSE(plan->losses.empty());
  const Status refused = save_model(model, scratch / "out.safetensors");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kLoss);
  EXPECT_THAT(refused.error().message(), HasSubstr("notes.md"));
  EXPECT_FALSE(std::filesystem::exists(scratch / "out.safetensors"));
  SaveOptions options;
  options.losses = SaveOptions::Losses::kAllow;
  EXPECT_TRUE(save_model(model, scratch / "out.safetensors", options));
  EXPECT_TRUE(std::filesystem::exists(scratch / "out.safetensors"));
}

// A folder of weights, config and tokenizer, as models are published.
Model published() {
  ModelBuilder builder;
  builder.add(floats({1}));
  builder.add(floats({2}));
  builder.config = builder.arena->dict();
  builder.arena->set_item(builder.config, "model_type", builder.arena->string("bert"));
  for (const char* name : {"config.json", "tokenizer.json", "../README.md"})
    builder.side_files[name] = Blob::memory(Bytes::copy(R"({"model_type":"bert"})"), name);
  return *std::move(builder).named({"v", "w"});
}

std::vector<std::string> losses_of(const Plan& plan) {
  std::vector<std::string> where;
  for (const Loss& loss : plan.losses) where.push_back(loss.where);
  return where;
}

TEST(Convert, AConfigGoesIntoAFileAndComesBackAsOne) {
  const Scratch scratch;
  for (const char* name : {"out.safetensors", "out.pt", "out.npz"}) {
    SaveOptions options;
    EXPECT_THAT(losses_of(*plan_model(published(), scratch / name, options)), ElementsAre("../README.md", "tokenizer.json"))
        << name;
    options.losses = SaveOptions::Losses::kAllow;
    ASSERT_TRUE(save_model(published(), scratch / name, options)) << name;
    options = {};
    options.to = "huggingface";
    const std::string folder = scratch / (std::string(name) + ".folder");
    ASSERT_TRUE(save_model(*open_model(scratch / name), folder, options)) << name;
    EXPECT_EQ(open_model(folder)->config().find_string("model_type"), "bert") << name;
    EXPECT_TRUE(std::filesystem::exists(folder + "/config.json")) << name;
  }
  EXPECT_THAT(losses_of(*plan_model(published(), scratch / "out.pkl")),
              testing::UnorderedElementsAre("../README.md", "tokenizer.json", "config"));
}

TEST(Convert, AFolderOfShardsTakesTheSideFiles) {
  const Scratch scratch;
  for (const char* format : {"safetensors", "pytorch"}) {
    SaveOptions options;
    options.to = format;
    options.write.shard_bytes = 4;
    EXPECT_THAT(losses_of(*plan_model(published(), scratch / format, options)), ElementsAre("../README.md"));
    options.losses = SaveOptions::Losses::kAllow;
    ASSERT_TRUE(save_model(published(), scratch / format, options));
    EXPECT_TRUE(std::filesystem::exists(scratch / (std::string(format) + "/tokenizer.json")));
    EXPECT_EQ(open_model(scratch / format)->config().find_string("model_type"), "bert");
  }
}

TEST(Convert, ModelsBesideAFolderAreFilesOfIt) {
  const Scratch scratch;
  SaveOptions options;
  options.to = "huggingface";
  options.losses = SaveOptions::Losses::kAllow;
  const auto training = std::make_shared<const Model>(checkpoint_model());
  options.beside = {{"training.pt", training}};
  ASSERT_TRUE(save_model(published(), scratch / "folder", options));
  EXPECT_EQ(open_model(scratch / "folder/training.pt")->tensors().size(), training->tensors().size());
  EXPECT_EQ(open_model(scratch / "folder")->origin().format, "huggingface");
  // What an earlier save left may go, where it is named, and nothing else.
  options.beside = {};
  EXPECT_EQ(save_model(published(), scratch / "folder", options).error().code(), Code::kAlreadyExists);
  options.may_go = {"training.pt"};
  ASSERT_TRUE(save_model(published(), scratch / "folder", options));
  EXPECT_FALSE(std::filesystem::exists(scratch / "folder/training.pt"));
  options.beside = {{"../training.pt", training}};
  EXPECT_EQ(save_model(published(), scratch / "folder", options).error().code(), Code::kInvalidArgument);
  options.to = "safetensors";
  options.beside = {{"training.pt", training}};
  EXPECT_EQ(save_model(published(), scratch / "file.safetensors", options).error().code(), Code::kInvalidArgument);
}

TEST(Convert, TheInputItselfIsNoOutput) {
  const Scratch scratch;
  const std::string path = saved(checkpoint_model(), scratch / "model.safetensors");
  std::filesystem::create_hard_link(path, scratch / "link.safetensors");
  EXPECT_EQ(convert_model(path, path).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(convert_model(path, scratch / "link.safetensors").error().code(), Code::kInvalidArgument);
  EXPECT_TRUE(open_model(path));
}

TEST(Convert, AFolderInTheWayIsRefused) {
  const Scratch scratch;
  const std::string path = saved(checkpoint_model(), scratch / "model.safetensors");
  std::filesystem::create_directory(scratch / "out.safetensors");
  EXPECT_EQ(convert_model(path, scratch / "out.safetensors").error().code(), Code::kAlreadyExists);
}

TEST(Convert, RulesThatFitNothingAreErrors) {
  const Scratch scratch;
  const std::string path = saved(checkpoint_model(), scratch / "model.safetensors");
  ConvertOptions options;
  options.select = {"decoder.*"};
  EXPECT_EQ(convert_model(path, scratch / "out.safetensors", options).error().code(), Code::kNotFound);
  options = {};
  options.rename = {{"decoder.*", "encoder.*"}};
  EXPECT_EQ(convert_model(path, scratch / "out.safetensors", options).error().code(), Code::kNotFound);
  options = {};
  options.rename = {{"*.*", "*"}};
  EXPECT_EQ(convert_model(path, scratch / "out.safetensors", options).error().code(), Code::kInvalidArgument);
  options = {};
  options.dtype = DType::kInt8;
  EXPECT_EQ(convert_model(path, scratch / "out.safetensors", options).error().code(), Code::kInvalidArgument);
}

TEST(Convert, CancellingLeavesNoFile) {
  const Scratch scratch;
  const std::string path = saved(checkpoint_model(), scratch / "model.safetensors");
  ConvertOptions options;
  options.progress = [](std::uint64_t, std::uint64_t) { return false; };
  const Result<ConvertReport> report = convert_model(path, scratch / "out.safetensors", options);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), Code::kCancelled);
  EXPECT_FALSE(std::filesystem::exists(scratch / "out.safetensors"));
}

TEST(Verify, AFlippedBitIsAFaultThatNamesTheTensor) {
  const Scratch scratch;
  const std::string path = saved(flat_model({{"w", floats(std::vector<float>(1000, 1.0F))}}), scratch / "model.safetensors");
  ASSERT_TRUE(verify_model(path)->sound());
  EXPECT_EQ(verify_model(path)->faults.digests, 1u);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-100, std::ios::end);
  file.put('\x01');
  file.close();
  const Result<VerifyReport> report = verify_model(path);
  ASSERT_TRUE(report) << report.error().to_string();
  ASSERT_FALSE(report->sound());
  EXPECT_THAT(report->faults.list[0].what, HasSubstr("'w'"));
}

TEST(Verify, ATruncatedFileIsAnAnswerAndAMissingOneAnError) {
  const Scratch scratch;
  const std::string path = saved(checkpoint_model(), scratch / "model.safetensors");
  const auto size = std::filesystem::file_size(path);
  for (const std::uintmax_t kept : {size - 1, size / 2, std::uintmax_t{9}, std::uintmax_t{4}, std::uintmax_t{0}}) {
    std::filesystem::resize_file(path, kept);
    const Result<VerifyReport> report = verify_model(path);
    ASSERT_TRUE(report) << kept << ": " << report.error().to_string();
    EXPECT_FALSE(report->sound()) << kept;
  }
  EXPECT_EQ(verify_model(scratch / "missing.safetensors").error().code(), Code::kNotFound);
  EXPECT_EQ(verify_model(scratch.write("words.txt", "words")).error().code(), Code::kUnsupported);
}

}  // namespace
}  // namespace holdall
