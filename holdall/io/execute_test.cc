#include "holdall/io/execute.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <mutex>
#include <random>

#include "holdall/io/layout.h"
#include "holdall/io/write_tiles.h"

namespace holdall {
namespace {

namespace fs = std::filesystem;

class Execute : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "holdall-execute-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string at(const std::string& name) const { return (folder_ / name).string(); }
  static std::string slurp(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void spill(const std::string& name, std::string_view text) const { std::ofstream(folder_ / name, std::ios::binary) << text; }
  std::size_t entries() const {
    return static_cast<std::size_t>(
        std::distance(fs::recursive_directory_iterator(folder_), fs::recursive_directory_iterator()));
  }

  fs::path folder_;
};

Plan file_plan(PlannedFile file) {
  Plan plan;
  plan.files.push_back(std::move(file));
  return plan;
}

Plan text_plan(std::string_view content) {
  PlannedFile file;
  file.add(Bytes::copy(content));
  return file_plan(std::move(file));
}

std::string random_text(std::mt19937& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

// What a late part of the random plans says of the parts it needs: their places and sums, cut to its size.
std::string account(std::span<const Written> parts, const std::vector<PartId>& needs, std::size_t size) {
  std::string text;
  for (const PartId need : needs) {
    const Written& part = parts[need];
    text += std::to_string(part.offset) + ' ' + std::to_string(part.size) + ' ' + std::to_string(part.crc32) + ' ' +
            to_hex(part.xxh3);
  }
  text.resize(size, '.');
  return text;
}

// The same plan, interpreted in the plainest way.
std::string interpret(const PlannedFile& file) {
  std::string bytes;
  std::vector<Written> written;
  for (const Part& part : file.parts) {
    std::string own;
    if (const auto* literal = std::get_if<Part::Literal>(&part.content)) own = literal->bytes.text();
    if (const auto* data = std::get_if<Part::Data>(&part.content)) own = data->blob.read()->text();
    if (const auto* late = std::get_if<Part::Late>(&part.content)) own.resize(late->size);
    if (const auto* align = std::get_if<Part::Align>(&part.content)) {
      while ((bytes.size() + own.size()) % align->alignment != 0) own += static_cast<char>(align->filler);
    }
    if (const auto* stream = std::get_if<Part::Stream>(&part.content)) {
      EXPECT_TRUE(stream->make([&](std::span<const std::byte> data) -> Status {
        own += as_text(data);
        return {};
      }));
    }
    Written entry{bytes.size(), own.size(), 0, {}};
    if (part.checks.crc32) entry.crc32 = crc32(as_bytes(own));
    if (part.checks.xxh3) entry.xxh3 = xxh3_128(as_bytes(own));
    written.push_back(entry);
    bytes += own;
  }
  for (PartId id = 0; id < file.parts.size(); ++id) {
    const auto* late = std::get_if<Part::Late>(&file.parts[id].content);
    if (late == nullptr) continue;
    const std::string own = account(written, late->needs, late->size);
    bytes.replace(written[id].offset, own.size(), own);
  }
  return bytes;
}

PlannedFile random_file(std::mt19937& random, const SourceRef& disk, bool streams) {
  const auto below = [&](std::uint64_t n) { return random() % n; };
  PlannedFile file;
  const std::size_t count = below(30);
  std::vector<PartId> lates;
  for (std::size_t i = 0; i < count; ++i) {
    const Checks checks = {below(2) == 0, below(2) == 0};
    const std::size_t size = below(4) == 0 ? below(9000) : below(50);
    switch (below(streams ? 7 : 6)) {
      case 0:
        file.add(Bytes::copy(random_text(random, size)), checks);
        break;
      case 1:
        file.add(Blob::memory(Bytes::copy(random_text(random, size)), "memory"), checks);
        break;
      case 2:
      case 3: {
        const std::uint64_t from = below(disk->size() - size);
        Blob blob = *Blob::range(disk, from, size);
        if (below(3) == 0) blob = blob.with_xxh3(xxh3_128(*blob.read()));
        file.add(std::move(blob), checks);
        break;
      }
      case 4:
        file.align(std::uint64_t{1} << below(13), static_cast<std::byte>(below(256)));
        break;
      case 5:
        lates.push_back(file.add(Part::Late{below(400), {}, {}}));
        break;
      default: {
        const std::string bytes = random_text(random, size);
        file.add(Part::Stream{[bytes](const Sink& sink) -> Status {
                   HOLDALL_TRY(sink(as_bytes(bytes).first(bytes.size() / 2)));
                   return sink(as_bytes(bytes).subspan(bytes.size() / 2));
                 }},
                 checks);
      }
    }
  }
  for (const PartId id : lates) {
    auto& late = std::get<Part::Late>(file.parts[id].content);
    for (PartId need = 0; need < file.parts.size(); ++need) {
      if (below(4) == 0 && !std::holds_alternative<Part::Late>(file.parts[need].content)) late.needs.push_back(need);
    }
    late.make = [needs = late.needs](std::span<const Written> parts, std::span<std::byte> out) -> Status {
      const std::string text = account(parts, needs, out.size());
      std::transform(text.begin(), text.end(), out.begin(), [](char c) { return static_cast<std::byte>(c); });
      return {};
    };
  }
  return file;
}

TEST_F(Execute, RandomPlansGiveTheBytesOfAPlainInterpreter) {
  std::mt19937 random(7);
  spill("source", random_text(random, 100'000));
  const SourceRef disk = *open_file(at("source"));
  for (int round = 0; round < 150; ++round) {
    const PlannedFile file = random_file(random, disk, round % 2 == 0);
    const std::string expected = interpret(file);
    const ExecuteOptions options = {.durable = round % 10 == 0, .threads = 1 + static_cast<unsigned>(random() % 4)};
    const Status status = execute(file_plan(file), at("out"), options);
    ASSERT_TRUE(status) << status.error().to_string();
    ASSERT_TRUE(slurp(at("out")) == expected) << "round " << round;
  }
  EXPECT_EQ(entries(), 2u);
}

// A source that can only be read from front to back, as a deflated member is.
class OnePassSource final : public Source {
 public:
  explicit OnePassSource(std::string bytes) : bytes_(std::move(bytes)) {}
  std::uint64_t size() const noexcept override { return bytes_.size(); }
  const std::string& name() const noexcept override { return name_; }
  bool random_access() const noexcept override { return false; }
  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    const std::lock_guard lock(mutex_);
    if (offset < position_) return internal("read backwards");
    position_ = offset + out.size();
    std::memcpy(out.data(), bytes_.data() + offset, out.size());
    return {};
  }
  void rewind() const { position_ = 0; }

 private:
  std::string bytes_;
  std::string name_ = "one pass";
  mutable std::mutex mutex_;
  mutable std::uint64_t position_ = 0;
};

TEST_F(Execute, TilesOfAnySizeAndAnyNumberOfThreadsGiveTheSameBytes) {
  std::mt19937 random(11);
  spill("source", random_text(random, 100'000));
  const SourceRef disk = *open_file(at("source"));
  System& system = System::local();
  for (int round = 0; round < 80; ++round) {
    PlannedFile file = random_file(random, disk, false);
    auto once = std::make_shared<OnePassSource>(random_text(random, 50'000));
    for (std::uint64_t from = 0; from + 9'000 < once->size(); from += 9'000) {
      file.add(*Blob::range(once, from, 9'000), {true, true});
      file.add(*Blob::range(disk, from, 700), {true, true});
    }
    const std::string expected = interpret(file);
    once->rewind();
    const std::string place = at("out");
    fs::remove(place);
    const System::Handle handle = *system.open(place, System::Open::kCreateNew);
    TileOptions options = {.tile_bytes = 4096 * (1 + random() % 4), .threads = 1 + static_cast<unsigned>(random() % 6)};
    const auto direct = round % 2 == 0 ? system.open(place, System::Open::kDirectWrite) : Result<System::Handle>(-1);
    options.direct = direct.value_or(-1);
    const std::function<bool(std::uint64_t, std::uint64_t)> nobody;
    WriteProgress progress(nobody, 0);
    const Status status = write_tiles(file, *place_parts(file), {system, handle, place, progress}, options);
    ASSERT_TRUE(status) << status.error().to_string();
    if (options.direct >= 0) {
      ASSERT_TRUE(system.close(options.direct));
    }
    ASSERT_TRUE(system.close(handle));
    ASSERT_TRUE(slurp(place) == expected) << "round " << round;
  }
}

TEST_F(Execute, LargeDurableFilesAreWrittenWhole) {
  std::mt19937 random(3);
  const Bytes pattern = Bytes::adopt(random_text(random, (9u << 20) + 1234));
  PlannedFile file;
  std::string expected;
  for (int i = 0; i < 8; ++i) {
    file.add(Part::Late{
        4, {static_cast<PartId>(3 * i + 2)}, [i](std::span<const Written> parts, std::span<std::byte> out) -> Status {
          store_le(out.data(), parts[static_cast<PartId>(3 * i + 2)].crc32);
          return {};
        }});
    file.align(4096);
    file.add(Blob::memory(pattern, "pattern"), {true, true});
    const std::uint32_t sum = crc32(pattern);
    expected.append(reinterpret_cast<const char*>(&sum), 4);
    expected.resize((expected.size() + 4095) / 4096 * 4096);
    expected += pattern.text();
  }
  ASSERT_TRUE(execute(file_plan(file), at("out")));
  EXPECT_TRUE(slurp(at("out")) == expected);
}

TEST_F(Execute, AFailureAmongManyTilesIsReportedAndNothingIsLeft) {
  std::mt19937 random(5);
  const Bytes pattern = Bytes::adopt(random_text(random, 20u << 20));
  PlannedFile file;
  file.add(Blob::memory(pattern, "good"), {true, true});
  file.add(Blob::memory(pattern, "damaged").with_xxh3({1, 2}), {true, true});
  file.add(Blob::memory(pattern, "good"), {true, true});
  const Status status = execute(file_plan(file), at("out"));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().path(), "damaged");
  EXPECT_EQ(entries(), 0u);
}

TEST_F(Execute, LatePartsMayNeedLateParts) {
  PlannedFile file;
  const PartId first = file.add(Part::Late{16, {1}, {}});
  const PartId second = file.add(Part::Late{8, {2}, {}});
  file.parts[second].checks.crc32 = true;
  file.add(Bytes::copy("payload"), {.crc32 = true});
  const auto sum_of = [](PartId id) {
    return [id](std::span<const Written> parts, std::span<std::byte> out) -> Status {
      store_le<std::uint32_t>(out.data(), parts[id].crc32);
      return {};
    };
  };
  std::get<Part::Late>(file.parts[first].content).make = sum_of(second);
  std::get<Part::Late>(file.parts[second].content).make = sum_of(2);
  ASSERT_TRUE(execute(file_plan(file), at("out")));
  const std::string bytes = slurp(at("out"));
  EXPECT_EQ(load_le<std::uint32_t>(&bytes[16]), crc32(as_bytes("payload")));
  EXPECT_EQ(load_le<std::uint32_t>(&bytes[0]), crc32(as_bytes(std::string_view(bytes).substr(16, 8))));
}

TEST_F(Execute, LatePartsInACircleAreRefused) {
  PlannedFile file;
  const auto nothing = [](std::span<const Written>, std::span<std::byte>) -> Status { return {}; };
  file.add(Part::Late{4, {1}, nothing});
  file.add(Part::Late{4, {0}, nothing});
  const Status status = execute(file_plan(file), at("out"));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), Code::kInvalidArgument);
  EXPECT_EQ(entries(), 0u);
}

TEST_F(Execute, AStoredChecksumThatDoesNotHoldFailsTheWriteAndNamesTheSource) {
  spill("out", "old");
  PlannedFile file;
  file.add(Blob(memory_source(Bytes::copy("weights"), "model.pt!data/0"), 0x12345678u));
  const Status status = execute(file_plan(file), at("out"));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), Code::kCorrupt);
  EXPECT_EQ(status.error().path(), "model.pt!data/0");
  EXPECT_EQ(slurp(at("out")), "old");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(Execute, AnEmptyPlanWritesAnEmptyFile) {
  ASSERT_TRUE(execute(file_plan({}), at("out")));
  EXPECT_EQ(fs::file_size(at("out")), 0u);
}

TEST_F(Execute, WithoutReplaceAnExistingFileIsKept) {
  spill("out", "old");
  const Status status = execute(text_plan("new"), at("out"), {.replace = false});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), Code::kAlreadyExists);
  EXPECT_EQ(slurp(at("out")), "old");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(Execute, AMissingFolderIsNamed) {
  const Status status = execute(text_plan("new"), at("no/out"));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), Code::kNotFound);
  EXPECT_EQ(status.error().path(), at("no/out"));
  EXPECT_EQ(status.error().message(), "there is no folder '" + at("no") + "'");
}

TEST_F(Execute, ACancelledWriteLeavesTheOld) {
  spill("out", "old");
  ExecuteOptions options;
  options.progress = [](std::uint64_t, std::uint64_t) { return false; };
  const Status status = execute(text_plan("new"), at("out"), options);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), Code::kCancelled);
  EXPECT_EQ(slurp(at("out")), "old");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(Execute, ProgressEndsAtTheTotal) {
  std::uint64_t last = 0;
  ExecuteOptions options;
  options.progress = [&](std::uint64_t done, std::uint64_t total) {
    EXPECT_LE(done, total);
    EXPECT_EQ(total, 3u);
    last = done;
    return true;
  };
  ASSERT_TRUE(execute(text_plan("new"), at("out"), options));
  EXPECT_EQ(last, 3u);
}

TEST_F(Execute, AFolderReplacesTheOldOneWhole) {
  fs::create_directories(folder_ / "model/sub");
  spill("model/stale", "old");
  spill("model/sub/stale", "old");
  Plan plan;
  plan.folder = true;
  PlannedFile file;
  file.name = "a/b/weights";
  file.add(Bytes::copy("new"));
  plan.files.push_back(file);
  file.name = "config.json";
  plan.files.push_back(file);
  const Status status = execute(plan, at("model"));
  ASSERT_TRUE(status) << status.error().to_string();
  EXPECT_EQ(slurp(at("model/a/b/weights")), "new");
  EXPECT_EQ(slurp(at("model/config.json")), "new");
  EXPECT_EQ(entries(), 5u);
  ASSERT_TRUE(execute(plan, at("other/")));
  EXPECT_EQ(entries(), 10u);
}

TEST_F(Execute, NamesThatLeadOutOfTheFolderAreRefused) {
  for (const char* name : {"../x", "/x", "a/../x", ""}) {
    Plan plan;
    plan.folder = true;
    plan.files.emplace_back().name = name;
    const Status status = execute(plan, at("model"));
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code(), Code::kInvalidArgument);
  }
  EXPECT_EQ(entries(), 0u);
}

// An index with shards beside it.
Plan set_plan(const std::string& content) {
  Plan plan = text_plan("index of " + content);
  for (const char* name : {"m_0", "m_1"}) {
    PlannedFile file;
    file.name = name;
    file.add(Bytes::copy(name + content));
    plan.files.push_back(std::move(file));
  }
  return plan;
}

TEST_F(Execute, FilesBesideTheOneAtThePathComeWithIt) {
  for (const char* content : {"one", "another"}) {
    ASSERT_TRUE(execute(set_plan(content), at("m.json"), {.durable = false}));
    EXPECT_EQ(slurp(at("m.json")), std::string("index of ") + content);
    EXPECT_EQ(slurp(at("m_0")), std::string("m_0") + content);
    EXPECT_EQ(slurp(at("m_1")), std::string("m_1") + content);
    EXPECT_EQ(entries(), 3u);
  }
  Plan failing = set_plan("third");
  failing.files.back().add(Part::Late{1, {}, [](auto, auto) -> Status { return corrupt("not today"); }});
  EXPECT_FALSE(execute(failing, at("m.json"), {.durable = false}));
  EXPECT_EQ(slurp(at("m.json")), "index of another");
  EXPECT_EQ(slurp(at("m_0")), "m_0another");
  EXPECT_EQ(entries(), 3u);
}

TEST_F(Execute, NamesOfFilesBesideTheOneAtThePathAreNamesAlone) {
  for (const char* name : {"../m_0", "a/m_0", "m.json", ""}) {
    Plan plan = set_plan("x");
    plan.files[1].name = name;
    EXPECT_EQ(execute(plan, at("m.json"), {.durable = false}).error().code(), Code::kInvalidArgument) << name;
  }
  EXPECT_EQ(entries(), 0u);
}

}  // namespace
}  // namespace holdall
