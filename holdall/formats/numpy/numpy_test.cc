#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "holdall/codec/document.h"
#include "holdall/codec/npy.h"
#include "holdall/codec/zip.h"
#include "holdall/formats/format.h"
#include "holdall/formats/format_test_files.h"
#include "holdall/io/execute.h"

namespace holdall {

extern const Format k_numpy_format;

namespace {

namespace fs = std::filesystem;

std::string golden(const std::string& name) {
  return std::string(HOLDALL_SOURCE_DIR) + "/holdall/formats/numpy/testdata/" + name;
}

class Numpy : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "holdall-numpy-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string at(const std::string& name) const { return (folder_ / name).string(); }

  // Writes the model and returns the losses.
  std::vector<Loss> save(const Model& model, const std::string& name, WriteOptions options = {}) const {
    options.name = name;
    const auto plan = k_numpy_format.plan(model, options);
    EXPECT_TRUE(plan) << plan.error().to_string();
    if (!plan) return {};
    const Status status = execute(*plan, at(name), {.durable = false});
    EXPECT_TRUE(status) << status.error().to_string();
    return plan->losses;
  }

  fs::path folder_;
};

Result<Model> open_path(const std::string& path) {
  HOLDALL_ASSIGN(const Bundle bundle, Bundle::open(path, {}));
  return k_numpy_format.read(bundle, {});
}

Result<Model> open_bytes(std::string bytes) {
  return k_numpy_format.read(Bundle::of(memory_source(Bytes::adopt(std::move(bytes)), "file")), {});
}

std::string tree_of(const Model& model) {
  JsonWriter writer;
  const auto name = [&](std::uint32_t index) -> std::string_view {
    for (const NamedTensor& entry : model.tensors())
      if (entry.index == index) return entry.name;
    return "?";
  };
  EXPECT_TRUE(write_document(writer, model.tree(), name));
  return std::move(writer).take();
}

TEST_F(Numpy, ArraysOfEveryTypeAreReadAsNumPyReadsThem) {
  const auto rows = rows_of(golden("digests.tsv"));
  ASSERT_GT(rows.size(), 60u);
  for (const auto& row : rows) {
    const auto model = open_path(golden(row[0]));
    ASSERT_TRUE(model) << row[0] << ": " << model.error().to_string();
    const auto tensor = model->tensor(row[1]);
    ASSERT_TRUE(tensor) << row[0] << " " << row[1];
    EXPECT_EQ(digest_of(*tensor), row[4]) << row[0] << " " << row[1];
    EXPECT_EQ(shape_text(tensor->shape()), row[3]) << row[1];
    const std::string_view dtype = name(tensor->dtype());
    if (dtype != "string" && dtype != "record") {
      EXPECT_EQ(tensor->logical().empty() ? dtype : tensor->logical(), row[2]) << row[1];
    }
  }
}

TEST_F(Numpy, TheirOrderIsThatOfTheArchive) {
  const auto model = open_path(golden("arrays.npz"));
  ASSERT_TRUE(model);
  EXPECT_EQ(model->tensors().front().name, "bool");
  EXPECT_EQ(model->tensors().back().name, "bfloat16");
  EXPECT_EQ(model->origin().format, "numpy");
  EXPECT_EQ(model->origin().detail, "npz, stored");
}

TEST_F(Numpy, LogicalTypesTellWhatTheDTypeCannot) {
  const auto model = open_path(golden("arrays.npz"));
  ASSERT_TRUE(model);
  const std::map<std::string, std::string> expected = {{"text", "U2"},
                                                       {"bytes", "S3"},
                                                       {"datetime", "datetime64[ns]"},
                                                       {"timedelta", "timedelta64[25s]"},
                                                       {"bfloat16", "'<V2'"},
                                                       {"record", "[('a', '<i4'), ('b', '>f8'), ('c', '<U3')]"}};
  for (const auto& [name, logical] : expected) EXPECT_EQ(model->tensor(name)->logical(), logical);
}

TEST_F(Numpy, ArraysOfObjectsAreInertTrees) {
  const auto model = open_path(golden("objects.npy"));
  ASSERT_TRUE(model) << model.error().to_string();
  ASSERT_EQ(model->tensors().size(), 1u);
  EXPECT_EQ(model->tensors()[0].tensor.dtype(), DType::kInt64);
  EXPECT_NE(tree_of(*model).find("\"text\""), std::string::npos);
  const auto mixed = open_path(golden("mixed.npz"));
  ASSERT_TRUE(mixed);
  EXPECT_TRUE(mixed->tree().find("objects").is(ValueKind::kObject));
}

Findings acts_of(const std::string& file) {
  Findings findings;
  const auto bundle = Bundle::open(golden(file), {});
  EXPECT_TRUE(bundle);
  const Status status = k_numpy_format.acts(*bundle, {}, findings);
  EXPECT_TRUE(status) << status.error().to_string();
  return findings;
}

TEST_F(Numpy, WhatAPickleInsideWouldRunIsTold) {
  const Findings findings = acts_of("malicious.npy");
  ASSERT_FALSE(findings.empty());
  EXPECT_EQ(findings.front().severity, Verdict::kMalicious);
  EXPECT_NE(findings.front().what.find("system"), std::string::npos);
  for (const char* file : {"objects.npy", "mixed.npz", "arrays.npz", "float32.npy"}) {
    for (const Finding& finding : acts_of(file)) EXPECT_EQ(finding.severity, Verdict::kInert) << file << ": " << finding.what;
  }
}

TEST_F(Numpy, ABareArrayIsWrittenAsNumPySaveWritesIt) {
  for (const char* file : {"float32.npy", "text.npy", "scalar.npy", "record.npy"}) {
    const auto model = open_path(golden(file));
    ASSERT_TRUE(model);
    EXPECT_TRUE(save(*model, "out.npy").empty());
    EXPECT_EQ(slurp(at("out.npy")), slurp(golden(file))) << file;
  }
}

TEST_F(Numpy, WhatIsWrittenComesBackEqual) {
  for (const bool compress : {false, true}) {
    const auto model = open_path(golden("arrays.npz"));
    ASSERT_TRUE(model);
    WriteOptions options;
    options.compress = compress;
    EXPECT_TRUE(save(*model, "out.npz", options).empty());
    const auto again = open_path(at("out.npz"));
    ASSERT_TRUE(again) << again.error().to_string();
    EXPECT_TRUE(again->warnings().empty());
    ASSERT_EQ(again->tensors().size(), model->tensors().size());
    for (std::size_t i = 0; i < model->tensors().size(); ++i) {
      const NamedTensor& before = model->tensors()[i];
      const NamedTensor& after = again->tensors()[i];
      EXPECT_EQ(before.name, after.name);
      EXPECT_EQ(before.tensor.dtype(), after.tensor.dtype());
      EXPECT_EQ(before.tensor.logical(), after.tensor.logical());
      EXPECT_EQ(digest_of(before.tensor), digest_of(after.tensor)) << before.name;
    }
    // Plain arrays in a flat dict need no holdall.tree.
    const auto zip = ZipArchive::open(*open_file(at("out.npz")), {});
    ASSERT_TRUE(zip);
    EXPECT_EQ((*zip)->find("holdall.tree"), nullptr);
    EXPECT_EQ((*zip)->members()[0].method, compress ? 8 : 0);
  }
}

TEST_F(Numpy, ElementsOfWrittenArchivesAreAligned) {
  const auto model = open_path(golden("arrays.npz"));
  ASSERT_TRUE(model);
  WriteOptions options;
  options.alignment = 4096;
  save(*model, "out.npz", options);
  const auto again = open_path(at("out.npz"));
  ASSERT_TRUE(again);
  const auto zip = ZipArchive::open(*open_file(at("out.npz")), {});
  for (const ZipMember& member : (*zip)->members()) EXPECT_EQ(member.data_offset % 4096, 0u);
}

// A model with everything that NumPy cannot say: nesting, other values, dtypes of its own, strings that end with a NUL.
Model nested_model() {
  ModelBuilder builder;
  Arena& arena = *builder.arena;
  const auto tensor = [&](DType dtype, Shape shape, std::string bytes) {
    auto made = dtype == DType::kString
                    ? Tensor::strings(std::move(shape), Blob::memory(Bytes::adopt(std::move(bytes)), "made"))
                    : Tensor::dense(dtype, std::move(shape), Blob::memory(Bytes::adopt(std::move(bytes)), "made"));
    EXPECT_TRUE(made);
    return arena.tensor({.index = builder.add(*std::move(made))});
  };
  const NodeId weights = arena.dict();
  arena.set_item(weights, "bf16", tensor(DType::kBFloat16, {2, 2}, "abcdefgh"));
  arena.set_item(weights, "f8", tensor(DType::kFloat8E4M3FN, {3}, "xyz"));
  arena.set_item(weights, "c32", tensor(DType::kComplex32, {1}, "1234"));
  arena.set_item(weights, "int4", tensor(DType::kInt4, {2, 3}, "abc"));
  arena.set_item(weights, "q8", tensor(DType::kQ8_0, {2, 32}, std::string(68, 'q')));
  arena.set_item(weights, "quint8", tensor(DType::kQUInt8, {2}, "uv"));
  arena.set_item(weights, "padded", tensor(DType::kString, {1}, std::string("\2\0\0\0\0\0\0\0a\0", 10)));
  arena.set_item(weights, "bytes", tensor(DType::kString, {1}, std::string("\2\0\0\0\0\0\0\0\xff\xfe", 10)));
  arena.set_item(weights, "plain", tensor(DType::kFloat32, {}, "flot"));
  builder.tree = arena.dict();
  arena.set_item(builder.tree, "model_state_dict", weights);
  arena.set_item(builder.tree, "epoch", arena.integer(3));
  builder.metadata = arena.dict();
  arena.set_item(builder.metadata, "note", arena.string("kept"));
  auto model = std::move(builder).named_by_tree();
  EXPECT_TRUE(model);
  return *std::move(model);
}

TEST_F(Numpy, WhatNumPyCannotSayTravelsInHoldallTree) {
  const Model model = nested_model();
  for (const bool compress : {false, true}) {
    WriteOptions options;
    options.compress = compress;
    const auto losses = save(model, "out.npz", options);
    EXPECT_TRUE(losses.empty()) << losses.front().where << ": " << losses.front().what;
    const auto again = open_path(at("out.npz"));
    ASSERT_TRUE(again) << again.error().to_string();
    EXPECT_TRUE(again->warnings().empty()) << again->warnings().front();
    EXPECT_EQ(tree_of(*again), tree_of(model));
    EXPECT_EQ(again->metadata().find_string("note"), "kept");
    for (const NamedTensor& before : model.tensors()) {
      const auto after = again->tensor(before.name);
      ASSERT_TRUE(after) << before.name;
      EXPECT_EQ(after->dtype(), before.tensor.dtype());
      EXPECT_EQ(after->shape(), before.tensor.shape());
      EXPECT_EQ(digest_of(*after), digest_of(before.tensor)) << before.name;
    }
  }
  // NumPy sees the bits of a bfloat16 as uint16.
  const auto zip = ZipArchive::open(*open_file(at("out.npz")), {});
  const auto header = read_npy_header(*(*zip)->blob("model_state_dict.bf16.npy"), 0, {});
  ASSERT_TRUE(header);
  EXPECT_EQ(header->type.dtype, DType::kUInt16);
}

TEST_F(Numpy, WhatABareArrayLosesIsTold) {
  const Model nested = nested_model();
  EXPECT_EQ(k_numpy_format.plan(nested, {.name = "out.npy"}).error().code(), Code::kUnsupported);
  const auto one = open_path(golden("mixed.npz"));
  ASSERT_TRUE(one);
  const auto plan = k_numpy_format.plan(*one, {.name = "out.npy"});
  ASSERT_TRUE(plan);
  EXPECT_FALSE(plan->losses.empty());
}

TEST_F(Numpy, NamesThatNoArchiveHoldsAreLosses) {
  ModelBuilder builder;
  const auto tensor = Tensor::dense(DType::kUInt8, {1}, Blob::memory(Bytes::copy("x"), "made"));
  builder.add(*tensor);
  builder.add(*tensor);
  auto model = std::move(builder).named({"../up", "good"});
  ASSERT_TRUE(model);
  const auto losses = save(*model, "out.npz");
  ASSERT_FALSE(losses.empty());
  EXPECT_EQ(losses.front().where, "../up");
}

TEST_F(Numpy, VerifyComparesEveryChecksum) {
  std::string bytes = slurp(golden("arrays.npz"));
  Faults faults;
  const Context context;
  ASSERT_TRUE(k_numpy_format.verify(Bundle::of(memory_source(Bytes::copy(bytes), "file")), context, faults));
  EXPECT_TRUE(faults.list.empty());
  EXPECT_EQ(faults.crc32, open_path(golden("arrays.npz"))->tensors().size());
  const auto model = open_bytes(bytes);
  ASSERT_TRUE(model);
  const std::size_t at_element = bytes.find("float64.npy") + 165;
  bytes[at_element] = static_cast<char>(bytes[at_element] ^ 4);
  faults = {};
  ASSERT_TRUE(k_numpy_format.verify(Bundle::of(memory_source(Bytes::copy(bytes), "file")), context, faults));
  ASSERT_EQ(faults.list.size(), 1u);
  EXPECT_EQ(faults.list[0].where, "file!float64.npy");
  // A full read finds it too.
  const auto damaged = open_bytes(bytes);
  ASSERT_TRUE(damaged);
  EXPECT_EQ(damaged->tensor("float64")->data()->read().error().code(), Code::kCorrupt);
}

TEST_F(Numpy, TruncationIsRefusedAtEveryByte) {
  for (const char* file : {"float32.npy", "objects.npy", "mixed.npz"}) {
    const std::string whole = slurp(golden(file));
    for (std::size_t size = 0; size < whole.size(); ++size)
      EXPECT_FALSE(open_bytes(whole.substr(0, size))) << file << " " << size;
  }
}

TEST_F(Numpy, BytesBehindAnArrayAreRefused) {
  EXPECT_FALSE(open_bytes(slurp(golden("float32.npy")) + "x"));
  EXPECT_FALSE(open_bytes(slurp(golden("objects.npy")) + "x"));
  PlannedFile file;
  ZipPlanner planner(file, {});
  ASSERT_TRUE(planner.add("a.npy", Bytes::copy(slurp(golden("float32.npy")) + "x")));
  ASSERT_TRUE(planner.finish());
  Plan plan;
  plan.files.push_back(std::move(file));
  ASSERT_TRUE(execute(plan, at("a.npz"), {.durable = false}));
  EXPECT_FALSE(open_path(at("a.npz")));
}

TEST_F(Numpy, MembersThatAreNoArraysAreBytes) {
  PlannedFile file;
  ZipPlanner planner(file, {});
  ASSERT_TRUE(planner.add("a.npy", Bytes::copy(slurp(golden("float32.npy")))));
  ASSERT_TRUE(planner.add("notes.txt", Bytes::copy("hello")));
  ASSERT_TRUE(planner.finish());
  Plan plan;
  plan.files.push_back(std::move(file));
  ASSERT_TRUE(execute(plan, at("a.npz"), {.durable = false}));
  const auto model = open_path(at("a.npz"));
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_TRUE(model->tensor("a"));
  EXPECT_EQ(model->tree().find("notes.txt").as_blob().read()->text(), "hello");
}

TEST_F(Numpy, ItIsRecognisedByContent) {
  const auto match_of = [](const std::string& bytes) {
    const Bundle bundle = Bundle::of(memory_source(Bytes::copy(bytes), "file"));
    const Limits limits;
    Peek peek(bundle, limits);
    return k_numpy_format.match(peek);
  };
  EXPECT_EQ(match_of(slurp(golden("float32.npy"))), Match::kCertain);
  EXPECT_EQ(match_of(slurp(golden("compressed.npz"))), Match::kCertain);
  EXPECT_EQ(match_of("PK\3\4 and nothing more"), Match::kNo);
  EXPECT_EQ(match_of("text"), Match::kNo);
}

}  // namespace
}  // namespace holdall
