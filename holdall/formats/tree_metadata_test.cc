#include "holdall/formats/tree_metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <numeric>

namespace holdall {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Tensor dense(DType dtype, Shape shape, std::string data) {
  return *Tensor::dense(dtype, std::move(shape), Blob::memory(Bytes::adopt(std::move(data)), "t"));
}

// A container that stores everything as it is, or (`raw`) as plain bytes.
struct Container {
  std::vector<StoredTensor> tensors;
  TreeText tree;
  std::string json;
};

Container stored(const Model& model, TreeOptions options = {}, bool raw = false) {
  Container container;
  std::vector<StoredAs> as;
  std::vector<Xxh128> hashes;
  for (std::uint32_t i = 0; i < model.tensors().size(); ++i) {
    const NamedTensor& entry = model.tensors()[i];
    const Blob data = *entry.tensor.data();
    hashes.push_back(xxh3_128(data.read()->span()));
    const DType dtype = raw ? DType::kUInt8 : entry.tensor.dtype();
    const Shape shape = raw ? Shape{data.size()} : entry.tensor.shape();
    as.push_back({i, dtype, shape});
    container.tensors.push_back({entry.name, *Tensor::dense(dtype, shape, data), 0, "file"});
  }
  container.tree = *write_tree(model, as, options);
  container.json = container.tree.finished(options.checksums ? hashes : std::vector<Xxh128>());
  return container;
}

Result<Model> restored(const Container& container, std::string_view json) {
  return restore_tree(ModelBuilder(), container.tensors, json, Limits());
}
Result<Model> restored(const Container& container) { return restored(container, container.json); }

std::string bytes_of(const Model& model, std::string_view name) {
  return std::string(model.tensor(name)->read_bytes()->text());
}

Model flat() {
  ModelBuilder builder;
  builder.add(dense(DType::kUInt8, {2}, "ab"));
  builder.add(dense(DType::kInt16, {1}, "cd"));
  return *std::move(builder).named({"a", "b"});
}

std::string in_quotes(std::string_view text) { return "'" + std::string(text) + "'"; }

TEST(TreeMetadata, ThePartIsMadeWhenTheChecksumsAreKnown) {
  TreeOptions options;
  options.checksums = true;
  const Container container = stored(flat(), options);
  const Part part = tree_part(container.tree, {1, 0}, in_quotes);
  const auto* late = std::get_if<Part::Late>(&part.content);
  ASSERT_NE(late, nullptr);
  ASSERT_EQ(late->size, container.json.size() + 2);
  EXPECT_THAT(late->needs, ElementsAre(1, 0));
  std::array<Written, 2> written;  // of the second tensor, then of the first
  written[0].xxh3 = xxh3_128(as_bytes("cd"));
  written[1].xxh3 = xxh3_128(as_bytes("ab"));
  std::string made(late->size, '?');
  ASSERT_TRUE(late->make(written, std::as_writable_bytes(std::span(made))));
  EXPECT_EQ(made, in_quotes(container.json));
  EXPECT_FALSE(late->make(written, std::as_writable_bytes(std::span(made).first(5))));

  options.checksums = false;
  options.framework = "pt";
  const Container plain = stored(flat(), options);
  const Part now = tree_part(plain.tree, {});
  ASSERT_NE(std::get_if<Part::Literal>(&now.content), nullptr);
  EXPECT_EQ(std::get<Part::Literal>(now.content).bytes.text(), plain.json);
}

TEST(TreeMetadata, AFlatDictNeedsNoTextAtAll) {
  const Container container = stored(flat());
  EXPECT_EQ(container.json, "");
  const auto model = restored(container);
  ASSERT_TRUE(model);
  EXPECT_EQ(bytes_of(*model, "b"), "cd");
  EXPECT_EQ(model->tensors()[0].file, "file");
}

TEST(TreeMetadata, AnotherOrderInTheContainerIsATree) {
  const Model model = flat();
  const std::vector<StoredAs> reversed = {{1, DType::kInt16, {1}}, {0, DType::kUInt8, {2}}};
  EXPECT_THAT(write_tree(model, reversed, {})->json,
              HasSubstr(R"("names":"flat","tree":{"a":{"$tensor":"a"},"b":{"$tensor":"b"}})"));
}

TEST(TreeMetadata, ChecksumsAreComparedOnReading) {
  TreeOptions options;
  options.checksums = true;
  Container container = stored(flat(), options);
  Faults faults;
  verify_tree(container.tensors, container.json, Context(), faults);
  EXPECT_THAT(faults.list, IsEmpty());
  EXPECT_EQ(faults.digests, 2u);
  container.tensors[1].tensor = dense(DType::kInt16, {1}, "cX");
  const auto model = restored(container);
  ASSERT_TRUE(model);
  EXPECT_TRUE(model->tensor("a")->read_bytes());
  EXPECT_EQ(model->tensor("b")->read_bytes().error().code(), Code::kCorrupt);
  verify_tree(container.tensors, container.json, Context(), faults);
  ASSERT_EQ(faults.list.size(), 1u);
  EXPECT_THAT(faults.list[0].what, HasSubstr("tensor 'b'"));
}

TEST(TreeMetadata, WhatTheContainerLacksComesBack) {
  ModelBuilder builder;
  builder.add(dense(DType::kBFloat16, {2, 1}, "abcd"));
  builder.add(dense(DType::kInt64, {1}, "12345678").with_logical("datetime64[ns]"));
  builder.add(*Tensor::strings({1}, Blob::memory(Bytes::copy(std::string("\2\0\0\0\0\0\0\0hi", 10)), "s")));
  builder.add(*Tensor::records({2}, 3, Blob::memory(Bytes::copy("abcdef"), "r"), "[('a','<i2'),('b','i1')]"));
  builder.metadata = builder.arena->dict();
  builder.arena->set_item(builder.metadata, "k", builder.arena->tuple());
  builder.config = builder.arena->list({builder.arena->integer(1)});
  const Model model = *std::move(builder).named({"w", "t", "s", "r"});
  TreeOptions options;
  options.metadata = true;
  const auto again = restored(stored(model, options, true));
  ASSERT_TRUE(again);
  EXPECT_THAT(again->warnings(), IsEmpty());
  for (const NamedTensor& entry : model.tensors()) {
    const NamedTensor* found = again->find(entry.name);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->tensor.dtype(), entry.tensor.dtype());
    EXPECT_EQ(found->tensor.shape(), entry.tensor.shape());
    EXPECT_EQ(found->tensor.logical(), entry.tensor.logical());
    EXPECT_EQ(bytes_of(*again, entry.name), bytes_of(model, entry.name));
  }
  EXPECT_TRUE(again->metadata().find("k").is(ValueKind::kTuple));
  EXPECT_EQ(again->config().item(0).as_int(), 1);
}

TEST(TreeMetadata, SharedMemoryIsSharedAgain) {
  std::string bytes(24, '\0');
  std::iota(bytes.begin(), bytes.end(), '\0');
  const auto storage = std::make_shared<const Storage>(Storage{Blob::memory(Bytes::adopt(bytes), "s")});
  ModelBuilder builder;
  builder.add(*Tensor::view(DType::kUInt8, {6}, storage, {{1}, 18, false, false}));       // a base of its own
  builder.add(*Tensor::view(DType::kUInt8, {4, 3}, storage, {{1, 4}, 0, false, false}));  // transposed
  builder.add(*Tensor::view(DType::kUInt8, {3, 4}, storage, {}));                         // the base of the one above
  builder.add(*Tensor::view(DType::kUInt8, {4, 3}, storage, {{1, 4}, 0, false, false}));  // the same as the second
  builder.add(*Tensor::view(DType::kUInt8, {2}, storage, {{2}, 20, false, false}));       // of the first
  const Model model = *std::move(builder).named({"tail", "turned", "base", "turned2", "odd"});
  const Container container = stored(model);
  EXPECT_THAT(container.tree.losses, IsEmpty());
  const auto again = restored(container);
  ASSERT_TRUE(again);
  EXPECT_THAT(again->warnings(), IsEmpty()) << container.json;
  for (const NamedTensor& entry : model.tensors())
    EXPECT_EQ(bytes_of(*again, entry.name), bytes_of(model, entry.name)) << entry.name;
  EXPECT_EQ(again->tensor("turned")->storage(), again->tensor("base")->storage());
  EXPECT_EQ(again->tensor("turned2")->storage(), again->tensor("base")->storage());
  EXPECT_EQ(again->tensor("odd")->storage(), again->tensor("tail")->storage());
  EXPECT_NE(again->tensor("tail")->storage(), again->tensor("base")->storage());
}

// A text that says `body`, sealed for the container.
std::string sealed(const Container& container, const std::string& body) {
  std::string table;
  for (const StoredTensor& each : container.tensors)
    table += tree_table_line(each.name, each.tensor.dtype(), each.tensor.shape());
  const std::string text = body + ",\"seal\":\"";
  return text + tree_seal(table, text) + "\"}";
}

TEST(TreeMetadata, TextsThatDoNotFitAreSetAsideWithAWarning) {
  const Container container = stored(flat());
  const std::pair<std::string, const char*> cases[] = {
      {"{}", "no seal"},
      {R"({"version":1,"seal":"00000000000000000000000000000000"})", "seal does not hold"},
      {sealed(container, R"({"version":2)"), "version is not 1"},
      {sealed(container, R"({"version":1,"x":0)"), "'x' is not known"},
      {sealed(container, R"({"version":1,"xxh3":"00")"), "not 2 times 32 digits"},
      {sealed(container, R"({"version":1,"names":"tree","tree":{"a":{"$tensor":"a"}})"),
       "names 1 tensors, the container holds 2"},
      {sealed(container, R"({"version":1,"names":"tree","tree":{"a":{"$tensor":"a"},"c":{"$tensor":"b"}})"),
       "'c' that is not there"},
      {sealed(container, R"({"version":1,"names":"tree","tree":{"a":{"$tensor":"b"},"b":{"$tensor":"a"}})"),
       "shows 'b' under the name 'a'"},
      {sealed(container, R"({"version":1,"names":"flat","tree":{"$tensor":"z"})"), "'z' that is not there"},
      {sealed(container, R"({"version":1,"tensors":{"a":{"same":"b"}})"), "'a' cannot be tied to 'b'"},
      {sealed(container, R"({"version":1,"tensors":{"a":{"same":"a"}})"), "'a' cannot be tied to 'a'"},
      {sealed(container, R"({"version":1,"tensors":{"a":{"dtype":"float32","shape":[1]}})"), "bytes"},
      {sealed(container, R"({"version":1,"tensors":{"a":{"dtype":"float3","shape":[1]}})"), "'float3' is not known"},
      {sealed(container, R"({"version":1,"metadata":[])"), "metadata is no dict"},
      {sealed(container, R"({"version":1,"tree":{"$what":1})"), "'$what' is not known"},
  };
  for (const auto& [json, expected] : cases) {
    const auto model = restored(container, json);
    ASSERT_TRUE(model) << json;
    EXPECT_THAT(model->warnings(), ElementsAre(HasSubstr(expected))) << json;
    EXPECT_EQ(bytes_of(*model, "a"), "ab") << json;
    Faults faults;
    verify_tree(container.tensors, json, Context(), faults);
    EXPECT_EQ(faults.list.size(), 1u) << json;
  }
}

}  // namespace
}  // namespace holdall
