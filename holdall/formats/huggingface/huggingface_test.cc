#include "holdall/formats/huggingface/huggingface.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "holdall/formats/huggingface/folder.h"
#include "holdall/io/execute.h"

namespace holdall {

extern const Format k_huggingface_format;

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

// A folder that goes with the test, holding a tiny model of two layers.
class HuggingFace : public ::testing::Test {
 protected:
  HuggingFace() : home_(fs::temp_directory_path() / ("holdall-huggingface-" + std::to_string(::getpid()))) {
    fs::remove_all(home_);
  }
  ~HuggingFace() override { fs::remove_all(home_); }

  void put(const std::string& name, std::string_view content) {
    fs::create_directories((home_ / name).parent_path());
    std::ofstream(home_ / name, std::ios::binary) << content;
  }

  // A safetensors file of float32 tensors.
  void put_weights(const std::string& name, const std::vector<std::pair<std::string, Shape>>& tensors) {
    ModelBuilder builder;
    std::vector<std::string> names;
    for (const auto& [tensor, shape] : tensors) {
      const std::string data(static_cast<std::size_t>(dense_bytes(DType::kFloat32, shape).value()),
                             static_cast<char>(names.size() + 1));
      builder.add(*Tensor::dense(DType::kFloat32, shape, Blob::memory(Bytes::copy(data), "t")));
      names.push_back(tensor);
    }
    fs::create_directories((home_ / name).parent_path());
    ExecuteOptions execution;
    execution.durable = false;
    const auto plan = format_by_id("safetensors")->plan(*std::move(builder).named(names), {});
    ASSERT_TRUE(plan);
    ASSERT_TRUE(execute(*plan, (home_ / name).string(), execution));
  }

  void put_model() {
    put_weights("m/model.safetensors", {{"embed_tokens.weight", {8, 4}}, {"layers.0.w", {4, 4}}, {"layers.1.w", {4, 4}}});
    put("m/config.json", kConfig);
    put("m/tokenizer.json", R"({"model":{"type":"BPE","vocab":{"a":0,"b":7},"merges":[]},"added_tokens":[]})");
    put("m/README.md", "---\nlicense: mit\n---\n");
    put("m/1_Pooling/config.json", "{}");
  }

  Result<Model> open(const std::string& name = "m") {
    HOLDALL_ASSIGN(const Bundle bundle, Bundle::open((home_ / name).string(), Limits()));
    return k_huggingface_format.read(bundle, Context());
  }

  std::vector<std::string> warnings(const std::string& name = "m") {
    const auto model = open(name);
    EXPECT_TRUE(model) << model.error().to_string();
    return model ? model->warnings() : std::vector<std::string>();
  }

  // Of "---\nlicense: mit\n---\n".
  static constexpr const char* kCardDigest = "3e0e15fa0c5cc81675bd69af8eb469d128a725c1a7bfc71f03b7877b7b650567";
  static constexpr const char* kConfig =
      R"({"architectures":["LlamaForCausalLM"],"vocab_size":8,"hidden_size":4,"num_hidden_layers":2,"eos_token_id":[1,7],"pad_token_id":-1})";
  fs::path home_;
};

std::vector<std::string> names(const Model& model) {
  std::vector<std::string> names;
  for (const NamedTensor& entry : model.tensors()) names.push_back(entry.name);
  return names;
}

TEST_F(HuggingFace, FolderIsOneModelWithoutWarnings) {
  put_model();
  const auto model = open();
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_THAT(model->warnings(), IsEmpty());
  EXPECT_THAT(names(*model), ElementsAre("embed_tokens.weight", "layers.0.w", "layers.1.w"));
  EXPECT_EQ(model->config().find_int("vocab_size"), 8);
  EXPECT_EQ(model->tensors()[0].file, "model.safetensors");
  std::vector<std::string> side;
  for (const auto& [name, blob] : model->side_files()) side.push_back(name);
  EXPECT_THAT(side, ElementsAre("1_Pooling/config.json", "README.md", "config.json", "tokenizer.json"));
}

TEST_F(HuggingFace, DisagreementsAreWarnings) {
  put_model();
  const auto with = [&](std::string from, const std::string& to) {
    std::string config = kConfig;
    config.replace(config.find(from), from.size(), to);
    put("m/config.json", config);
    return warnings();
  };
  EXPECT_THAT(with("\"vocab_size\":8", "\"vocab_size\":9"),
              ElementsAre(HasSubstr("vocab_size 9, 'embed_tokens.weight' has 8 rows")));
  EXPECT_THAT(with("\"hidden_size\":4", "\"hidden_size\":5"),
              ElementsAre(HasSubstr("width of 5, 'embed_tokens.weight' has 4 columns")));
  EXPECT_THAT(with("layers\":2", "layers\":3"),
              ElementsAre(HasSubstr("3 layers, the weights hold 2 under 'layers' (2 is missing)")));
  EXPECT_THAT(with("[1,7]", "[1,8]"), ElementsAre(HasSubstr("eos_token_id 8, beyond the 8 rows")));
  EXPECT_THAT(with("{\"arch", "{\"tie_word_embeddings\":false,\"arch"), ElementsAre(HasSubstr("there is no output layer")));
  EXPECT_THAT(with("{", "{,"), ElementsAre(HasSubstr("'config.json' @ 1 is no sound JSON")));
  put("m/config.json", kConfig);
  put("m/tokenizer.json", R"({"model":{"type":"BPE","vocab":{"a":8},"merges":[]}})");
  EXPECT_THAT(warnings(), ElementsAre(HasSubstr("ids up to 8, the embedding has 8 rows")));
  put_weights("m/model.safetensors", {{"layers.0.w", {4, 4}}, {"layers.1.w", {4, 4}}});
  EXPECT_THAT(warnings(), ::testing::Contains(HasSubstr("needs an embedding of 8 rows, and no tensor has them")));
}

TEST_F(HuggingFace, OtherFormsOfTheWeightsAreNamedAndNotRead) {
  put_model();
  put("m/pytorch_model.bin", "not looked at");
  put("m/tf_model.h5", "not looked at");
  put("m/training_args.bin", "kept");
  const auto model = open();
  ASSERT_TRUE(model);
  EXPECT_THAT(model->warnings(), ElementsAre("the same weights in other forms are not read: pytorch_model.bin, tf_model.h5"));
  EXPECT_TRUE(model->side_files().contains("training_args.bin"));
  EXPECT_FALSE(model->side_files().contains("tf_model.h5"));
}

TEST_F(HuggingFace, LfsPointersAreNamed) {
  put_model();
  const std::string pointer =
      "version https://git-lfs.github.com/spec/v1\noid "
      "sha256:53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db\nsize 90868376\n";
  put("m/model.safetensors", pointer);
  const auto model = open();
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code(), Code::kNotFound);
  EXPECT_THAT(model.error().message(), HasSubstr("'model.safetensors' is a Git LFS pointer to 90868376 bytes (oid sha256:"
                                                 "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db): "
                                                 "fetch it with git lfs pull"));
  put_model();
  put("m/tokenizer.json", pointer);
  EXPECT_THAT(warnings(), ::testing::Contains(HasSubstr("'tokenizer.json' is a Git LFS pointer to 90868376 bytes")));
}

TEST_F(HuggingFace, DownloadCacheOpensAtItsSnapshot) {
  put_model();
  const fs::path cache = home_ / "models--a--b";
  fs::create_directories(cache / "blobs");
  fs::create_directories(cache / "snapshots/abc");
  for (const char* name : {"config.json", "model.safetensors"}) {
    fs::rename(home_ / "m" / name, cache / "blobs" / name);
    fs::create_symlink(fs::path("../../blobs") / name, cache / "snapshots/abc" / name);
  }
  for (const char* path : {"models--a--b/snapshots/abc", "models--a--b"}) {
    const auto model = open(path);
    ASSERT_TRUE(model) << path << model.error().to_string();
    EXPECT_EQ(model->tensors().size(), 3u);
    EXPECT_THAT(model->warnings(), IsEmpty());
  }
  fs::copy(cache / "snapshots/abc", cache / "snapshots/def", fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  EXPECT_THAT(open("models--a--b").error().message(), HasSubstr("2 snapshots and none is the main one"));
  put("models--a--b/refs/main", "def");
  EXPECT_TRUE(open("models--a--b"));
}

TEST_F(HuggingFace, PartsInFoldersOfTheirOwnHaveTheirFoldersName) {
  put_model();
  put("m/modules.json", R"([{"idx":0,"path":""},{"idx":1,"path":"1_Pooling"},{"idx":2,"path":"2_Dense"}])");
  put_weights("m/2_Dense/model.safetensors", {{"linear.weight", {2, 4}}});
  const auto model = open();
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_THAT(model->warnings(), IsEmpty());
  ASSERT_TRUE(model->find("2_Dense.linear.weight"));
  EXPECT_EQ(model->find("2_Dense.linear.weight")->file, "2_Dense/model.safetensors");
  EXPECT_FALSE(model->side_files().contains("2_Dense/model.safetensors"));
  const auto plan = k_huggingface_format.plan(*model, {});
  ASSERT_TRUE(plan);
  ExecuteOptions execution;
  execution.durable = false;
  ASSERT_TRUE(execute(*plan, (home_ / "out").string(), execution));
  const auto again = open("out");
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ(names(*again), names(*model));
  EXPECT_TRUE(fs::exists(home_ / "out/2_Dense/model.safetensors"));
}

TEST_F(HuggingFace, WritingKeepsEverySideFileAndShardsTheWeights) {
  put_model();
  const auto model = open();
  ASSERT_TRUE(model);
  WriteOptions options;
  options.shard_bytes = 128;
  const auto plan = k_huggingface_format.plan(*model, options);
  ASSERT_TRUE(plan);
  EXPECT_THAT(plan->losses, IsEmpty());
  ExecuteOptions execution;
  execution.durable = false;
  ASSERT_TRUE(execute(*plan, (home_ / "out").string(), execution));
  EXPECT_TRUE(fs::exists(home_ / "out/model-00001-of-00002.safetensors"));
  const auto again = open("out");
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_THAT(again->warnings(), IsEmpty());
  EXPECT_EQ(names(*again), names(*model));
  for (const NamedTensor& entry : model->tensors())
    EXPECT_EQ(*again->find(entry.name)->tensor.digest(), *entry.tensor.digest());
  ASSERT_EQ(again->side_files().size(), model->side_files().size());
  for (const auto& [name, blob] : model->side_files())
    EXPECT_EQ(again->side_files().at(name).read()->text(), blob.read()->text());
}

TEST_F(HuggingFace, WeightsOfTensorFlowBecomeTheFileThatItsClassesLookFor) {
  put_model();
  auto opened = open();
  ASSERT_TRUE(opened) << opened.error().to_string();
  const auto amend = [](ModelBuilder& builder) { builder.origin.framework = "tf"; };
  const Model model = ModelBuilder::amended(*std::move(opened), "", amend);
  const auto plan = k_huggingface_format.plan(model, {});
  ASSERT_TRUE(plan) << plan.error().to_string();
  EXPECT_EQ(plan->files.front().name, "tf_model.h5");
}

TEST_F(HuggingFace, AdaptersOpenWithTheirConfig) {
  put_weights("m/adapter_model.safetensors", {{"base_model.q.lora_A.weight", {8, 4}}});
  put("m/adapter_config.json", R"({"peft_type":"LORA","r":8,"base_model_name_or_path":"x/y"})");
  const auto model = open();
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_THAT(model->warnings(), IsEmpty());
  EXPECT_EQ(model->config().find_string("base_model_name_or_path"), "x/y");
  put("m/adapter_config.json", R"({"peft_type":"LORA","r":16})");
  EXPECT_THAT(warnings(), ElementsAre(HasSubstr("rank 16, 'base_model.q.lora_A.weight' has 8 rows")));
  const auto plan = k_huggingface_format.plan(*model, {});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->files[0].name, "adapter_model.safetensors");
}

TEST_F(HuggingFace, ShardsWithoutAnIndexAreReadTogether) {
  put_weights("m/model-00001-of-00002.safetensors", {{"a", {1}}});
  put_weights("m/model-00002-of-00002.safetensors", {{"b", {1}}});
  put("m/config.json", "{}");
  const auto model = open();
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_THAT(names(*model), ElementsAre("a", "b"));
  EXPECT_THAT(model->warnings(), ElementsAre(HasSubstr("no index of the 2 shards")));
}

TEST_F(HuggingFace, VerifyFindsWhatReadingWarnsAbout) {
  put_model();
  put("m/special_tokens_map.json", "{");
  const auto bundle = Bundle::open((home_ / "m").string(), Limits());
  Faults faults;
  ASSERT_TRUE(k_huggingface_format.verify(*bundle, Context(), faults));
  ASSERT_EQ(faults.list.size(), 1u);
  EXPECT_THAT(faults.list[0].where, HasSubstr("special_tokens_map.json"));
}

TEST_F(HuggingFace, FilesOfAUnitAreComparedWithTheirChecksums) {
  put_model();
  const auto faults_of = [&](const std::string& unit) {
    put("m/holdall.json", unit);
    const auto bundle = Bundle::open((home_ / "m").string(), Limits());
    Faults faults;
    EXPECT_TRUE(k_huggingface_format.verify(*bundle, Context(), faults));
    std::vector<std::string> said;
    for (const Fault& fault : faults.list) said.push_back(fault.where + ": " + fault.what);
    return said;
  };
  const auto card = [](const std::string& bytes, const std::string& digest) {
    return R"({"files":{"README.md":{"bytes":)" + bytes + R"(,"sha256":")" + digest + R"("}}})";
  };
  const std::string digest = "44be97b9d47dcdc96f3f8b5fe91bf0f72d8f70e4d9e3e8a4f4f9a6cfb0a1d7c5";
  EXPECT_THAT(faults_of(card("20", digest)), ElementsAre(HasSubstr("README.md: it has 21 bytes, 20 were saved")));
  EXPECT_THAT(faults_of(card("21", digest)), ElementsAre(HasSubstr(digest + " was saved")));
  EXPECT_THAT(faults_of(card("21", kCardDigest)), IsEmpty());
  EXPECT_THAT(faults_of(R"({"files":{"gone.txt":{"sha256":""},"../m/README.md":{}}})"),
              ElementsAre(HasSubstr("is not there"), HasSubstr("is not there")));
  // Without a checksum here it is a model that has its own.
  put("m/training.pt", "no archive");
  EXPECT_THAT(faults_of(R"({"files":{"training.pt":{}}})"), ElementsAre(HasSubstr("training.pt")));
  EXPECT_THAT(faults_of("{"), ElementsAre(HasSubstr("holdall.json")));
}

TEST_F(HuggingFace, CodeOfTheFolderThatTransformersWouldRunIsAFinding) {
  put_model();
  put("m/config.json", R"({"auto_map":{"AutoModel":"modeling.Custom"}})");
  const auto bundle = Bundle::open((home_ / "m").string(), Limits());
  Findings findings;
  ASSERT_TRUE(k_huggingface_format.acts(*bundle, Context(), findings));
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].rule, Rule::kRemoteCode);
  EXPECT_EQ(findings[0].severity, Verdict::kCode);
}

// Folders that transformers' save_pretrained() wrote (testdata/generate.py), with the digests of the live models.
TEST(HuggingFaceGolden, FoldersOfTransformersHoldWhatTheirModelsHeld) {
  const std::string data = HOLDALL_SOURCE_DIR "/holdall/formats/huggingface/testdata/";
  for (const char* name : {"bert", "bert_sharded", "gpt2_tied"}) {
    const auto bundle = Bundle::open(data + name, Limits());
    ASSERT_TRUE(bundle) << bundle.error().to_string();
    const auto model = k_huggingface_format.read(*bundle, Context());
    ASSERT_TRUE(model) << model.error().to_string();
    EXPECT_THAT(model->warnings(), IsEmpty()) << name;
    std::ifstream listing(data + name + ".tsv");
    std::size_t lines = 0;
    for (std::string line; std::getline(listing, line); ++lines) {
      const std::string tensor = line.substr(0, line.find('\t'));
      const NamedTensor* found = model->find(tensor);
      ASSERT_NE(found, nullptr) << name << " " << tensor;
      const auto digest = found->tensor.digest();
      ASSERT_TRUE(digest) << digest.error().to_string();
      EXPECT_EQ(tensor + "\t" + std::string(holdall::name(found->tensor.dtype())) + "\t" + to_string(found->tensor.shape()) +
                    "\t" + to_hex(*digest),
                line);
    }
    EXPECT_EQ(lines, model->tensors().size()) << name;
  }
}

TEST(HuggingFaceNames, WeightsAreToldFromOtherFiles) {
  using huggingface::is_weights_name;
  for (const char* name :
       {"model.safetensors", "pytorch_model-00001-of-00002.bin", "model.safetensors.index.json", "tf_model.h5",
        "model.fp16.safetensors", "flax_model.msgpack", "consolidated.00.pth", "rust_model.ot"}) {
    EXPECT_TRUE(is_weights_name(name)) << name;
  }
  for (const char* name :
       {"training_args.bin", "optimizer.pt", "config.json", "tokenizer.model", "spiece.model", "model_index.json"}) {
    EXPECT_FALSE(is_weights_name(name)) << name;
  }
}

}  // namespace
}  // namespace holdall
