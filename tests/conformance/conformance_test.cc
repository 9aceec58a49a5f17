// What every format promises, whatever its layout. A format is tried as soon as its row is in the table; where it cannot keep a
// promise, the exception stands in kTraits with its reason.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "holdall/formats/format.h"
#include "holdall/io/execute.h"
#include "tests/conformance/specimens.h"

namespace holdall::conformance {
namespace {

namespace fs = std::filesystem;

struct Traits {
  std::string_view id;
  std::string_view extension = {};  // of the files to try, where the format has several; empty: its first
  bool finds_flips = true;          // every flipped bit that changes what is read is refused, or found by verify
  bool keeps_views = true;          // a tensor that is a view of another's memory is one again
  std::string_view unwritten = {};  // why models from elsewhere are not written; its own tests write those that it has read
};

// The promises that a format does not make, and why.
constexpr Traits kTraits[] = {
    // A pickle has no checksum, and NumPy pickles views as copies.
    {.id = "pickle", .finds_flips = false, .keeps_views = false},
    {.id = "joblib", .finds_flips = false, .keeps_views = false},
    {.id = "tf-savedmodel", .unwritten = "a graph is written with other weights, never made"},
    {.id = "tflite", .unwritten = "a graph is written with other weights, never made"},
    {.id = "onnx", .unwritten = "a graph is written with other weights, never made"},
    // A .npy file holds one array.
    {.id = "numpy", .extension = ".npz"},
    {.id = "keras", .unwritten = "its files hold variables of Keras's layers alone"},
    // The metadata that every version of HDF5 reads have no checksums.
    {.id = "keras-h5", .finds_flips = false},
    // MessagePack has no checksums, and a tree that Flax can say is written without holdall.tree.
    {.id = "flax", .finds_flips = false},
};

Traits traits_of(const Format& format) {
  for (const Traits& traits : kTraits)
    if (traits.id == format.id) return traits;
  return {.id = format.id};
}

class EveryFormat : public ::testing::TestWithParam<const Format*> {
 protected:
  EveryFormat() : folder_(fs::temp_directory_path() / ("holdall-conformance-" + std::to_string(::getpid()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~EveryFormat() override { fs::remove_all(folder_); }

  const Format& format() const { return *GetParam(); }
  Traits traits() const { return traits_of(format()); }
  bool is_written() const { return unwritten().empty(); }
  std::string_view unwritten() const { return format().plan == nullptr ? "it is read only" : traits().unwritten; }

  std::string file_name() const {
    if (format().extensions.empty()) return "model";
    return "model" + std::string(traits().extension.empty() ? format().extensions[0] : traits().extension);
  }

  Result<Plan> planned(const Model& model) const {
    WriteOptions options;
    options.name = file_name();
    return format().plan(model, options);
  }

  Model specimen() const { return traits().keeps_views ? checkpoint() : checkpoint_without_views(); }

  // Writes the model; the path of what was written.
  Result<std::string> written(const Model& model) const {
    HOLDALL_ASSIGN(const Plan plan, planned(model));
    if (!plan.losses.empty()) return Error(Code::kLoss, plan.losses[0].where + ": " + plan.losses[0].what);
    const std::string path = (folder_ / file_name()).string();
    ExecuteOptions options;
    options.durable = false;
    HOLDALL_TRY(execute(plan, path, options));
    return path;
  }

  static Result<Model> opened(const Bundle& bundle, const Limits& limits = {}) {
    HOLDALL_ASSIGN(const Format* found, detect(bundle, limits));
    Context context;
    context.limits = limits;
    return found->read(bundle, context);
  }

  static Result<Model> opened(const std::string& path, const Limits& limits = {}) {
    HOLDALL_ASSIGN(const Bundle bundle, Bundle::open(path, limits));
    return opened(bundle, limits);
  }

  static Result<Model> opened_bytes(const std::string& bytes) {
    return opened(Bundle::of(memory_source(Bytes::copy(bytes), "damaged")));
  }

  // Whether verify finds anything wrong with the bytes.
  static bool is_faulted(const std::string& bytes) {
    const Bundle bundle = Bundle::of(memory_source(Bytes::copy(bytes), "damaged"));
    const auto found = detect(bundle, {});
    Faults faults;
    return !found || !(*found)->verify(bundle, {}, faults) || !faults.list.empty();
  }

  static std::string slurp(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  fs::path folder_;
};

TEST_P(EveryFormat, PlainTensorsComeBackEqual) {
  if (!is_written()) GTEST_SKIP() << unwritten();
  const Model model = plain();
  const auto path = written(model);
  ASSERT_TRUE(path) << path.error().to_string();
  const auto again = opened(*path);
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ(again->origin().format, format().id);
  EXPECT_EQ(described_tensors(*again), described_tensors(model));
  EXPECT_THAT(again->warnings(), ::testing::IsEmpty());
  EXPECT_EQ(described(*again), described(model));
}

TEST_P(EveryFormat, ACheckpointComesBackWithItsTree) {
  if (!is_written()) GTEST_SKIP() << unwritten();
  const Model model = specimen();
  const auto path = written(model);
  ASSERT_TRUE(path) << path.error().to_string();
  const auto again = opened(*path);
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ(described(*again), described(model));
}

TEST_P(EveryFormat, AConfigIsKeptOrALoss) {
  if (!is_written()) GTEST_SKIP() << unwritten();
  const Model model = ModelBuilder::amended(plain(), "", [](ModelBuilder& builder) {
    builder.config = builder.arena->dict();
    builder.arena->set_item(builder.config, "hidden_size", builder.arena->integer(384));
  });
  auto plan = planned(model);
  ASSERT_TRUE(plan) << plan.error().to_string();
  if (!plan->losses.empty()) {
    ASSERT_EQ(plan->losses.size(), 1u);
    EXPECT_EQ(plan->losses[0].where, "config");
    return;
  }
  const auto path = written(model);
  ASSERT_TRUE(path) << path.error().to_string();
  const auto again = opened(*path);
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ(again->config().find_int("hidden_size"), 384);
}

TEST_P(EveryFormat, ACheckpointInShardsComesBackWithItsTreeOrShardsAreRefused) {
  if (!is_written()) GTEST_SKIP() << unwritten();
  WriteOptions options;
  options.shard_bytes = 40;
  options.name = file_name();
  const auto plan = format().plan(specimen(), options);
  if (!plan) {
    EXPECT_EQ(plan.error().code(), Code::kInvalidArgument);
    EXPECT_THAT(plan.error().to_string(), ::testing::HasSubstr("no shards"));
    return;
  }
  ASSERT_TRUE(plan->folder) << "the wish for shards was passed over";
  EXPECT_THAT(plan->losses, ::testing::IsEmpty());
  ExecuteOptions execution;
  execution.durable = false;
  const std::string path = (folder_ / "shards").string();
  ASSERT_TRUE(execute(*plan, path, execution));
  const auto model = opened(path);
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_EQ(described(*model), described(specimen()));
  EXPECT_GT(model->origin().files.size(), 2u);
}

TEST_P(EveryFormat, AnEmptyModelIsHeldOrRefused) {
  if (!is_written()) GTEST_SKIP() << unwritten();
  ModelBuilder builder;
  builder.tree = builder.arena->dict();
  const Model model = *std::move(builder).named_by_tree();
  const auto path = written(model);
  if (!path) return;
  const auto again = opened(*path);
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_TRUE(again->tensors().empty());
}

TEST_P(EveryFormat, EveryDTypeIsHeldOrALoss) {
  if (!is_written()) GTEST_SKIP() << unwritten();
  for (std::size_t i = 0; i < all_dtypes().size(); ++i) {
    const auto dtype = static_cast<DType>(i);
    const Model model = of_dtype(dtype);
    const auto path = written(model);
    if (!path) {
      EXPECT_EQ(path.error().code(), Code::kLoss) << name(dtype) << ": " << path.error().to_string();
      continue;
    }
    const auto again = opened(*path);
    ASSERT_TRUE(again) << name(dtype) << ": " << again.error().to_string();
    EXPECT_EQ(described_tensors(*again), described_tensors(model)) << name(dtype);
  }
}

TEST_P(EveryFormat, WhatIsWrittenIsSound) {
  if (!is_written()) GTEST_SKIP() << unwritten();
  const auto path = written(specimen());
  ASSERT_TRUE(path) << path.error().to_string();
  const auto bundle = Bundle::open(*path, {});
  Faults faults;
  const Status verified = format().verify(*bundle, {}, faults);
  ASSERT_TRUE(verified) << verified.error().to_string();
  EXPECT_TRUE(faults.list.empty()) << faults.list[0].what;
  Findings findings;
  const Status judged = format().acts(*bundle, {}, findings);
  ASSERT_TRUE(judged) << judged.error().to_string();
  for (const Finding& finding : findings) EXPECT_EQ(finding.severity, Verdict::kInert) << finding.what;
}

TEST_P(EveryFormat, TruncationAtAnyByteIsNeverAnotherModel) {
  if (!is_written() || format().folder) GTEST_SKIP() << (is_written() ? "needs a file to cut" : unwritten());
  const Model model = plain();
  const auto path = written(model);
  ASSERT_TRUE(path) << path.error().to_string();
  const std::string whole = slurp(*path);
  const std::string expected = described_tensors(model);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto cut = opened_bytes(whole.substr(0, size));
    if (!cut) continue;
    const std::string found = described_tensors(*cut);
    EXPECT_TRUE(found == expected || found.find("unreadable") != std::string::npos) << "cut at " << size << "\n" << found;
  }
}

TEST_P(EveryFormat, AFileOfAFolderThatIsCutOrMissingIsNeverAnotherModel) {
  if (!is_written() || !format().folder) GTEST_SKIP() << (is_written() ? "is no folder" : unwritten());
  const Model model = plain();
  const auto path = written(model);
  ASSERT_TRUE(path) << path.error().to_string();
  const std::string expected = described_tensors(model);
  const auto bundle = Bundle::open(*path, {});
  for (const std::string& name : bundle->names()) {
    const fs::path file = fs::path(*path) / name;
    const std::string whole = slurp(file.string());
    for (std::size_t size = 0; size < whole.size(); ++size) {
      std::ofstream(file, std::ios::binary) << whole.substr(0, size);
      const auto cut = opened(*path);
      if (!cut) continue;
      const std::string found = described_tensors(*cut);
      EXPECT_TRUE(found == expected || found.find("unreadable") != std::string::npos) << name << " cut at " << size << "\n"
                                                                                      << found;
    }
    fs::remove(file);
    const auto without = opened(*path);
    EXPECT_TRUE(!without || described_tensors(*without) == expected) << "without " << name;
    std::ofstream(file, std::ios::binary) << whole;
  }
}

TEST_P(EveryFormat, AFlippedBitIsRefusedOrFoundOrHarmless) {
  if (!is_written() || format().folder) GTEST_SKIP() << (is_written() ? "needs a file to damage" : unwritten());
  const Model model = specimen();
  const auto path = written(model);
  ASSERT_TRUE(path) << path.error().to_string();
  const std::string whole = slurp(*path);
  const std::string expected = described(model);
  ASSERT_FALSE(is_faulted(whole));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    const auto read = opened_bytes(damaged);
    if (!read || !traits().finds_flips) continue;
    EXPECT_TRUE(described(*read) == expected || is_faulted(damaged)) << "byte " << at << "\n" << described(*read);
  }
}

TEST_P(EveryFormat, LimitsHold) {
  if (!is_written()) GTEST_SKIP() << unwritten();
  const auto path = written(plain());
  ASSERT_TRUE(path) << path.error().to_string();
  Limits limits;
  limits.tensors = 2;
  limits.members = format().folder ? limits.members : 2;
  limits.opcodes = 5;
  const auto model = opened(*path, limits);
  ASSERT_FALSE(model) << "six tensors were read, two are allowed";
  EXPECT_EQ(model.error().code(), Code::kLimit) << model.error().to_string();
}

// Counts the bytes that are read.
class CountingSource final : public Source {
 public:
  CountingSource(SourceRef whole, std::atomic<std::uint64_t>& count) : whole_(std::move(whole)), count_(count) {}
  std::uint64_t size() const noexcept override { return whole_->size(); }
  const std::string& name() const noexcept override { return whole_->name(); }
  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    count_ += out.size();
    return whole_->read_at(offset, out);
  }

 private:
  SourceRef whole_;
  std::atomic<std::uint64_t>& count_;
};

TEST_P(EveryFormat, OpeningReadsNoTensorBytes) {
  if (!is_written() || format().folder) GTEST_SKIP() << (is_written() ? "needs a file to watch" : unwritten());
  constexpr std::uint64_t kBytes = 32u << 20;
  const auto path = written(large(kBytes));
  ASSERT_TRUE(path) << path.error().to_string();
  std::atomic<std::uint64_t> count = 0;
  const auto file = open_file(*path);
  ASSERT_TRUE(file);
  const auto model = opened(Bundle::of(std::make_shared<CountingSource>(*file, count)));
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_EQ(model->tensors().at(0).tensor.bytes(), kBytes);
  EXPECT_LT(count.load(), kBytes / 16);
}

std::string id_of(const ::testing::TestParamInfo<const Format*>& format) {
  std::string id(format.param->id);
  std::replace(id.begin(), id.end(), '-', '_');
  return id;
}

INSTANTIATE_TEST_SUITE_P(Formats, EveryFormat, ::testing::ValuesIn(all_formats().begin(), all_formats().end()), id_of);

}  // namespace
}  // namespace holdall::conformance
