#include "holdall/codec/protobuf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdall {
namespace {

Blob in_memory(std::string_view bytes) { return Blob::memory(Bytes::copy(bytes), "message"); }

// A source that is not in memory, and counts what is read of it.
class Distant final : public Source {
 public:
  explicit Distant(std::string bytes) : bytes_(std::move(bytes)) {}
  std::uint64_t size() const noexcept override { return bytes_.size(); }
  const std::string& name() const noexcept override { return name_; }
  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    read += out.size();
    std::copy_n(reinterpret_cast<const std::byte*>(bytes_.data()) + offset, out.size(), out.begin());
    return {};
  }
  mutable std::uint64_t read = 0;

 private:
  std::string bytes_, name_ = "distant";
};

TEST(Protobuf, FieldsOfEveryWireTypeAreRead) {
  ProtoWriter inner;
  inner.varint(1, 300).bytes(2, "abc");
  ProtoWriter outer;
  outer.varint(1, UINT64_MAX).message(2, inner).fixed32(16, 7);
  ProtoReader reader(in_memory(outer.text() + std::string("\x19\1\0\0\0\0\0\0\0", 9)));
  const auto first = reader.next();
  ASSERT_TRUE(first && *first);
  EXPECT_TRUE((*first)->is_varint(1));
  EXPECT_EQ((*first)->as_int(), -1);
  const auto second = reader.next();
  ASSERT_TRUE(second && (*second)->is_bytes(2));
  auto part = reader.message(**second);
  ASSERT_TRUE(part);
  EXPECT_EQ(part->next()->value().value, 300u);
  const auto text_field = part->next();
  EXPECT_EQ(part->text(**text_field, 3).value(), "abc");
  EXPECT_EQ(part->text(**text_field, 2).error().code(), Code::kLimit);
  EXPECT_FALSE(part->next()->has_value());
  EXPECT_TRUE(reader.next()->value().is(16, ProtoWire::kFixed32));
  const auto last = reader.next();
  EXPECT_TRUE((*last)->is(3, ProtoWire::kFixed64));
  EXPECT_EQ((*last)->value, 1u);
  EXPECT_FALSE(reader.next()->has_value());
}

TEST(Protobuf, WhatIsPassedOverIsNotRead) {
  ProtoWriter message;
  message.bytes(1, std::string(10'000'000, 'x')).varint(2, 5);
  const auto source = std::make_shared<Distant>(message.text());
  ProtoReader reader{Blob(source)};
  EXPECT_EQ(reader.next()->value().value, 10'000'000u);
  EXPECT_EQ(reader.next()->value().value, 5u);
  EXPECT_LT(source->read, 200'000u);
}

TEST(Protobuf, BrokenMessagesAreCorruptWithTheirPlace) {
  for (const std::string_view bytes :
       {std::string_view("\x08", 1), std::string_view("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11),
        std::string_view("\x0a\5abc", 5), std::string_view("\0\1", 2), std::string_view("\x0d\1\2", 3),
        std::string_view("\x0f\1", 2)}) {
    const auto field = ProtoReader(in_memory(bytes)).next();
    ASSERT_FALSE(field);
    EXPECT_EQ(field.error().code(), Code::kCorrupt);
    EXPECT_TRUE(field.error().offset().has_value());
  }
  EXPECT_EQ(ProtoReader(in_memory("\x0b")).next().error().code(), Code::kUnsupported);
}

}  // namespace
}  // namespace holdall
