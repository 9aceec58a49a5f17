#include "holdall/codec/zip.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

#include "holdall/io/execute.h"
#include "holdall/io/layout.h"

namespace holdall {
namespace {

namespace fs = std::filesystem;

std::string slurp(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string golden(const std::string& name) {
  return slurp(fs::path(HOLDALL_SOURCE_DIR) / "holdall/codec/testdata/zip" / name);
}

std::string random_text(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string text(size, '\0');
  for (char& letter : text) letter = static_cast<char>(random());
  return text;
}

Blob blob_of(std::string text) { return Blob::memory(Bytes::adopt(std::move(text)), "memory"); }

// The bytes that a plan of one file writes.
std::string written(PlannedFile file) {
  std::string pattern = (fs::temp_directory_path() / "holdall-zip-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) return {};
  Plan plan;
  plan.files.push_back(std::move(file));
  const std::string path = pattern + "/out.zip";
  const Status status = execute(plan, path, {.durable = false});
  EXPECT_TRUE(status) << status.error().to_string();
  std::string bytes = slurp(path);
  fs::remove_all(pattern);
  return bytes;
}

Result<std::shared_ptr<const ZipArchive>> open_bytes(std::string bytes, const Limits& limits = {}) {
  return ZipArchive::open(memory_source(Bytes::adopt(std::move(bytes)), "a.zip"), limits);
}

// Names and contents of all members.
std::map<std::string, std::string> contents(std::string bytes) {
  std::map<std::string, std::string> found;
  const auto archive = open_bytes(std::move(bytes));
  EXPECT_TRUE(archive) << archive.error().to_string();
  if (!archive) return found;
  for (const ZipMember& member : (*archive)->members()) {
    const auto blob = (*archive)->blob(member);
    EXPECT_TRUE(blob);
    const auto data = blob->read();
    EXPECT_TRUE(data) << data.error().to_string();
    if (data) found[member.name] = data->text();
  }
  return found;
}

std::string planned(ZipPlanner::Options options, const std::map<std::string, std::string>& stored,
                    const std::map<std::string, std::string>& deflated = {}) {
  PlannedFile file;
  ZipPlanner planner(file, options);
  for (const auto& [name, text] : deflated) EXPECT_TRUE(planner.add_deflated(name, blob_of(text)));
  for (const auto& [name, text] : stored) EXPECT_TRUE(planner.add(name, blob_of(text)));
  EXPECT_TRUE(planner.finish());
  return written(std::move(file));
}

// Where and why an archive is refused.
std::string refusal(std::string bytes, const Limits& limits = {}) {
  const auto archive = open_bytes(std::move(bytes), limits);
  return archive ? "accepted" : archive.error().to_string();
}

const std::map<std::string, std::string> kThree = {{"a", "alpha"}, {"b/c", random_text(70'000, 1)}, {"empty", ""}};

TEST(ZipPlanner, WhatIsPlannedIsReadBack) {
  for (const bool descriptors : {false, true}) {
    for (const std::uint64_t alignment : {1, 64, 4096}) {
      const ZipPlanner::Options options = {.alignment = alignment, .data_descriptors = descriptors};
      const std::string bytes = planned(options, kThree);
      EXPECT_EQ(contents(bytes), kThree);
      const auto archive = open_bytes(bytes);
      ASSERT_TRUE(archive);
      for (const ZipMember& member : (*archive)->members()) EXPECT_EQ(member.data_offset % alignment, 0u);
    }
  }
}

TEST(ZipPlanner, DeflatedMembersAreReadBackBetweenStoredOnes) {
  const std::map<std::string, std::string> deflated = {
      {"d1", std::string(300'000, 'x')}, {"d2", random_text(2'000'000, 2)}, {"d3", ""}};
  auto all = kThree;
  all.insert(deflated.begin(), deflated.end());
  const std::string bytes = planned({}, kThree, deflated);
  EXPECT_EQ(contents(bytes), all);
  const auto archive = open_bytes(bytes);
  ASSERT_TRUE(archive);
  EXPECT_LT((*archive)->find("d1")->stored_size, 1000u);
  EXPECT_EQ((*archive)->find("d1")->method, 8);
}

TEST(ZipPlanner, LaysMembersOutAsTorchDoes) {
  const std::string expected = golden("torch.zip");
  const auto archive = open_bytes(expected);
  ASSERT_TRUE(archive) << archive.error().to_string();
  // Whether a member's CRC is known beforehand or computed in passing makes no difference.
  for (const bool known : {false, true}) {
    PlannedFile file;
    ZipPlanner planner(file, {.alignment = 64, .data_descriptors = true});
    for (const ZipMember& member : (*archive)->members()) {
      const auto blob = (*archive)->blob(member);
      ASSERT_TRUE(blob);
      const auto data = blob->read();
      ASSERT_TRUE(data);
      ASSERT_TRUE(known ? planner.add(member.name, *data) : planner.add(member.name, blob->without_checks()));
    }
    ASSERT_TRUE(planner.finish());
    EXPECT_EQ(written(std::move(file)), expected);
  }
}

// Zeros that take no memory.
class Zeros final : public Source {
 public:
  explicit Zeros(std::uint64_t size) : size_(size) {}
  std::uint64_t size() const noexcept override { return size_; }
  const std::string& name() const noexcept override { return name_; }
  Status read_at(std::uint64_t, std::span<std::byte> out) const override {
    std::fill(out.begin(), out.end(), std::byte{0});
    return {};
  }

 private:
  std::uint64_t size_;
  std::string name_ = "zeros";
};

std::string from_hex(std::string_view digits) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    bytes += static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16));
  return bytes;
}

std::map<std::uint64_t, std::string> golden_runs(const std::string& name) {
  std::map<std::uint64_t, std::string> runs;
  std::istringstream lines(golden(name));
  for (std::string line; std::getline(lines, line);) {
    const std::size_t tab = line.find('\t');
    runs[std::stoull(line.substr(0, tab))] = from_hex(line.substr(tab + 1));
  }
  return runs;
}

// What a plan writes apart from data parts above 1 MiB, as runs by offset; the CRC-32 of those is `large_crc`.
std::map<std::uint64_t, std::string> planned_runs(const PlannedFile& file, std::uint32_t large_crc) {
  auto layout = place_parts(file);
  EXPECT_TRUE(layout);
  std::map<std::uint64_t, std::string> runs;
  std::uint64_t end = UINT64_MAX;
  std::string* run = nullptr;
  const auto append = [&](std::uint64_t offset, std::string_view text) {
    if (offset != end) run = &runs[offset];
    *run += text;
    end = offset + text.size();
  };
  // Sums first: records may stand before what they are over.
  for (PartId id = 0; id < file.parts.size(); ++id) {
    const auto* data = std::get_if<Part::Data>(&file.parts[id].content);
    if (data == nullptr) continue;
    layout->written[id].crc32 = data->blob.size() > 1'048'576 ? large_crc : crc32(*data->blob.read());
  }
  for (PartId id = 0; id < file.parts.size(); ++id) {
    const Part& part = file.parts[id];
    const Written& place = layout->written[id];
    if (const auto* literal = std::get_if<Part::Literal>(&part.content)) append(place.offset, literal->bytes.text());
    if (const auto* data = std::get_if<Part::Data>(&part.content); data != nullptr && data->blob.size() <= 1'048'576)
      append(place.offset, data->blob.read()->text());
    if (const auto* late = std::get_if<Part::Late>(&part.content)) {
      std::string out(static_cast<std::size_t>(place.size), '\0');
      EXPECT_TRUE(late->make(layout->written, std::as_writable_bytes(std::span(out))));
      append(place.offset, out);
    }
  }
  return runs;
}

TEST(ZipPlanner, Zip64RecordsAreThoseOfTorch) {
  const auto expected = golden_runs("torch_zip64.tsv");
  const std::string tail = expected.rbegin()->second;
  // The one thing that torch makes from the contents.
  const std::string id = tail.substr(tail.find("serialization_id") + 16 + 4 + 8 + 4 + 22, 40);
  constexpr std::uint64_t kBig = (std::uint64_t{1} << 32) + 100;
  PlannedFile file;
  ZipPlanner planner(file, {.alignment = 64, .data_descriptors = true});
  ASSERT_TRUE(planner.add("archive/small", blob_of("abc")));
  ASSERT_TRUE(planner.add("archive/big", Blob(std::make_shared<Zeros>(kBig))));
  ASSERT_TRUE(planner.add("archive/after", blob_of("defg")));
  ASSERT_TRUE(planner.add("archive/version", Bytes::copy("3\n")));
  ASSERT_TRUE(planner.add("archive/byteorder", Bytes::copy("little")));
  ASSERT_TRUE(planner.add("archive/.data/serialization_id", Bytes::copy(id)));
  ASSERT_TRUE(planner.finish());
  const std::uint32_t crc = load_le<std::uint32_t>(std::next(expected.begin())->second.data() + 4);
  EXPECT_EQ(planned_runs(file, crc), expected);
}

TEST(ZipPlanner, Zip64ArchivesArePlannedSoThatTheyAreReadBack) {
  // A sparse file stands in for the payload.
  std::string pattern = (fs::temp_directory_path() / "holdall-zip-XXXXXX").string();
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  constexpr std::uint64_t kBig = (std::uint64_t{1} << 32) + 5;
  for (const bool descriptors : {false, true}) {
    PlannedFile file;
    ZipPlanner planner(file, {.alignment = 64, .data_descriptors = descriptors});
    ASSERT_TRUE(planner.add("big", Blob(std::make_shared<Zeros>(kBig))));
    ASSERT_TRUE(planner.add("behind", blob_of("small")));
    ASSERT_TRUE(planner.finish());
    const std::string path = pattern + "/sparse.zip";
    std::ofstream out(path, std::ios::binary);
    for (const auto& [offset, text] : planned_runs(file, 0x1234)) {
      out.seekp(static_cast<std::streamoff>(offset));
      out << text;
    }
    out.close();
    const auto source = open_file(path);
    ASSERT_TRUE(source);
    const auto archive = ZipArchive::open(*source, {});
    ASSERT_TRUE(archive) << archive.error().to_string();
    EXPECT_EQ((*archive)->find("big")->size, kBig);
    EXPECT_GT((*archive)->find("behind")->header_offset, kBig);
    EXPECT_EQ((*archive)->blob("behind")->read()->text(), "small");
    fs::remove(path);
  }
  fs::remove_all(pattern);
}

TEST(ZipPlanner, MoreThan65535MembersAreReadBack) {
  PlannedFile file;
  ZipPlanner planner(file, {});
  for (int i = 0; i < 70'000; ++i) ASSERT_TRUE(planner.add("m" + std::to_string(i), Bytes::copy(std::to_string(i))));
  ASSERT_TRUE(planner.finish());
  const auto archive = open_bytes(written(std::move(file)));
  ASSERT_TRUE(archive) << archive.error().to_string();
  EXPECT_EQ((*archive)->members().size(), 70'000u);
  EXPECT_EQ((*archive)->blob("m69999")->read()->text(), "69999");
}

TEST(ZipPlanner, LateMembersSeeTheChecksumsOfOthers) {
  PlannedFile file;
  ZipPlanner planner(file, {.alignment = 64, .data_descriptors = true});
  const std::string big = random_text(5000, 3);
  ASSERT_TRUE(planner.add("unknown crc", blob_of(big)));
  ASSERT_TRUE(planner.add("known crc", Bytes::copy("known")));
  ASSERT_TRUE(planner.add_late("late", 8, {0, 1}, [](std::span<const Written> members, std::span<std::byte> out) -> Status {
    store_le(out.data(), members[0].crc32);
    store_le(out.data() + 4, members[1].crc32);
    return {};
  }));
  ASSERT_TRUE(planner.finish());
  const auto found = contents(written(std::move(file)));
  EXPECT_EQ(load_le<std::uint32_t>(found.at("late").data()), crc32(as_bytes(big)));
  EXPECT_EQ(load_le<std::uint32_t>(found.at("late").data() + 4), crc32(as_bytes("known")));
}

TEST(ZipPlanner, NamesThatNoArchiveMayHoldAreRefused) {
  PlannedFile file;
  ZipPlanner planner(file, {});
  for (const char* name : {"", "/a", "../a", "a/../b", "a\\b", "C:/a", "\xff"}) {
    const Status status = planner.add(name, Bytes());
    ASSERT_FALSE(status) << name;
    EXPECT_EQ(status.error().code(), Code::kInvalidArgument) << name;
  }
  ASSERT_TRUE(planner.add("a", Bytes()));
  const Status again = planner.add("a", Bytes());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), Code::kAlreadyExists);
}

// An archive of "a" and "b", both stored, without extras: headers at 0 and 36, the directory at 72.
std::string two_members() { return planned({}, {{"a", "AAAAA"}, {"b", "BBBBB"}}); }
constexpr std::size_t kSecond = 36, kDirectory = 72, kEntry = 47;

std::string with(std::string bytes, std::size_t at, std::string_view patch) { return bytes.replace(at, patch.size(), patch); }

TEST(ZipArchive, ThatOfABundleIsReadOnce) {
  PlannedFile file;
  ZipPlanner planner(file, {});
  ASSERT_TRUE(planner.add("a", Bytes::copy("alpha")));
  ASSERT_TRUE(planner.finish());
  const Bundle bundle = Bundle::of(memory_source(Bytes::adopt(written(std::move(file))), "a.zip"));
  const auto first = ZipArchive::open(bundle, Limits());
  ASSERT_TRUE(first);
  const Bundle copy = bundle;
  EXPECT_EQ(*ZipArchive::open(copy, Limits()), *first);
  EXPECT_FALSE(ZipArchive::open(copy, {.members = 0}));
  EXPECT_NE(*ZipArchive::open(copy, {.members = 7}), *first);
}

TEST(ZipArchive, HeadersThatDisagreeWithTheDirectoryAreRefused) {
  const std::string good = two_members();
  ASSERT_EQ(refusal(good), "accepted");
  EXPECT_NE(refusal(with(good, kSecond + 30, "x")).find("name differs"), std::string::npos);
  EXPECT_NE(refusal(with(good, kSecond + 14, "x")).find("CRC-32"), std::string::npos);
  EXPECT_NE(refusal(with(good, kSecond + 18, "\4")).find("size"), std::string::npos);
  EXPECT_NE(refusal(with(good, kSecond + 22, "\4")).find("size"), std::string::npos);
  EXPECT_NE(refusal(with(good, kSecond + 8, "\10")).find("method"), std::string::npos);
  EXPECT_NE(refusal(with(good, kSecond + 6, "\1")).find("flags"), std::string::npos);
  EXPECT_NE(refusal(with(good, kSecond, "x")).find("local header"), std::string::npos);
}

TEST(ZipArchive, TheMessageNamesPathOffsetAndMember) {
  EXPECT_EQ(refusal(with(two_members(), kSecond + 8, "\10")),
            "a.zip @ 36: member 'b': its method is 8 in the local header, 0 in the directory");
}

TEST(ZipArchive, OverlappingMembersAreRefused) {
  // The second entry points at the first member's header.
  const std::string bytes = with(two_members(), kDirectory + kEntry + 42, std::string_view("\0", 1));
  EXPECT_NE(refusal(bytes).find("within 'a'"), std::string::npos) << refusal(bytes);
}

TEST(ZipArchive, BytesThatBelongToNoMemberAreRefused) {
  const std::string good = two_members();
  std::string gap = good;
  gap.insert(kSecond, "????");
  gap[kDirectory + 4 + kEntry + 42] = static_cast<char>(kSecond + 4);
  gap[gap.size() - 6] = static_cast<char>(kDirectory + 4);
  EXPECT_NE(refusal(gap).find("before member 'b'"), std::string::npos) << refusal(gap);
  EXPECT_NE(refusal("prefix" + good), "accepted");
  EXPECT_NE(refusal(good + "suffix"), "accepted");
}

TEST(ZipArchive, AFileOfAnotherKindMayStandBeforeTheMembersWhereThatIsAllowed) {
  std::string behind = two_members();
  const std::string before = "model";
  // Places count from the beginning of the whole.
  for (const std::size_t at : {kDirectory + 42, kDirectory + kEntry + 42, behind.size() - 6})
    store_le(behind.data() + at, static_cast<std::uint32_t>(load_le<std::uint32_t>(behind.data() + at) + before.size()));
  const auto open = [&](ZipArchive::Before allowed) {
    return ZipArchive::open(memory_source(Bytes::copy(before + behind), "both"), Limits(), allowed);
  };
  EXPECT_FALSE(open(ZipArchive::Before::kNothing));
  const auto archive = open(ZipArchive::Before::kAnything);
  ASSERT_TRUE(archive) << archive.error().to_string();
  EXPECT_EQ((*archive)->members().size(), 2u);
  EXPECT_TRUE((*archive)->blob((*archive)->members()[1])->read());
}

TEST(ZipArchive, AnArchiveWithoutMembersMayStandBehindAFileOfAnotherKind) {
  std::string both = "model PK\5\6" + std::string(18, '\0');
  store_le(both.data() + 22, std::uint32_t{6});
  const auto open = [&](ZipArchive::Before allowed) {
    return ZipArchive::open(memory_source(Bytes::copy(both), "both"), Limits(), allowed);
  };
  EXPECT_FALSE(open(ZipArchive::Before::kNothing));
  const auto archive = open(ZipArchive::Before::kAnything);
  ASSERT_TRUE(archive) << archive.error().to_string();
  EXPECT_TRUE((*archive)->members().empty());
}

TEST(ZipArchive, EncryptedAndUnknownMembersAreUnsupported) {
  const std::string good = two_members();
  for (const auto& [at, patch] : std::map<std::size_t, std::string>{{8, "\1"}, {8 + 0, "\x21"}, {10, "\14"}, {6, "\x40"}}) {
    const auto archive = open_bytes(with(good, kDirectory + at, patch));
    ASSERT_FALSE(archive);
    EXPECT_EQ(archive.error().code(), Code::kUnsupported) << archive.error().to_string();
  }
}

TEST(ZipArchive, EveryTruncationIsRefused) {
  const std::string good = planned({.alignment = 64, .data_descriptors = true}, {{"a", "AAAAA"}, {"b", "BBBBB"}});
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_NE(refusal(good.substr(0, size)), "accepted") << size;
}

TEST(ZipArchive, LimitsHoldBeforeMemoryIsTaken) {
  Limits limits;
  limits.members = 1;
  const auto archive = open_bytes(two_members(), limits);
  ASSERT_FALSE(archive);
  EXPECT_EQ(archive.error().code(), Code::kLimit);
  limits = {};
  limits.header_bytes = 50;
  const auto small = open_bytes(two_members(), limits);
  ASSERT_FALSE(small);
  EXPECT_EQ(small.error().code(), Code::kLimit);
}

TEST(ZipArchive, ExpansionBeyondTheLimitIsRefused) {
  const std::string bytes = planned({}, {}, {{"bomb", std::string(20'000'000, '\0')}});
  Limits limits;
  limits.expansion = 100;
  const auto archive = open_bytes(bytes, limits);
  ASSERT_TRUE(archive);
  const auto blob = (*archive)->blob("bomb");
  ASSERT_FALSE(blob);
  EXPECT_EQ(blob.error().code(), Code::kLimit);
  ASSERT_TRUE((*open_bytes(bytes))->blob("bomb"));
}

TEST(ZipArchive, SizesThatDeflateCannotReachAreRefused) {
  std::string bytes = planned({}, {}, {{"d", std::string(1000, 'x')}});
  const std::size_t directory = bytes.find("PK\1\2");
  for (const std::size_t at : {std::size_t{22}, directory + 24}) bytes.replace(at, 4, "\xff\xff\xff\x7f");
  EXPECT_NE(refusal(bytes).find("cannot become"), std::string::npos) << refusal(bytes);
}

TEST(ZipArchive, DeflatedMembersDecodeTheSameInAnyOrder) {
  const std::string text = random_text(200'000, 7) + std::string(200'000, 'y');
  const auto archive = open_bytes(planned({}, {}, {{"d", text}}));
  ASSERT_TRUE(archive);
  const auto blob = (*archive)->blob("d");
  ASSERT_TRUE(blob);
  EXPECT_FALSE(blob->source()->random_access());
  std::mt19937 random(4);
  for (int i = 0; i < 50; ++i) {
    const std::size_t offset = random() % text.size();
    std::string out(std::min<std::size_t>(random() % 50'000, text.size() - offset), '\0');
    ASSERT_TRUE(blob->read_at(offset, std::as_writable_bytes(std::span(out))));
    EXPECT_EQ(out, text.substr(offset, out.size()));
  }
}

TEST(ZipArchive, DamagedPayloadsAreFoundWhenRead) {
  for (const bool deflated : {false, true}) {
    const std::map<std::string, std::string> one = {{"a", random_text(3000, 5)}};
    std::string bytes = deflated ? planned({}, {}, one) : planned({}, one);
    bytes[1500] = static_cast<char>(bytes[1500] ^ 1);
    const auto archive = open_bytes(bytes);
    ASSERT_TRUE(archive);
    const auto data = (*archive)->blob("a")->read();
    ASSERT_FALSE(data);
    EXPECT_EQ(data.error().code(), Code::kCorrupt);
  }
}

TEST(ZipArchive, AnArchiveWrittenWithoutChecksumsIsKnownAsSuch) {
  std::string bytes = two_members();
  for (const std::size_t at : {std::size_t{14}, kSecond + 14, kDirectory + 16, kDirectory + kEntry + 16})
    bytes.replace(at, 4, std::string(4, '\0'));
  const auto archive = open_bytes(bytes);
  ASSERT_TRUE(archive) << archive.error().to_string();
  EXPECT_FALSE((*archive)->has_checksums());
  EXPECT_EQ((*archive)->blob("a")->read()->text(), "AAAAA");
}

}  // namespace
}  // namespace holdall
