#include "holdall/codec/msgpack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "holdall/codec/json.h"

namespace holdall {
namespace {

using Kind = MsgpackItem::Kind;

Blob in_memory(std::string_view bytes) { return Blob::memory(Bytes::copy(bytes), "document"); }

std::string golden(const std::string& name) {
  std::ifstream file(std::string(HOLDALL_SOURCE_DIR) + "/holdall/codec/testdata/msgpack/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The bytes as values, as JSON; what went wrong where something did.
std::string read(std::string_view bytes, const MsgpackOptions& options = {}) {
  Arena arena;
  MsgpackReader reader(in_memory(bytes));
  const auto root = read_msgpack(arena, reader, options);
  if (!root) return std::string(code_name(root.error().code())) + ": " + root.error().to_string();
  JsonWriter json;
  const Status written = write_json(json, arena.at(*root));
  return written ? std::move(json).take() : written.error().to_string();
}

TEST(Msgpack, ValuesAreThoseThatMsgpackPacked) {
  Arena arena;
  const auto expected = parse_json(arena, golden("values.json"));
  ASSERT_TRUE(expected);
  JsonWriter json;
  ASSERT_TRUE(write_json(json, arena.at(*expected)));
  EXPECT_EQ(read(golden("values.msgpack")), json.text());
}

TEST(Msgpack, TheWriterPacksAsMsgpackDoes) {
  Arena arena;
  const std::string packed = golden("values.msgpack");
  MsgpackReader reader(in_memory(packed));
  MsgpackWriter writer;
  while (!reader.at_end()) {
    const auto item = reader.next();
    ASSERT_TRUE(item);
    if (item->is(Kind::kNil)) writer.nil();
    if (item->is(Kind::kBool)) writer.boolean(item->integer != 0);
    if (item->is(Kind::kInteger) && item->is_negative) writer.integer(static_cast<std::int64_t>(item->integer));
    if (item->is(Kind::kInteger) && !item->is_negative) writer.unsigned_integer(item->integer);
    if (item->is(Kind::kFloat)) writer.real(item->real);
    if (item->is(Kind::kText)) writer.string(reader.text(*item).value());
    if (item->is(Kind::kArray)) writer.array(item->size);
    if (item->is(Kind::kMap)) writer.map(item->size);
  }
  EXPECT_EQ(writer.text(), packed);
}

TEST(Msgpack, ExtensionsAndBytesOfEverySizeComeBack) {
  for (const std::uint64_t size : {0u, 1u, 2u, 3u, 4u, 8u, 16u, 17u, 255u, 256u, 65535u, 65536u}) {
    MsgpackWriter writer;
    writer.array(2).extension(-5, size).raw(std::string(size, 'x')).bytes(size).raw(std::string(size, 'y'));
    MsgpackReader reader(in_memory(writer.text()));
    ASSERT_TRUE(reader.next());
    const auto extension = reader.next();
    ASSERT_TRUE(extension && extension->is(Kind::kExtension));
    EXPECT_EQ(extension->extension, -5);
    EXPECT_EQ(reader.text(*extension).value(), std::string(size, 'x'));
    EXPECT_EQ(reader.within(*extension)->remaining(), size);
    const auto bytes = reader.next();
    ASSERT_TRUE(bytes && bytes->is(Kind::kBytes));
    EXPECT_EQ(reader.blob(*bytes)->size(), size);
    EXPECT_TRUE(reader.at_end());
  }
}

TEST(Msgpack, SizesBeyondTheEndAreCorrupt) {
  using namespace std::string_literals;
  for (const std::string& bytes :
       {"\xdd\xff\xff\xff\xff"s, "\xdf\x7f\xff\xff\xff\x01"s, "\xc6\xff\xff\xff\xff"s, "\xdb\0\0\0\2x"s, "\x92\x01"s,
        "\x81\x01"s, "\xc9\0\0\0\1\1"s, "\xd8\1abc"s, "\xcb\0\0"s, "\xc1"s, ""s}) {
    EXPECT_THAT(read(bytes), ::testing::StartsWith("corrupt: ")) << ::testing::PrintToString(bytes);
  }
}

TEST(Msgpack, OddKeysAndTextsAreRefused) {
  EXPECT_THAT(read("\x82\xa1"
                   "a\x01\xa1"
                   "a\x02"),
              ::testing::HasSubstr("twice"));
  EXPECT_THAT(read("\x81\x90\x01"), ::testing::StartsWith("unsupported: "));
  EXPECT_THAT(read("\xa1\xff"), ::testing::HasSubstr("UTF-8"));
  EXPECT_THAT(read("\xd4\x01x"), ::testing::HasSubstr("extension of type 1"));
}

TEST(Msgpack, DepthAndMemoryAreBounded) {
  MsgpackOptions options;
  options.limits.depth = 10;
  EXPECT_EQ(read(std::string(11, '\x91') + '\x01', options),
            "limit: document @ 10: values are nested deeper than the 10 levels allowed");
  EXPECT_EQ(read(std::string(10, '\x91') + '\x01', options), std::string(10, '[') + "1" + std::string(10, ']'));
  options.limits.value_bytes = 10'000;
  EXPECT_THAT(read(std::string("\xda\x40\0", 3) + std::string(0x4000, 'x'), options), ::testing::HasSubstr("more than"));
}

TEST(Msgpack, LongBytesStayWhereTheyAre) {
  class Distant final : public Source {
   public:
    std::uint64_t size() const noexcept override { return 5 + (1u << 24); }
    const std::string& name() const noexcept override { return name_; }
    Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
      constexpr unsigned char kHead[] = {0xc6, 1, 0, 0, 0};
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = std::byte{offset + i < 5 ? kHead[offset + i] : std::uint8_t{7}};
      read += out.size();
      return {};
    }
    mutable std::uint64_t read = 0;

   private:
    std::string name_ = "distant";
  };
  const auto source = std::make_shared<Distant>();
  Arena arena;
  MsgpackReader reader{Blob(source)};
  const auto root = read_msgpack(arena, reader, {});
  ASSERT_TRUE(root) << root.error().to_string();
  EXPECT_EQ(arena.at(*root).bytes_size(), 1u << 24);
  EXPECT_FALSE(arena.at(*root).bytes_resident());
  EXPECT_LT(source->read, 1u << 17);
}

}  // namespace
}  // namespace holdall
