#include "holdall/codec/tar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "holdall/base/text.h"

namespace holdall {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;

constexpr std::size_t kBlock = 512;

std::string golden(const std::string& name) {
  std::ifstream file(std::string(HOLDALL_SOURCE_DIR) + "/holdall/codec/testdata/tar/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string with_checksum(std::string block) {
  block.replace(148, 8, 8, ' ');
  unsigned sum = 0;
  for (const char letter : block) sum += static_cast<unsigned char>(letter);
  return block.replace(148, 7, text("{:06o}{}", sum, '\0'));
}

std::string padded(std::string data) {
  data.resize((data.size() + kBlock - 1) / kBlock * kBlock);
  return data;
}

struct Entry {
  std::string name;
  std::string data = {};
  char type = '0';
  std::string size = {};  // twelve bytes, instead of the data's
  std::string prefix = {};
  std::string mark = "ustar\00000"s;
  std::string link = {};
};

std::string header(const Entry& entry) {
  std::string block(kBlock, '\0');
  block.replace(0, entry.name.size(), entry.name);
  for (const std::size_t at : {100u, 108u, 116u}) block.replace(at, 7, "0000644");
  block.replace(124, 12, entry.size.empty() ? text("{:011o}{}", entry.data.size(), '\0') : entry.size);
  block.replace(136, 11, "00000000000");
  block[156] = entry.type;
  block.replace(157, entry.link.size(), entry.link);
  block.replace(257, 8, entry.mark);
  block.replace(345, entry.prefix.size(), entry.prefix);
  return with_checksum(block);
}

std::string member(const Entry& entry) { return header(entry) + padded(entry.data); }

std::string record(const std::string& key, const std::string& value) {
  const std::string body = " " + key + "=" + value + "\n";
  std::size_t size = body.size() + 1;
  while (std::to_string(size).size() + body.size() != size) ++size;
  return std::to_string(size) + body;
}

const std::string kEnd(2 * kBlock, '\0');

Result<TarArchive> open_bytes(std::string bytes, const Limits& limits = {}) {
  return TarArchive::open(memory_source(Bytes::adopt(std::move(bytes)), "a.tar"), limits);
}

Error fault_of(std::string bytes, const Limits& limits = {}) {
  const auto archive = open_bytes(std::move(bytes), limits);
  if (archive) {
    ADD_FAILURE() << "it opens";
    return internal("it opens");
  }
  return archive.error();
}

// Names and contents of the files.
std::map<std::string, std::string> contents(std::string bytes) {
  std::map<std::string, std::string> found;
  const auto archive = open_bytes(std::move(bytes));
  EXPECT_TRUE(archive.has_value()) << archive.error().to_string();
  if (!archive) return found;
  for (const TarMember& entry : archive->members()) {
    if (entry.is_folder) continue;
    EXPECT_EQ(archive->find(entry.name), &entry);
    const auto part = archive->open_member(entry);
    found[entry.name] = std::string(read_all(**part, 1u << 20)->text());
  }
  return found;
}

const std::string kLong = "folder/" + std::string(60, 'a') + "/" + std::string(60, 'b') + "/file";
const std::string kLonger = std::string(300, 'c') + "/ü";

class TarGolden : public testing::TestWithParam<const char*> {};

// Written by GNU tar and by Python (testdata/tar/generate.py).
TEST_P(TarGolden, HoldsTheFilesThatWerePacked) {
  std::map<std::string, std::string> expected = {{"a", "first"}, {"folder/empty", ""}, {"folder/b", std::string(1000, 'x')}};
  const std::string name = GetParam();
  if (name != "v7.tar") expected[kLong] = "deep";
  if (name != "v7.tar" && name != "gnu_ustar.tar" && name != "python_ustar.tar") expected[kLonger] = "deeper";
  EXPECT_EQ(contents(golden(name)), expected);
}

INSTANTIATE_TEST_SUITE_P(Archivers, TarGolden,
                         testing::Values("v7.tar", "gnu_ustar.tar", "gnu_gnu.tar", "gnu_posix.tar", "python_ustar.tar",
                                         "python_gnu.tar", "python_pax.tar"),
                         [](const auto& file) {
                           const std::string name = file.param;
                           return name.substr(0, name.find('.'));
                         });

TEST(Tar, MembersLieInTheSourceAndAreNamedAfterIt) {
  const auto archive = open_bytes(member({"a", "first"}) + member({"./folder//b/", "", '5'}) + member({"./c", "third"}) + kEnd);
  ASSERT_TRUE(archive.has_value()) << archive.error().to_string();
  ASSERT_EQ(archive->members().size(), 3u);
  EXPECT_EQ(archive->members()[1].name, "folder/b");
  EXPECT_TRUE(archive->members()[1].is_folder);
  EXPECT_EQ(archive->find("folder/b"), nullptr);
  EXPECT_EQ(archive->find("d"), nullptr);
  const TarMember* third = archive->find("c");
  ASSERT_NE(third, nullptr);
  EXPECT_EQ(third->header_offset, 3 * kBlock);
  EXPECT_EQ(third->data_offset, 4 * kBlock);
  EXPECT_EQ((*archive->open_member(*third))->name(), "a.tar!c");
}

TEST(Tar, AHeaderIsKnownByItsChecksumOrItsMark) {
  const std::string old = header({.name = "a", .mark = std::string(8, '\0')});
  EXPECT_TRUE(looks_like_tar(as_bytes(old)));
  EXPECT_TRUE(looks_like_tar(as_bytes(std::string(257, 'x') + "ustar" + std::string(250, 'x'))));
  EXPECT_TRUE(begins_tar(as_bytes(old)));
  EXPECT_FALSE(begins_tar(as_bytes(std::string(257, 'x') + "ustar" + std::string(250, 'x'))));
  EXPECT_FALSE(looks_like_tar(as_bytes(old.substr(0, 511))));
  EXPECT_FALSE(looks_like_tar(as_bytes(std::string(kBlock, '\0'))));
  EXPECT_FALSE(looks_like_tar(as_bytes(std::string(kBlock, ' '))));
}

TEST(Tar, LongNamesAndLargeSizesAreRead) {
  EXPECT_EQ(contents(member({.name = "b", .data = "x", .prefix = "a"}) + kEnd).count("a/b"), 1u);
  EXPECT_EQ(contents(member({"././@LongLink", kLonger + "\0"s, 'L', {}, {}, "ustar  \0"s}) + member({"c", "x"}) + kEnd)
                .count(kLonger),
            1u);
  EXPECT_EQ(
      contents(member({"p", record("path", kLonger) + record("mtime", "1.5"), 'x'}) + member({"c", "x"}) + kEnd).count(kLonger),
      1u);
  const std::string base_256 = "\x80"s + std::string(10, '\0') + "\3";
  EXPECT_EQ(contents(header({.name = "a", .size = base_256}) + padded("abc") + kEnd).at("a"), "abc");
  EXPECT_EQ(contents(member({"p", record("size", "3"), 'x'}) + member({"a", "abc"}) + kEnd).at("a"), "abc");
  EXPECT_EQ(contents(member({"g", record("comment", "a commit"), 'g'}) + member({"a", "abc"}) + kEnd).at("a"), "abc");
}

TEST(TarDamage, EveryTruncationIsAnErrorWithAPlace) {
  const std::string whole = member({"p", record("path", kLonger), 'x'}) + member({"c", "x"}) + member({"a", "abc"}) + kEnd;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto archive = open_bytes(whole.substr(0, size));
    ASSERT_FALSE(archive.has_value()) << size;
    ASSERT_TRUE(archive.error().offset().has_value()) << size;
    EXPECT_LE(*archive.error().offset(), size);
    EXPECT_EQ(archive.error().path(), "a.tar");
  }
}

TEST(TarDamage, EveryBitOfAHeaderIsCounted) {
  const std::string whole = member({"a", "abc"}) + kEnd;
  for (std::size_t at = 0; at < kBlock; ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    const auto archive = open_bytes(damaged);
    ASSERT_FALSE(archive.has_value()) << at;
    EXPECT_EQ(archive.error().offset(), 0u);
  }
  std::string damaged = whole;
  damaged[0] = 'b';
  EXPECT_THAT(fault_of(damaged).message(), HasSubstr("checksum is"));
}

TEST(TarDamage, SizesThatPassTheEndAreCorruptAndCostNothing) {
  const std::string huge = "\x80"s + std::string(3, '\0') + "\x7f" + std::string(7, '\xff');
  for (const std::string& size : {"77777777777\0"s, huge}) {
    for (const char type : {'0', 'x', 'L'}) {
      const Error error = fault_of(header({.name = "a", .type = type, .size = size}) + kEnd);
      EXPECT_NE(error.code(), Code::kInternal);
      EXPECT_THAT(error.to_string(), testing::AnyOf(HasSubstr("pass the end"), HasSubstr("are allowed")));
    }
  }
  EXPECT_THAT(fault_of(header({.name = "a", .size = "\x80\1"s + std::string(10, '\0')}) + kEnd).message(),
              HasSubstr("64 bits"));
  EXPECT_THAT(fault_of(header({.name = "a", .size = std::string(12, '\xff')}) + kEnd).message(), HasSubstr("negative"));
  EXPECT_THAT(fault_of(header({.name = "a", .size = "00000000009\0"s}) + kEnd).message(), HasSubstr("octal"));
  EXPECT_THAT(fault_of(header({.name = "a", .size = std::string(12, '\0')}) + kEnd).message(), HasSubstr("octal"));
}

TEST(TarDamage, TheEndIsTwoBlocksOfZerosAndNothingBehind) {
  const std::string one = member({"a", "abc"});
  EXPECT_THAT(fault_of(one).message(), HasSubstr("without its two blocks"));
  EXPECT_THAT(fault_of(one + kEnd.substr(kBlock)).message(), HasSubstr("two are needed"));
  const Error behind = fault_of(one + kEnd + "x");
  EXPECT_THAT(behind.message(), HasSubstr("behind the end"));
  EXPECT_EQ(behind.offset(), 4 * kBlock);
  EXPECT_EQ(fault_of(one + kEnd + one).offset(), 4 * kBlock);
  EXPECT_EQ(contents(one + kEnd + std::string(10'000, '\0')).size(), 1u);
  std::string padding = one + kEnd;
  padding[kBlock + 3] = 'x';
  EXPECT_EQ(fault_of(padding).offset(), kBlock + 3);
  EXPECT_THAT(fault_of(member({"p", record("path", "b"), 'x'}) + kEnd).message(), HasSubstr("no member"));
}

TEST(TarDamage, WhatTwoReadersCouldSeeDifferentlyIsRefused) {
  const std::string good = member({"a", "abc"});
  const auto refused = [&](const std::string& bytes) { return fault_of(bytes + kEnd).to_string(); };
  EXPECT_THAT(refused(good + good), HasSubstr("two members have the name 'a'"));
  EXPECT_THAT(refused(good + member({"./a", "abc"})), HasSubstr("two members have the name 'a'"));
  EXPECT_THAT(refused(good + member({"a/b", "abc"})), HasSubstr("which is a file"));
  EXPECT_THAT(refused(member({"../a", "abc"})), HasSubstr("leads out"));
  EXPECT_THAT(refused(member({"/a", "abc"})), HasSubstr("absolute"));
  EXPECT_THAT(refused(member({"a\\b", "abc"})), HasSubstr("backslash"));
  EXPECT_THAT(refused(member({"\xff", "abc"})), HasSubstr("UTF-8"));
  EXPECT_THAT(refused(member({"", "abc"})), HasSubstr("without a name"));
  EXPECT_THAT(refused(member({"a/", "abc"})), HasSubstr("slash"));
  EXPECT_THAT(refused(member({"a", "abc", '5'})), HasSubstr("folder of 3 bytes"));
  EXPECT_THAT(refused(member({"a\0b"s, "abc"})), HasSubstr("goes on behind its end"));
  EXPECT_THAT(refused(member({.name = "a", .data = "abc", .prefix = "b", .mark = "ustar  \0"s})), HasSubstr("GNU tar's times"));
  EXPECT_THAT(refused(member({.name = "a", .data = "abc", .mark = "ustar\0xx"s})), HasSubstr("mark"));
  EXPECT_THAT(refused(member({.name = "a", .data = "abc", .link = "b"})), HasSubstr("target of a link"));
  const std::string path = member({"p", record("path", "b"), 'x'});
  EXPECT_THAT(refused(path + path + good), HasSubstr("of a kind"));
  EXPECT_THAT(refused(path + member({"././@LongLink", "c\0"s, 'L'}) + good), HasSubstr("name one member"));
  EXPECT_THAT(refused(member({"p", record("path", "b") + record("path", "c"), 'x'}) + good), HasSubstr("two paths"));
  EXPECT_THAT(refused(member({"p", record("size", "1024"), 'x'}) + good), HasSubstr("its size is 3 in the header"));
  EXPECT_THAT(refused(member({"g", record("path", "b"), 'g'}) + good), HasSubstr("for every member"));
  EXPECT_THAT(refused(member({"p", "9 path=b\n" + record("path", "c"), 'x'}) + good), HasSubstr("two paths"));
  EXPECT_THAT(refused(member({"p", "8 path=b\n", 'x'}) + good), HasSubstr("no key and value"));
  EXPECT_THAT(refused(member({"p", "99 path=b\n", 'x'}) + good), HasSubstr("where 10 remain"));
  EXPECT_THAT(refused(member({"././@LongLink", "c", 'L'}) + good), HasSubstr("only NUL"));
}

TEST(TarDamage, MembersOfOtherKindsAreRefusedByName) {
  const std::map<char, std::string> kinds = {{'1', "a link"},   {'2', "a symbolic link"}, {'3', "a device"}, {'4', "a device"},
                                             {'6', "a pipe"},   {'S', "a sparse file"},   {'K', "a link"},   {'7', "0x37"},
                                             {'D', "not read"}, {'M', "not read"}};
  for (const auto& [type, what] : kinds) {
    const Error error = fault_of(member({.name = "a", .type = type}) + kEnd);
    EXPECT_EQ(error.code(), Code::kUnsupported);
    EXPECT_THAT(error.to_string(), HasSubstr("member 'a' is"));
    EXPECT_THAT(error.to_string(), HasSubstr(what));
  }
  for (const std::string& key : {"linkpath"s, "GNU.sparse.size"s, "SCHILY.realsize"s, "hdrcharset"s}) {
    EXPECT_EQ(fault_of(member({"p", record(key, "1"), 'x'}) + member({"a"}) + kEnd).code(), Code::kUnsupported) << key;
  }
}

TEST(TarDamage, LimitsAreKept) {
  Limits limits;
  limits.members = 2;
  const std::string many = member({"a"}) + member({"b"}) + member({"c"}) + kEnd;
  EXPECT_EQ(fault_of(many, limits).code(), Code::kLimit);
  limits = {};
  limits.header_bytes = 2000;
  EXPECT_EQ(fault_of(member({"p", record("comment", std::string(3000, 'x')), 'x'}) + many, limits).code(), Code::kLimit);
  EXPECT_EQ(fault_of(many + std::string(4000, '\0'), limits).code(), Code::kLimit);
}

TEST(TarDamage, WhatStandsBeforeAFaultIsSeen) {
  std::optional<Error> fault;
  const std::string bytes = member({"a", "abc"}) + member({"b", "abc"}) + "junk";
  const TarArchive archive = TarArchive::up_to_fault(memory_source(Bytes::copy(bytes), "a.tar"), Limits{}, fault);
  ASSERT_TRUE(fault.has_value());
  ASSERT_EQ(archive.members().size(), 2u);
  EXPECT_NE(archive.find("b"), nullptr);
}

}  // namespace
}  // namespace holdall
