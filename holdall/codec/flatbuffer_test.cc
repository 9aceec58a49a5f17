#include "holdall/codec/flatbuffer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "holdall/base/text.h"

namespace holdall {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A source that is not in memory, as a file is not, and counts what is read of it.
class Counted final : public Source {
 public:
  explicit Counted(std::string bytes) : bytes_(std::move(bytes)) {}
  std::uint64_t size() const noexcept override { return bytes_.size(); }
  const std::string& name() const noexcept override { return name_; }
  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (offset + out.size() > bytes_.size()) return corrupt("past the end");
    std::copy_n(as_bytes(bytes_).data() + offset, out.size(), out.data());
    read += out.size();
    return {};
  }
  mutable std::uint64_t read = 0;

 private:
  std::string bytes_;
  std::string name_ = "counted";
};

// A root table { 0: text "hi", 1: i32 -7, 2: absent, 3: [u16] 1 2 3, 4: table { 0: u8 9 }, 5: [table, table] } by hand.
struct Sample {
  std::string bytes;
  template <class T>
  void put(std::size_t at, T value) {
    if (bytes.size() < at + sizeof(T)) bytes.resize(at + sizeof(T), '\0');
    store_le(bytes.data() + at, value);
  }
  void offset(std::size_t at, std::size_t target) { put(at, static_cast<std::uint32_t>(target - at)); }
  Sample() {
    offset(0, 24);
    bytes.resize(8);
    bytes.replace(4, 4, "TEST");
    // The vtable at 8: six fields; the table at 24.
    const std::uint16_t vtable[] = {16, 24, 4, 8, 0, 12, 16, 20};
    for (std::size_t i = 0; i < 8; ++i) put(8 + 2 * i, vtable[i]);
    put(24, std::int32_t{16});
    offset(28, 48);
    put(32, std::int32_t{-7});
    offset(36, 56);
    offset(40, 76);
    offset(44, 84);
    put(48, std::uint32_t{2});
    put(52, std::uint32_t{'h' | 'i' << 8});
    put(56, std::uint32_t{3});
    for (std::uint16_t i = 0; i < 3; ++i) put(60 + 2u * i, static_cast<std::uint16_t>(i + 1));
    // A vtable of one field at 68, its table at 76.
    put(68, std::uint16_t{6});
    put(70, std::uint16_t{5});
    put(72, std::uint16_t{4});
    put(76, std::int32_t{8});
    put(80, std::uint32_t{9});
    put(84, std::uint32_t{2});
    // Offsets are unsigned: the vector's tables stand behind it. Both are one.
    offset(88, 96);
    offset(92, 96);
    put(96, std::int32_t{96 - 68});
    put(100, std::uint32_t{5});
  }
};

std::shared_ptr<FlatFile> file_of(const std::string& bytes, std::uint64_t most = 1u << 20) {
  return FlatFile::of(Blob::memory(Bytes::copy(bytes), "sample"), most);
}

std::string refusal(const std::string& bytes) {
  const auto file = file_of(bytes);
  const auto root = file->root();
  if (!root) return root.error().to_string();
  const auto words = root->text(0);
  if (!words) return words.error().to_string();
  const auto numbers = root->numbers<std::uint16_t>(3);
  if (!numbers) return numbers.error().to_string();
  const auto inner = root->table(4);
  if (!inner) return inner.error().to_string();
  const auto all = root->vector(5, 4);
  if (!all) return all.error().to_string();
  for (std::uint64_t i = 0; i < all->size(); ++i)
    if (const auto each = all->table(i); !each) return each.error().to_string();
  return "";
}

TEST(FlatBuffer, FieldsAreFoundByNumber) {
  const auto file = file_of(Sample().bytes);
  EXPECT_EQ(file->identifier().value(), "TEST");
  const FlatTable root = file->root().value();
  EXPECT_EQ(root.place(), 24u);
  EXPECT_EQ(root.text(0).value(), "hi");
  EXPECT_EQ(root.number<std::int32_t>(1).value(), -7);
  EXPECT_EQ(root.number<std::int32_t>(2, 42).value(), 42) << "absent";
  EXPECT_EQ(root.number<std::int32_t>(99, 3).value(), 3) << "newer than the file";
  EXPECT_THAT(root.numbers<std::uint16_t>(3).value(), ElementsAre(1, 2, 3));
  EXPECT_EQ(root.table(4).value()->number<std::uint8_t>(0).value(), 9);
  EXPECT_FALSE(root.table(2).value().has_value());
  const FlatVector all = root.vector(5, 4).value();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all.table(1).value().number<std::uint8_t>(0).value(), 5);
  EXPECT_EQ(root.vector(3, 2).value().blob()->offset(), 60u);
  EXPECT_FALSE(file->misaligned().has_value());
}

TEST(FlatBuffer, WhatLeadsOutOfTheFileIsRefused) {
  EXPECT_EQ(refusal(Sample().bytes), "");
  const auto with = [](std::size_t at, auto value) {
    Sample sample;
    sample.put(at, value);
    return refusal(sample.bytes);
  };
  EXPECT_THAT(with(0, std::uint32_t{0xfffffff0}), HasSubstr("leads nowhere"));
  EXPECT_THAT(with(0, std::uint32_t{0}), HasSubstr("leads nowhere"));
  EXPECT_THAT(with(24, std::int32_t{-4000}), HasSubstr("vtable would be at"));
  EXPECT_THAT(with(24, std::int32_t{4000}), HasSubstr("vtable would be at"));
  EXPECT_THAT(with(8, std::uint16_t{3}), HasSubstr("a vtable of 3 bytes"));
  EXPECT_THAT(with(8, std::uint16_t{4000}), HasSubstr("a vtable of 4000 bytes"));
  EXPECT_THAT(with(10, std::uint16_t{4000}), HasSubstr("a table of 4000 bytes"));
  EXPECT_THAT(with(12, std::uint16_t{22}), HasSubstr("field 0 stands at byte 22 of a table of 24"));
  EXPECT_THAT(with(48, std::uint32_t{4000}), HasSubstr("a text of 4000 bytes"));
  EXPECT_THAT(with(54, std::uint8_t{'x'}), HasSubstr("does not end in NUL"));
  EXPECT_THAT(with(56, std::uint32_t{0xffffffff}), HasSubstr("a vector of 4294967295 times 2 bytes"));
  for (std::size_t size = 0; size < Sample().bytes.size() - 3; ++size)
    EXPECT_NE(refusal(Sample().bytes.substr(0, size)), "") << size;
}

TEST(FlatBuffer, WhatASmallFileSaysOverAndOverEndsAtTheLimit) {
  const auto file = file_of(Sample().bytes, 1000);
  const FlatTable root = file->root().value();
  const FlatVector all = root.vector(5, 4).value();
  std::size_t told = 0;
  while (told < 100 && all.table(0)) ++told;
  EXPECT_LT(told, 40u);
  EXPECT_EQ(all.table(0).error().code(), Code::kLimit);
}

TEST(FlatBuffer, NumbersThatDoNotStandAtTheirMultiplesAreTold) {
  std::string bytes = Sample().bytes;
  bytes.insert(56, 2, '\0');  // everything behind is two bytes further
  store_le(bytes.data() + 36, std::uint32_t{22});
  const auto file = file_of(bytes);
  EXPECT_THAT(file->root().value().numbers<std::uint16_t>(3).value(), ElementsAre(1, 2, 3));
  EXPECT_EQ(file->misaligned(), 58u);
}

TEST(FlatBuffer, OfALargeFileTheTablesAloneAreRead) {
  std::string bytes = Sample().bytes;
  bytes.resize(8u << 20, 'w');
  const auto source = std::make_shared<Counted>(std::move(bytes));
  const auto file = FlatFile::of(Blob(source), 1u << 20);
  EXPECT_EQ(file->root().value().text(0).value(), "hi");
  EXPECT_EQ(file->root().value().numbers<std::uint16_t>(3)->size(), 3u);
  EXPECT_LE(source->read, 4096u);
}

}  // namespace
}  // namespace holdall
