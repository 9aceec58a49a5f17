#include "holdall/codec/hdf5.h"

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <iterator>
#include <string>

#include "holdall/codec/document.h"
#include "holdall/codec/hdf5_header.h"
#include "holdall/codec/hdf5_writer.h"

namespace holdall {
namespace {

std::string golden(const std::string& name) {
  std::ifstream file(std::string(HOLDALL_SOURCE_DIR) + "/holdall/codec/testdata/hdf5/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Result<std::shared_ptr<const Hdf5File>> open_bytes(std::string bytes, const Limits& limits = {}) {
  return Hdf5File::open(memory_source(Bytes::adopt(std::move(bytes)), "file.h5"), limits);
}

std::shared_ptr<const Hdf5File> open_golden(const std::string& name) {
  auto file = open_bytes(golden(name));
  EXPECT_TRUE(file) << name << ": " << file.error().to_string();
  return file ? *file : nullptr;
}

const Hdf5Object* at(const Hdf5File& file, std::string_view path) {
  const Hdf5Object* object = &file.root();
  while (!path.empty()) {
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(path.size(), part.size() + 1));
    const Hdf5Link* link = object->link(part);
    if (link == nullptr || link->object == Hdf5Link::kNowhere) return nullptr;
    object = &file.objects()[link->object];
  }
  return object;
}

std::string value_of(const Hdf5File& file, const Hdf5Object& object, std::string_view name) {
  const hdf5::Attribute* attribute = object.attribute(name);
  if (attribute == nullptr) return "absent";
  Arena arena;
  const auto value = Hdf5Values(file, arena).of(*attribute);
  if (!value) return value.error().to_string();
  JsonWriter writer;
  EXPECT_TRUE(write_document(writer, arena.at(*value), [](std::uint32_t) -> std::string_view { return ""; }));
  return std::move(writer).take();
}

constexpr const char* kGolden[] = {"earliest.h5", "v108.h5", "latest.h5"};

TEST(Hdf5, EveryVersionOpens) {
  const unsigned superblocks[] = {0, 2, 3};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto file = open_golden(kGolden[i]);
    ASSERT_NE(file, nullptr);
    EXPECT_EQ(file->superblock(), superblocks[i]);
    EXPECT_EQ(file->user_block(), i == 1 ? 512u : 0u);
    EXPECT_GT(file->checked(), i == 0 ? 0u : 100u);
    const Hdf5Object* many = at(*file, "many");
    ASSERT_NE(many, nullptr);
    EXPECT_EQ(many->links.size(), 60u);
    EXPECT_EQ(many->attributes.size(), i == 0 ? 30u : 31u);
  }
}

TEST(Hdf5, AttributesAreValues) {
  for (const char* name : kGolden) {
    const auto file = open_golden(name);
    ASSERT_NE(file, nullptr);
    const Hdf5Object& root = file->root();
    EXPECT_EQ(value_of(*file, root, "text"), "\"naïve\"");
    EXPECT_EQ(value_of(*file, root, "number"), "7");
    EXPECT_EQ(value_of(*file, root, "float"), "0.5");
    EXPECT_EQ(value_of(*file, root, "flag"), "true");
    EXPECT_EQ(value_of(*file, root, "list"), "[1,2,3]");
    EXPECT_EQ(value_of(*file, root, "texts"), "[\"a\",\"bc\"]");
    EXPECT_EQ(value_of(*file, root, "fixed"), "[\"x\",\"yz\"]");
    EXPECT_EQ(value_of(*file, root, "nothing"), "null");
    EXPECT_EQ(value_of(*file, *at(*file, "many"), "a29"), "29");
  }
}

TEST(Hdf5, LinksWithinTheFileAreFollowed) {
  for (const char* name : kGolden) {
    const auto file = open_golden(name);
    ASSERT_NE(file, nullptr);
    EXPECT_EQ(at(*file, "hard"), at(*file, "types/f4"));
    EXPECT_EQ(at(*file, "soft"), at(*file, "types/i4"));
    EXPECT_EQ(at(*file, "types/beside"), at(*file, "types/scalar"));
    EXPECT_EQ(at(*file, "nowhere"), nullptr);
    EXPECT_EQ(at(*file, "ordered")->links.front().name, "z");
  }
}

TEST(Hdf5, ContiguousDataLieInTheFile) {
  const std::string bytes = golden("latest.h5");
  const auto file = open_golden("latest.h5");
  ASSERT_NE(file, nullptr);
  const auto data = file->data(*at(*file, "types/i4")->dataset, "i4");
  ASSERT_TRUE(data);
  EXPECT_EQ(data->size(), 24u);
  EXPECT_EQ(data->source(), file->source());
}

TEST(Hdf5, ChunksAreReadFromAnyPlace) {
  for (const char* name : kGolden) {
    const auto file = open_golden(name);
    ASSERT_NE(file, nullptr);
    const auto whole = file->data(*at(*file, "layouts/chunked")->dataset, "chunked");
    ASSERT_TRUE(whole);
    const auto expected = whole->read();
    ASSERT_TRUE(expected) << expected.error().to_string();
    for (const char* path :
         {"layouts/gzip", "layouts/shuffled", "layouts/growing", "layouts/growing second", "layouts/growing both"}) {
      const auto data = file->data(*at(*file, path)->dataset, path);
      ASSERT_TRUE(data) << data.error().to_string();
      for (const std::size_t step : {7u, 92u, 1000u, 5000u}) {
        std::string read(data->size(), '\0');
        for (std::size_t from = 0; from < read.size(); from += step) {
          const auto out = std::as_writable_bytes(std::span(read)).subspan(from, std::min(step, read.size() - from));
          ASSERT_TRUE(data->read_at(from, out)) << path;
        }
        EXPECT_EQ(read, expected->text()) << path << " by " << step;
      }
    }
  }
}

// Decoded rows of chunks are kept by whose they are, and a source that is gone may have left its place to another.
TEST(Hdf5, ADataSetIsNeverGivenAnothersBytes) {
  const auto file = open_golden("latest.h5");
  ASSERT_NE(file, nullptr);
  const auto expected = file->data(*at(*file, "layouts/chunked")->dataset, "chunked")->read();
  ASSERT_TRUE(expected);
  for (int round = 0; round < 20; ++round) {
    for (const char* path : {"types/f4", "layouts/growing", "layouts/gzip", "layouts/growing both", "layouts/shuffled"}) {
      const Hdf5Object& object = *at(*file, path);
      const auto data = file->data(*object.dataset, path);
      ASSERT_TRUE(data) << data.error().to_string();
      std::array<std::byte, 8> part{};
      ASSERT_TRUE(data->read_at(0, part));
      if (path != std::string_view("types/f4")) {
        EXPECT_EQ(as_text(part), expected->text().substr(0, part.size())) << path;
      }
    }
  }
}

// A type beyond those known, of which the file says that it is shared: the table of shared messages has a bit for each of 16.
TEST(Hdf5, AMessageOfAnUnknownTypeIsNotLookedForAmongSharedOnes) {
  std::string bytes = "SMTB" + std::string(30, '\0');
  bytes[6] = static_cast<char>(0xff);  // serves messages of every type
  bytes[7] = static_cast<char>(0xff);
  std::array<char, 4> sum{};
  store_le<std::uint32_t>(sum.data(), hdf5::lookup3(as_bytes(bytes)));
  bytes += std::string(sum.data(), sum.size());
  const std::uint64_t header = bytes.size();
  bytes += std::string("\1\0\1\0\1\0\0\0\x18\0\0\0\0\0\0\0", 16);  // version 1: one message, one reference, 24 bytes
  bytes += std::string("\x40\0\x10\0\2\0\0\0", 8) + std::string("\3\1", 2) + std::string(14, '\0');
  hdf5::Metadata metadata(memory_source(Bytes::copy(bytes), "file.h5"), 0, Limits());
  hdf5::Headers headers(metadata);
  const std::string table("\0\0\0\0\0\0\0\0\0\1", 10);  // at address 0, of one index
  ASSERT_TRUE(headers.read_shared_table({hdf5::MessageType::kSharedTable, {Bytes::copy(table), 0}}));
  const auto read = headers.read(header);
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_EQ(read->messages.size(), 1u);
}

TEST(Hdf5, WhatLeadsOutOfTheFileIsToldAndNotFollowed) {
  const auto external = open_golden("external.h5");
  ASSERT_NE(external, nullptr);
  EXPECT_EQ(external->root().links.front().kind, Hdf5Link::Kind::kExternal);
  EXPECT_EQ(external->root().links.front().target, "other.h5:/data");
  for (const auto& [name, path, said] :
       {std::tuple("outside.h5", "outside", "other files"), {"virtual.h5", "virtual", "virtual"}}) {
    const auto file = open_golden(name);
    ASSERT_NE(file, nullptr);
    const auto data = file->data(*at(*file, path)->dataset, path);
    ASSERT_FALSE(data);
    EXPECT_EQ(data.error().code(), Code::kUnsupported);
    EXPECT_NE(data.error().message().find(said), std::string::npos) << data.error().to_string();
  }
}

TEST(Hdf5, UnknownFiltersAreRefusedByName) {
  const auto file = open_golden("lzf.h5");
  ASSERT_NE(file, nullptr);
  const auto data = file->data(*at(*file, "lzf")->dataset, "lzf");
  ASSERT_FALSE(data);
  EXPECT_EQ(data.error().code(), Code::kUnsupported);
  EXPECT_NE(data.error().message().find("lzf"), std::string::npos);
}

TEST(Hdf5, BombsAreOverTheLimit) {
  const auto file = open_bytes(golden("bomb.h5"));
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code(), Code::kLimit);
}

TEST(Hdf5, CirclesOfLinksEnd) {
  const auto file = open_golden("circle.h5");
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(at(*file, "a/b/c"), at(*file, "a"));
  EXPECT_EQ(at(*file, "one"), nullptr);
}

TEST(Hdf5, AFileCutShortIsCorrupt) {
  for (const char* name : kGolden) {
    const std::string whole = golden(name);
    for (std::size_t size = 0; size < whole.size(); size = size < 3000 ? size + 97 : size + 9973) {
      const auto file = open_bytes(whole.substr(0, size));
      ASSERT_FALSE(file) << name << " of " << size;
      EXPECT_EQ(file.error().code(), Code::kCorrupt) << file.error().to_string();
    }
  }
}

TEST(Hdf5, AFlippedBitOfCheckedMetadataIsCorrupt) {
  const std::string whole = golden("latest.h5");
  const std::size_t header = whole.find("OHDR");
  ASSERT_NE(header, std::string::npos);
  for (std::size_t at = header + 6; at < header + 40; ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    const auto file = open_bytes(damaged);
    ASSERT_FALSE(file) << at;
  }
}

TEST(Hdf5, TwoAttributesOfOneNameAreCorrupt) {
  std::string bytes = golden("earliest.h5");
  const std::size_t name = bytes.find(std::string("a12\0", 4));
  ASSERT_NE(name, std::string::npos);
  bytes[name + 2] = '1';
  const auto file = open_bytes(std::move(bytes));
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code(), Code::kCorrupt);
  EXPECT_NE(file.error().to_string().find("two attributes of the name 'a11'"), std::string::npos) << file.error().to_string();
}

TEST(Hdf5, RowsAreGivenOnceEachAndTheirHeapsFoundWithoutReferences) {
  Hdf5Planner planner;
  ASSERT_TRUE(planner.attribute(Hdf5Planner::kRoot, "a", Hdf5Value::text("first")));
  ASSERT_TRUE(planner.attribute(Hdf5Planner::kRoot, "b", Hdf5Value::text("second")));
  const auto blob = std::move(planner).finish("file.h5");
  ASSERT_TRUE(blob);
  const auto bytes = blob->read();
  ASSERT_TRUE(bytes);
  const auto file = open_bytes(std::string(bytes->text()));
  ASSERT_TRUE(file) << file.error().to_string();
  std::string found;
  const auto use = [&](const Bytes& row) -> Status {
    found += std::string(row.text().substr(0, row.text().find('\0'))) + ";";
    return {};
  };
  Hdf5Rows rows(**file);
  for (const char* name : {"a", "b", "a"}) ASSERT_TRUE(rows.each(*(*file)->root().attribute(name), use));
  EXPECT_EQ(found, "first;second;");
  found.clear();
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(rows.each_anywhere(use));
  EXPECT_NE(found.find("first;"), std::string::npos);
  EXPECT_EQ(found.size(), std::string("first;second;").size());
}

TEST(Hdf5, MoreObjectsThanAllowedAreOverTheLimit) {
  Limits limits;
  limits.members = 20;
  const auto file = open_bytes(golden("latest.h5"), limits);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code(), Code::kLimit);
}

TEST(Hdf5, ChecksumsAreThoseOfTheLibrary) {
  // Bob Jenkins' own examples of hashlittle().
  EXPECT_EQ(hdf5::lookup3({}), 0xdeadbeefu);
  EXPECT_EQ(hdf5::lookup3(as_bytes("Four score and seven years ago")), 0x17770551u);
}

}  // namespace
}  // namespace holdall
