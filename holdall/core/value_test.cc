#include "holdall/core/value.h"

#include <gtest/gtest.h>

namespace holdall {
namespace {

TEST(Arena, EqualKeysOfAnyNumberTypeAreOneKey) {
  Arena arena;
  const NodeId dict = arena.dict();
  arena.set_item(dict, arena.integer(1), arena.string("int"));
  arena.set_item(dict, arena.boolean(true), arena.string("bool"));
  arena.set_item(dict, arena.real(1.0), arena.string("float"));
  arena.set_item(dict, arena.string("1"), arena.string("text"));
  const Value value = arena.at(dict);
  ASSERT_EQ(value.size(), 2u);
  EXPECT_EQ(value.key(0).as_int(), 1);
  EXPECT_EQ(value.mapped(0).as_string(), "float");
}

TEST(Arena, LargeDictsFindAndReplace) {
  Arena arena;
  const NodeId dict = arena.dict();
  for (int round = 0; round < 2; ++round)
    for (int i = 0; i < 1000; ++i) arena.set_item(dict, "key" + std::to_string(i), arena.integer(i + round));
  const Value value = arena.at(dict);
  EXPECT_EQ(value.size(), 1000u);
  EXPECT_EQ(value.find("key999").as_int(), 1000);
  EXPECT_FALSE(value.find("key1000"));
}

TEST(Arena, AnIndexTellsTextFromBytesAndNumbersAndHoldsEqualNumbersOnce) {
  Arena arena;
  const NodeId dict = arena.dict();
  for (int i = 0; i < 100; ++i) {
    arena.set_item(dict, arena.integer(i), arena.integer(0));
    arena.set_item(dict, std::to_string(i), arena.integer(1));
    arena.set_item(dict, arena.bytes(std::to_string(i)), arena.integer(2));
    arena.set_item(dict, arena.real(i), arena.integer(3));
  }
  const Value value = arena.at(dict);
  ASSERT_EQ(value.size(), 300u);
  EXPECT_EQ(value.mapped(0).as_int(), 3);
  EXPECT_EQ(value.find("99").as_int(), 1);
  EXPECT_EQ(value.mapped(299).as_int(), 2);
}

TEST(Arena, IntegersBeyond64BitsKeepTheirDigits) {
  Arena arena;
  EXPECT_EQ(arena.at(arena.big_integer("9223372036854775807")).kind(), ValueKind::kInt);
  const Value big = arena.at(arena.big_integer("-9223372036854775809"));
  EXPECT_EQ(big.kind(), ValueKind::kBigInt);
  EXPECT_EQ(big.as_big_int(), "-9223372036854775809");
}

TEST(Arena, BytesOnDiskStayThere) {
  Arena arena;
  const Value value = arena.at(arena.bytes(Blob::memory(Bytes::copy("payload"), "memory")));
  EXPECT_FALSE(value.bytes_resident());
  EXPECT_EQ(value.bytes_size(), 7u);
  EXPECT_EQ(value.as_blob().read()->text(), "payload");
}

TEST(Arena, GoingBackKeepsTheTensorAlone) {
  Arena arena;
  const NodeId key = arena.string("key");
  const std::uint64_t memory = arena.memory();
  const Arena::Mark mark = arena.mark();
  ObjectParts parts;
  parts.callee = arena.global("module", "name");
  parts.args = arena.tuple({arena.integer(1), arena.bytes(Blob::memory(Bytes::copy("payload"), "memory"))});
  arena.object(std::move(parts));
  const NodeId made = arena.tensor({.index = 5, .requires_grad = true});
  const Value kept = arena.at(arena.rewind(mark, made));
  EXPECT_EQ(kept.id(), key + 1);
  EXPECT_EQ(arena.size(), key + 2u);
  EXPECT_EQ(kept.as_tensor().index, 5u);
  EXPECT_TRUE(kept.as_tensor().requires_grad);
  EXPECT_EQ(arena.at(key).as_string(), "key");
  EXPECT_EQ(arena.text_bytes(), 3u);
  EXPECT_EQ(arena.memory(), memory + 16 + sizeof(TensorNode));
}

}  // namespace
}  // namespace holdall
