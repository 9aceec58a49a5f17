#include "holdall/formats/tf_checkpoint/tf_checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "holdall/base/crc32c.h"
#include "holdall/codec/sstable.h"
#include "holdall/core/state_dict.h"
#include "holdall/formats/format_test_files.h"
#include "holdall/formats/tf_checkpoint/bundle_index.h"
#include "holdall/io/execute.h"

namespace holdall {

extern const Format k_tf_checkpoint_format;

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

const std::string kData = HOLDALL_SOURCE_DIR "/holdall/formats/tf_checkpoint/testdata/";

Result<Model> open(const std::string& path) {
  HOLDALL_ASSIGN(const Bundle bundle, Bundle::open(path, Limits()));
  HOLDALL_ASSIGN(const Format* format, detect(bundle, {}));
  EXPECT_EQ(format->id, "tf-checkpoint");
  return format->read(bundle, Context());
}

// The lines of a .tsv, made of a model.
std::string listed(const Model& model) {
  std::string lines;
  for (const NamedTensor& entry : model.tensors()) {
    const std::string& logical = entry.tensor.logical();
    std::string shape = to_string(entry.tensor.shape());
    std::erase_if(shape, [](char c) { return c == '[' || c == ']' || c == ' '; });
    const auto digest = entry.tensor.digest();
    lines += entry.name + "\t" + (logical.empty() ? std::string(name(entry.tensor.dtype())) : logical) + "\t" + shape + "\t" +
             (digest ? to_hex(*digest) : digest.error().to_string()) + "\n";
  }
  return lines;
}

Faults verified(const std::string& path) {
  const auto bundle = Bundle::open(path, {});
  Faults faults;
  const Status verified = k_tf_checkpoint_format.verify(*bundle, {}, faults);
  EXPECT_TRUE(verified) << verified.error().to_string();
  return faults;
}

Result<Model> rewritten(const Model& model, const std::string& path, const WriteOptions& options = {}) {
  HOLDALL_ASSIGN(const Plan plan, k_tf_checkpoint_format.plan(model, options));
  EXPECT_THAT(plan.losses, IsEmpty());
  HOLDALL_TRY(execute(plan, path, {.durable = false}));
  return open(path);
}

TEST(TfCheckpoint, EveryDTypeIsRead) {
  const auto model = open(kData + "dtypes.index");
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_EQ(listed(*model), slurp(kData + "dtypes.tsv"));
  EXPECT_THAT(verified(kData + "dtypes.index").list, IsEmpty());
}

TEST(TfCheckpoint, ThePrefixAndADataFileStandForTheIndex) {
  for (const char* name : {"dtypes", "dtypes.data-00000-of-00001"}) {
    const auto model = open(kData + name);
    ASSERT_TRUE(model) << model.error().to_string();
    EXPECT_EQ(model->tensors().size(), 27u);
    EXPECT_THAT(model->origin().files, ElementsAre("dtypes.index", "dtypes.data-00000-of-00001"));
  }
}

TEST(TfCheckpoint, AFolderIsReadByItsStateFileThoughItsPathsAreStale) {
  for (const char* name : {"stale", "stale/checkpoint", "stale/ckpt-3"}) {
    const auto model = open(kData + name);
    ASSERT_TRUE(model) << model.error().to_string();
    EXPECT_EQ(listed(*model), slurp(kData + "stale.tsv")) << name;
    EXPECT_THAT(model->warnings(), IsEmpty());
  }
}

TEST(TfCheckpoint, TheObjectGraphGivesTreeAndPathsAndSlots) {
  const auto model = open(kData + "stale");
  ASSERT_TRUE(model);
  const Value tree = model->tree();
  const auto at = [&](Value place) {
    return place.is(ValueKind::kTensor) ? model->tensors()[place.as_tensor().index].name : "";
  };
  const std::string kernel = "model/tied/kernel/.ATTRIBUTES/VARIABLE_VALUE";
  EXPECT_EQ(at(tree.find("model").find("tied").find("kernel")), kernel);
  EXPECT_EQ(at(tree.find("save_counter")), "save_counter/.ATTRIBUTES/VARIABLE_VALUE");
  const std::string slot = "model/tied/kernel/.OPTIMIZER_SLOT/momentum/momentum/.ATTRIBUTES/VARIABLE_VALUE";
  const Value slots = tree.find("momentum").find(".OPTIMIZER_SLOT").find("momentum");
  ASSERT_TRUE(slots.is(ValueKind::kDict));
  EXPECT_EQ(at(slots.mapped(0)), slot);
  const Value about = model->metadata().find("variables").find(slot);
  EXPECT_EQ(about.find_string("slot"), "momentum");
  EXPECT_EQ(about.find_string("slot_of"), kernel);
  EXPECT_EQ(model->metadata().find("variables").find(kernel).find_string("path"), "model.tied.kernel");
  EXPECT_EQ(model->metadata().find("variables").find(kernel).find_string("full_name"), "kernel");
}

TEST(TfCheckpoint, SlicesOfPartitionedVariablesAreOneTensor) {
  const auto model = open(kData + "sliced.index");
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_EQ(listed(*model), slurp(kData + "sliced.tsv"));
  EXPECT_THAT(verified(kData + "sliced").list, IsEmpty());
  const Tensor wide = *model->tensor("net/wide");
  const auto data = wide.data();
  std::vector<float> some(3);  // 6, 7, 8: behind the end of a row
  ASSERT_TRUE(data->read_at(6 * 4, std::as_writable_bytes(std::span(some))));
  EXPECT_EQ(some, (std::vector<float>{wide.read<float>()->at(6), wide.read<float>()->at(7), wide.read<float>()->at(8)}));
}

// An index whose one tensor has these slices of its one dimension; `of_slice` stands in the slices' own entries.
std::string sliced_index(const std::vector<std::int64_t>& lengths, const std::string& of_slice) {
  const std::uint64_t sizes[] = {2};
  ProtoWriter whole;
  whole.varint(1, 1).message(2, write_tensorflow_shape(sizes));
  std::map<std::string, std::string> entries = {{"", tf_checkpoint::write_header(1)}};
  for (const std::int64_t length : lengths) {
    const auto extent = ProtoWriter().varint(2, static_cast<std::uint64_t>(length));
    whole.message(7, ProtoWriter().message(1, extent));
    const std::string key = tf_checkpoint::slice_key("w", {{0, length}});
    entries[key] = ProtoWriter().varint(1, 1).take() + of_slice;
    entries[tf_checkpoint::slice_key(key, {})] = ProtoWriter().varint(1, 1).take();
  }
  entries["w"] = whole.take();
  SortedTableWriter table;
  for (const auto& [key, value] : entries) table.add(key, value);
  return std::move(table).finish();
}

TEST(TfCheckpoint, ASliceHasBytesOfItsOwnAndIsNamedOnce) {
  // The data file of a tensor with slices means nothing, and is not looked for.
  const std::string nested = ProtoWriter().varint(3, 7'000'000).bytes(7, "").take();
  for (const auto& [index, what] : {std::pair(sliced_index({2}, nested), "a slice has slices"),
                                    std::pair(sliced_index({1, 1}, ""), "two slices are the same")}) {
    const Scratch scratch;
    std::ofstream(scratch / "s.index", std::ios::binary) << index;
    std::ofstream(scratch / "s.data-00000-of-00001", std::ios::binary) << "12345678";
    const auto model = open(scratch / "s.index");
    ASSERT_FALSE(model);
    EXPECT_EQ(model.error().code(), Code::kCorrupt);
    EXPECT_THAT(model.error().to_string(), HasSubstr(what));
  }
}

// A checkpoint as a machine with the other byte order would have written it, without its texts.
void write_big_endian(const std::string& name, const std::string& to) {
  const auto table = SortedTable::open(*open_file(kData + name + ".index"), {});
  const auto index = tf_checkpoint::read_index(*table, {});
  std::string data = slurp(kData + name + ".data-00000-of-00001");
  SortedTableWriter written;
  ASSERT_TRUE(table->for_each([&](std::string_view key, std::string_view value, std::uint64_t) -> Status {
    if (key.empty()) {
      written.add(key, ProtoWriter().varint(1, 1).varint(2, 1).take());
      return {};
    }
    const tf_checkpoint::Entry& entry = *index->find(key);
    const TensorFlowType* type = tensorflow_type(entry.dtype);
    if (type == nullptr || type->dtype == DType::kString) return {};
    if (!entry.slices.empty()) {
      written.add(key, value);
      return {};
    }
    const bool is_complex = info(type->dtype).kind == DTypeKind::kComplex;
    const std::size_t width = std::max<std::size_t>(1, info(type->dtype).block_bytes / (is_complex ? 2 : 1));
    for (std::uint64_t at = entry.offset; at < entry.offset + entry.size; at += width) {
      const auto begin = data.begin() + static_cast<std::ptrdiff_t>(at);
      std::reverse(begin, begin + static_cast<std::ptrdiff_t>(width));
    }
    const auto part = std::string_view(data).substr(entry.offset, entry.size);
    written.add(key, tf_checkpoint::write_entry(static_cast<std::uint32_t>(entry.dtype), entry.shape.sizes, 0, entry.offset,
                                                entry.size, crc32c(as_bytes(part))));
    return {};
  }));
  std::ofstream(to + ".index", std::ios::binary) << std::move(written).finish();
  std::ofstream(to + ".data-00000-of-00001", std::ios::binary) << data;
}

TEST(TfCheckpoint, BytesOfTheOtherOrderAreTheSameValues) {
  for (const std::string name : {"dtypes", "sliced"}) {
    const Scratch scratch;
    write_big_endian(name, scratch / "big");
    const auto model = open(scratch / "big.index");
    ASSERT_TRUE(model) << model.error().to_string();
    EXPECT_THAT(model->origin().detail, HasSubstr("big-endian"));
    EXPECT_THAT(verified(scratch / "big.index").list, IsEmpty());
    const std::string all = slurp(kData + name + ".tsv");
    std::string numbers;
    for (std::size_t at = 0; at < all.size();) {
      const std::size_t end = all.find('\n', at) + 1;
      if (all.substr(at, end - at).find("\tstring\t") == std::string::npos) numbers += all.substr(at, end - at);
      at = end;
    }
    EXPECT_EQ(listed(*model), numbers);
  }
}

TEST(TfCheckpoint, V1FilesHoldTheSame) {
  const auto model = open(kData + "old.ckpt");
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_EQ(listed(*model), slurp(kData + "sliced.tsv"));
  EXPECT_EQ(model->origin().detail, "V1");
  EXPECT_THAT(verified(kData + "old.ckpt").list, IsEmpty());
}

TEST(TfCheckpoint, SeveralDataFilesAreOneModel) {
  const auto model = open(kData + "sharded");
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_EQ(listed(*model), slurp(kData + "sharded.tsv"));
  EXPECT_EQ(model->tensors().back().file.str(), "sharded.data-00001-of-00002");
  EXPECT_GT(verified(kData + "sharded").crc32c, 4u);
}

TEST(TfCheckpoint, FilesWithoutTheUsualPrefixOpen) {
  const Scratch scratch;
  fs::copy(kData + "dtypes.index", scratch / "renamed.index");
  fs::copy(kData + "dtypes.data-00000-of-00001", scratch / "data-00000-of-00001");
  const auto model = open(scratch / "renamed.index");
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_EQ(listed(*model), slurp(kData + "dtypes.tsv"));
  fs::remove(scratch / "data-00000-of-00001");
  const auto without = open(scratch / "renamed.index");
  ASSERT_FALSE(without);
  EXPECT_EQ(without.error().code(), Code::kNotFound);
  EXPECT_THAT(without.error().to_string(), HasSubstr("renamed.data-00000-of-00001"));
}

TEST(TfCheckpoint, EveryFlippedBitOfTheDataIsFoundByVerifyingAndByReading) {
  const Scratch scratch;
  fs::copy(kData + "sharded.index", scratch / "s.index");
  fs::copy(kData + "sharded.data-00001-of-00002", scratch / "s.data-00001-of-00002");
  const std::string whole = slurp(kData + "sharded.data-00000-of-00002");
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 8);
    std::ofstream(scratch / "s.data-00000-of-00002", std::ios::binary) << damaged;
    const auto model = open(scratch / "s.index");
    ASSERT_TRUE(model);
    EXPECT_EQ(verified(scratch / "s.index").list.size(), 1u) << at;
    EXPECT_THAT(listed(*model), HasSubstr("was stored")) << at;
  }
}

TEST(TfCheckpoint, KeysOfSlicesAreTensorFlows) {
  using tf_checkpoint::slice_key;
  EXPECT_EQ(slice_key("a", {{0, -1}}), std::string_view("\0a\0\1\1\1\x80\x7f", 8));
  EXPECT_EQ(slice_key(std::string_view("\0\xff", 2), {{64, 8191}}),
            std::string_view("\0\0\xff\xff\0\0\1\1\1\xc0\x40\xdf\xff", 13));
  EXPECT_EQ(slice_key("", {{8192, 63}}), std::string_view("\0\0\1\1\1\xe0\x20\x00\xbf", 9));
}

TEST(TfCheckpoint, AFileIsRewrittenWithItsObjectGraph) {
  const Scratch scratch;
  const auto model = open(kData + "stale");
  ASSERT_TRUE(model);
  const auto again = rewritten(*model, scratch / "out");
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ(listed(*again), listed(*model));
  EXPECT_EQ(again->metadata().find("object_graph").as_bytes(), model->metadata().find("object_graph").as_bytes());
  EXPECT_THAT(verified(scratch / "out").list, IsEmpty());
  const auto flat = open(kData + "sliced");
  const auto flat_again = rewritten(*flat, scratch / "flat");
  ASSERT_TRUE(flat_again) << flat_again.error().to_string();
  EXPECT_EQ(listed(*flat_again), listed(*flat));
  EXPECT_EQ(slurp(scratch / "flat/checkpoint"), "model_checkpoint_path: \"ckpt\"\nall_model_checkpoint_paths: \"ckpt\"\n");
}

TEST(TfCheckpoint, ATableThatIsSavedAsItsKeysAndValuesKeepsTheObjectGraph) {
  const Scratch scratch;
  const std::string key = "words/.ATTRIBUTES/table";
  const std::string root = ProtoWriter().bytes(1, ProtoWriter().varint(1, 1).bytes(2, "words").take()).take();
  const std::string table = ProtoWriter().bytes(2, ProtoWriter().bytes(1, "table").bytes(3, key).take()).take();
  ModelBuilder builder;
  builder.metadata = builder.arena->dict();
  builder.arena->set_item(builder.metadata, "object_graph",
                          builder.arena->bytes(ProtoWriter().bytes(1, root).bytes(1, table).take()));
  for (int i = 0; i < 2; ++i)
    builder.add(*Tensor::dense(DType::kInt64, {1}, Blob::memory(Bytes::copy(std::string_view("\1\0\0\0\0\0\0\0", 8)), "t")));
  const Model model = *std::move(builder).named({key + "-keys", key + "-values"});
  const auto again = rewritten(model, scratch / "out");
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ(again->metadata().find("object_graph").as_bytes(), model.metadata().find("object_graph").as_bytes());
  EXPECT_EQ(again->tensors().size(), 2u);
}

TEST(TfCheckpoint, ATreeFromElsewhereGetsAnObjectGraphOfItsNames) {
  const Scratch scratch;
  StateDict state;
  const std::string bytes(8, '\1');
  state.dict("model")
      .dict("layer.with/odd")
      .set("w", *Tensor::dense(DType::kFloat32, {2}, Blob::memory(Bytes::copy(bytes), "w")));
  state.set("step", *Tensor::dense(DType::kInt64, {}, Blob::memory(Bytes::copy(bytes), "s")));
  state.set("note", "kept");
  const Model model = *state.model();
  const auto again = rewritten(model, scratch / "out");
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_TRUE(again->find("model.layer.with/odd.w") && again->find("step"));
  EXPECT_EQ(again->tensors().size(), 2u);
  EXPECT_EQ(again->tree().find_string("note"), "kept");
  EXPECT_THAT(again->warnings(), IsEmpty());
  const auto table = SortedTable::open(*open_file(scratch / "out/ckpt.index"), {});
  for (const char* key : {"model/layer/with.Sodd/w/.ATTRIBUTES/VARIABLE_VALUE", "step/.ATTRIBUTES/VARIABLE_VALUE",
                          "save_counter/.ATTRIBUTES/VARIABLE_VALUE", "_CHECKPOINTABLE_OBJECT_GRAPH"}) {
    EXPECT_TRUE(table->find(key)->has_value()) << key;
  }
}

TEST(TfCheckpoint, DTypesThatTensorFlowHasAreWrittenAsItsOwn) {
  const Scratch scratch;
  const auto model = open(kData + "dtypes");
  ASSERT_TRUE(model);
  WriteOptions options;
  options.shard_bytes = 300;
  const auto again = rewritten(*model, scratch / "out", options);
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ(listed(*again), listed(*model));
  EXPECT_GT(again->origin().files.size(), 4u);
}

}  // namespace
}  // namespace holdall
