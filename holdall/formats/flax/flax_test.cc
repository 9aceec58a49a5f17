#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "holdall/codec/document.h"
#include "holdall/codec/msgpack.h"
#include "holdall/formats/format.h"
#include "holdall/formats/format_test_files.h"
#include "holdall/io/joined.h"

namespace holdall {

extern const Format k_flax_format;

namespace {

using ::testing::HasSubstr;

std::string golden(const std::string& name) {
  return std::string(HOLDALL_SOURCE_DIR) + "/holdall/formats/flax/testdata/" + name;
}

Result<Model> opened(const Bundle& bundle, const Limits& limits = {}) {
  HOLDALL_ASSIGN(const Format* found, detect(bundle, limits));
  EXPECT_EQ(found, &k_flax_format);
  Context context;
  context.limits = limits;
  return k_flax_format.read(bundle, context);
}

Result<Model> open_golden(const std::string& name) {
  HOLDALL_ASSIGN(const Bundle bundle, Bundle::open(golden(name), {}));
  return opened(bundle);
}

Bundle of_bytes(std::string_view bytes) { return Bundle::of(memory_source(Bytes::copy(bytes), "bytes.msgpack")); }

Result<Model> open_bytes(std::string_view bytes) { return k_flax_format.read(of_bytes(bytes), {}); }

// The plan's bytes as they would stand in the file. Precondition: it has no late parts.
Bundle written(const Plan& plan) {
  std::vector<Blob> pieces;
  for (const Part& part : plan.files.at(0).parts) {
    if (const auto* literal = std::get_if<Part::Literal>(&part.content)) pieces.push_back(Blob::memory(literal->bytes, "part"));
    if (const auto* data = std::get_if<Part::Data>(&part.content)) pieces.push_back(data->blob);
  }
  return Bundle::of(joined_source(std::move(pieces), "written.msgpack"));
}

std::string bytes_of(const Bundle& bundle) {
  const auto bytes = read_all(*bundle.main(), UINT64_MAX);
  return bytes ? std::string(bytes->text()) : bytes.error().to_string();
}

std::string tree_text(const Model& model) {
  JsonWriter json;
  const auto name_of = [&](std::uint32_t index) -> std::string_view {
    for (const NamedTensor& entry : model.tensors())
      if (entry.index == index) return entry.name;
    return "?";
  };
  const Status status = write_document(json, model.tree(), name_of);
  return status ? std::move(json).take() : status.error().to_string();
}

TEST(Flax, ArraysAreThoseThatFlaxRestores) {
  for (const auto& row : rows_of(golden("digests.tsv"))) {
    if (row[0].starts_with("shards/")) continue;
    const auto model = open_golden(row[0]);
    ASSERT_TRUE(model) << row[0] << ": " << model.error().to_string();
    if (row[2] == "float128") continue;
    const NamedTensor* const entry = model->find(row[1]);
    ASSERT_NE(entry, nullptr) << row[0] << " " << row[1];
    EXPECT_EQ(shape_text(entry->tensor.shape()), row[3]) << row[1];
    EXPECT_EQ(entry->file, row[0]);
    if (info(entry->tensor.dtype()).block_elements != 1) continue;  // as packed here, a byte each there
    EXPECT_EQ(digest_of(entry->tensor), row[4]) << row[0] << " " << row[1];
    const std::string dtype =
        entry->tensor.logical().empty() ? std::string(name(entry->tensor.dtype())) : entry->tensor.logical();
    EXPECT_EQ(dtype, row[2]);
  }
}

TEST(Flax, EveryGoldenFileIsWrittenAgainByteForByte) {
  for (const char* file : {"dtypes.msgpack", "alone.msgpack", "state.msgpack", "values.msgpack"}) {
    const auto model = open_golden(file);
    ASSERT_TRUE(model) << file;
    const auto plan = k_flax_format.plan(*model, {});
    ASSERT_TRUE(plan) << plan.error().to_string();
    EXPECT_THAT(plan->losses, ::testing::IsEmpty()) << file;
    EXPECT_EQ(bytes_of(written(*plan)), slurp(golden(file))) << file;
  }
}

TEST(Flax, ScalarsComplexNumbersAndPlainValuesAreValues) {
  const auto model = open_golden("values.msgpack");
  ASSERT_TRUE(model) << model.error().to_string();
  const std::string text = tree_text(*model);
  EXPECT_THAT(text, HasSubstr(R"("complex":{"$complex":[1.0,-2.0]})"));
  EXPECT_THAT(text, HasSubstr(R"("list":{"0":1,"1":-2.5,"2":null,"3":true,"4":"text","5":{"$bytes":"Ynl0ZXM="}})"));
  EXPECT_THAT(text, HasSubstr(R"("u8":{"$object":"numpy.uint64","args":[18446744073709551615]})"));
  EXPECT_THAT(text, HasSubstr(R"("b":{"$object":"numpy.bool_","args":[true]})"));
  EXPECT_THAT(text, HasSubstr(R"("float128":{"$object":"numpy.ndarray")"));
  EXPECT_THAT(model->warnings(), ::testing::ElementsAre(HasSubstr("float128")));
  EXPECT_EQ(model->origin().framework, "flax");
}

TEST(Flax, ChunksAreJoinedToOneArray) {
  const auto model = open_golden("chunked.msgpack");
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_EQ(tree_text(*model), R"({"a":{"w":{"$tensor":"a.w"}},"b":{"$tensor":"b"}})");
}

TEST(Flax, ShardsAreOneTree) {
  const auto model = open_golden("shards/flax_model.msgpack.index.json");
  ASSERT_TRUE(model) << model.error().to_string();
  std::size_t count = 0;
  for (const auto& row : rows_of(golden("digests.tsv"))) {
    if (!row[0].starts_with("shards/")) continue;
    ++count;
    const NamedTensor* const entry = model->find(row[1]);
    ASSERT_NE(entry, nullptr) << row[1];
    EXPECT_EQ(digest_of(entry->tensor), row[4]);
    EXPECT_EQ("shards/" + entry->file.str(), row[0]);
  }
  EXPECT_EQ(model->tensors().size(), count);
  EXPECT_EQ(model->origin().files.size(), 3u);
}

TEST(Flax, AShardThatLacksWhatTheIndexPutsThereIsCorrupt) {
  const Scratch folder;
  const std::string index = slurp(golden("shards/flax_model.msgpack.index.json"));
  for (const char* shard : {"flax_model-00001-of-00002.msgpack", "flax_model-00002-of-00002.msgpack"}) {
    folder.write(shard, slurp(golden(std::string("shards/") + shard)));
  }
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string changed = index;
    changed.replace(changed.find(from), from.size(), to);
    return k_flax_format.read(*Bundle::open(folder.write("i.json", changed), {}), {});
  };
  EXPECT_THAT(with("bert/w", "bert/x").error().to_string(), HasSubstr("'bert/x' is not in"));
  EXPECT_EQ(with("flax_model-00001", "flax_model-00009").error().code(), Code::kNotFound);
  EXPECT_THAT(with("flax_model-00001", "../lax_model-00001").error().to_string(), HasSubstr("leads out"));
}

TEST(Flax, ArraysBeyondAChunkAreWrittenInChunksAsFlaxDoes) {
  // 2^30 bytes and a little more, of which none are kept.
  class Zeros final : public Source {
   public:
    std::uint64_t size() const noexcept override { return 4 * ((std::uint64_t{1} << 28) + 5); }
    const std::string& name() const noexcept override { return name_; }
    Status read_at(std::uint64_t, std::span<std::byte> out) const override {
      std::fill(out.begin(), out.end(), std::byte{0});
      return {};
    }

   private:
    std::string name_ = "zeros";
  };
  ModelBuilder builder;
  builder.tree = builder.arena->dict();
  const auto source = std::make_shared<Zeros>();
  const Tensor large = *Tensor::dense(DType::kFloat32, {source->size() / 4}, Blob(source));
  builder.arena->set_item(builder.tree, "w", builder.arena->tensor({.index = builder.add(large)}));
  const auto plan = k_flax_format.plan(*std::move(builder).named_by_tree(), {});
  ASSERT_TRUE(plan) << plan.error().to_string();
  const Bundle file = written(*plan);
  EXPECT_EQ(*plan->files[0].size(), file.main()->size());
  MsgpackReader reader{Blob(file.main())};
  std::vector<std::string> texts;
  std::vector<std::uint64_t> sizes;
  while (!reader.at_end()) {
    const auto item = reader.next();
    ASSERT_TRUE(item) << item.error().to_string();
    if (item->is(MsgpackItem::Kind::kText)) texts.push_back(reader.text(*item).value());
    if (item->is(MsgpackItem::Kind::kExtension)) sizes.push_back(item->size);
  }
  EXPECT_THAT(texts, ::testing::ElementsAre("w", "__msgpack_chunked_array__", "shape", "0", "chunks", "0", "1"));
  EXPECT_GT(sizes.at(0), std::uint64_t{1} << 30);
  EXPECT_LT(sizes.at(1), 64u);
  const auto again = opened(file);
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ(again->tensor("w")->shape(), large.shape());
}

TEST(Flax, NamesOfFlaxsOwnSafetensorsAreCutAtTheirDots) {
  ModelBuilder builder;
  builder.origin.framework = "flax";
  for (int i = 0; i < 2; ++i) builder.add(*Tensor::dense(DType::kUInt8, {1}, Blob::memory(Bytes::copy("x"), "x")));
  const auto plan = k_flax_format.plan(*std::move(builder).named({"a.b", "a.c"}), {});
  ASSERT_TRUE(plan);
  EXPECT_EQ(tree_text(*opened(written(*plan))), R"({"a":{"b":{"$tensor":"a.b"},"c":{"$tensor":"a.c"}}})");
}

TEST(Flax, WhatFlaxCannotSayTravelsBesideTheTensors) {
  ModelBuilder builder;
  Arena& arena = *builder.arena;
  const Tensor one = *Tensor::dense(DType::kUInt8, {1}, Blob::memory(Bytes::copy("x"), "x"));
  builder.tree = arena.dict();
  arena.set_item(builder.tree, "pair", arena.tuple({arena.tensor({.index = builder.add(one)}), arena.integer(1)}));
  const Model model = *std::move(builder).named_by_tree();
  WriteOptions options;
  options.checksums = false;
  const auto plan = k_flax_format.plan(model, options);
  ASSERT_TRUE(plan);
  const auto again = opened(written(*plan));
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ(tree_text(*again), tree_text(model));
  MsgpackReader reader{Blob(written(*plan).main())};
  EXPECT_EQ(reader.next()->size, 2u) << "pair and holdall.tree";
}

TEST(Flax, BrokenArraysAreCorrupt) {
  const auto array = [](std::string_view inner) {
    MsgpackWriter writer;
    writer.map(1).string("w").extension(1, inner.size()).raw(inner);
    return writer.take();
  };
  const auto parts = [](std::uint64_t elements, std::string_view dtype, std::string_view data, std::string_view behind = "") {
    MsgpackWriter writer;
    writer.array(3).array(1).unsigned_integer(elements).string(dtype).bytes(data.size()).raw(data).raw(behind);
    return writer.take();
  };
  EXPECT_TRUE(open_bytes(array(parts(1, "float32", "abcd"))));
  for (const std::string& inner : {parts(2, "float32", "abcd"), parts(1, "float32", "abcd", "x"), parts(3, "int4", "ab"),
                                   std::string("\x92\x90\xa1x"), std::string("\x93\x01\xa1x\xc4\x00", 6), std::string("\x01"),
                                   std::string("\x93\x91\xff\xa1x\xc4\x00", 7), std::string()}) {
    const auto model = open_bytes(array(inner));
    ASSERT_FALSE(model) << ::testing::PrintToString(inner);
    EXPECT_EQ(model.error().code(), Code::kCorrupt) << model.error().to_string();
    EXPECT_TRUE(model.error().offset()) << model.error().to_string();
    EXPECT_FALSE(model.error().path().empty()) << model.error().to_string();
  }
  EXPECT_EQ(open_bytes(array(parts(1, "float32", "abcd")) + "x").error().code(), Code::kCorrupt);
}

TEST(Flax, BrokenChunksAreCorrupt) {
  const std::string whole = slurp(golden("chunked.msgpack"));
  for (const auto& [from, to] : std::initializer_list<std::pair<std::string, std::string>>{{"shape", "shapE"},
                                                                                           {"chunks", "chunkz"},
                                                                                           {"\xa1"
                                                                                            "0\x03",
                                                                                            "\xa1"
                                                                                            "0\x04"},
                                                                                           {"\xa1"
                                                                                            "2",
                                                                                            "\xa1"
                                                                                            "3"},
                                                                                           {"float32", "float16"}}) {
    std::string changed = whole;
    changed.replace(changed.find(from), from.size(), to);
    const auto model = open_bytes(changed);
    ASSERT_FALSE(model) << from;
    EXPECT_EQ(model.error().code(), Code::kCorrupt) << model.error().to_string();
  }
}

TEST(Flax, OtherFilesAreNotFlaxs) {
  for (const std::string& bytes :
       {std::string("\x80\x04\x95", 3), std::string("\x93NUMPY\x01\x00", 8), std::string("\x89HDF\r\n\x1a\n"),
        std::string("\x05"), std::string("hello"), std::string("\x92\x01", 2)}) {
    const Bundle bundle = of_bytes(bytes);
    const Limits limits;
    Peek peek(bundle, limits);
    EXPECT_EQ(k_flax_format.match(peek), Match::kNo) << ::testing::PrintToString(bytes);
  }
}

}  // namespace
}  // namespace holdall
