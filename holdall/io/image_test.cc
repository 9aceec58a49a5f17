#include "holdall/io/image.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <random>

#include "holdall/io/execute.h"
#include "holdall/io/layout.h"

namespace holdall {
namespace {

namespace fs = std::filesystem;

class Image : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "holdall-image-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string written(const Plan& plan, const ExecuteOptions& options) const {
    const std::string path = (folder_ / "out").string();
    const Status status = execute(plan, path, options);
    EXPECT_TRUE(status) << status.error().to_string();
    std::string all;
    std::vector<fs::path> files;
    if (plan.folder) {
      for (const PlannedFile& file : plan.files) files.push_back(fs::path(path) / file.name);
    } else {
      files.emplace_back(path);
    }
    for (const fs::path& name : files) {
      std::ifstream file(name, std::ios::binary);
      all += std::string(std::istreambuf_iterator<char>(file), {}) + "|";
    }
    fs::remove_all(path);
    return all;
  }

  fs::path folder_;
  std::mt19937 random_{11};

  std::string noise(std::size_t size) {
    std::string bytes(size, '\0');
    for (char& c : bytes) c = static_cast<char>(random_());
    return bytes;
  }

  // A sum of all data parts, of its own width, wherever it stands among them.
  static Part::Late sum_of(std::vector<PartId> needs) {
    return {8, needs, [needs](std::span<const Written> parts, std::span<std::byte> out) -> Status {
              std::uint64_t sum = 0;
              for (const PartId need : needs) sum = sum * 31 + parts[need].crc32 + parts[need].offset;
              store_le(out.data(), sum);
              return {};
            }};
  }

  PlannedFile random_file(const std::string& name, std::size_t most) {
    PlannedFile file;
    file.name = name;
    const std::size_t parts = 1 + random_() % 12;
    std::vector<PartId> data;
    const bool first = random_() % 2 == 0;
    if (first) file.add(Bytes::copy("instead of this a late part, below"));
    for (std::size_t i = 0; i < parts; ++i) {
      switch (random_() % 4) {
        case 0:
          file.add(Bytes::copy(noise(random_() % 300)));
          break;
        case 1:
          file.align(std::uint64_t{1} << random_() % 13, std::byte{'.'});
          break;
        default: {
          Blob blob = Blob::memory(Bytes::copy(noise(random_() % most)), "data");
          if (random_() % 2 == 0 && blob.size() > 0) blob = blob.with_crc32(crc32(*blob.read()));
          data.push_back(file.add(std::move(blob), {.crc32 = true, .xxh3 = random_() % 2 == 0}));
        }
      }
    }
    file.add(sum_of(data));
    if (first) {
      // A late part at the very front, whose sums are known last.
      std::vector<PartId> shifted = data;
      for (PartId& id : shifted) ++id;
      file.parts.insert(file.parts.begin(), Part{sum_of(shifted), {}});
      for (std::size_t i = 1; i < file.parts.size(); ++i)
        if (auto* late = std::get_if<Part::Late>(&file.parts[i].content)) *late = sum_of(shifted);
    }
    return file;
  }
};

TEST_F(Image, IsWrittenAsThePlanWithoutItWouldBe) {
  Images images;  // one memory for all, growing and shrinking plans
  for (int round = 0; round < 150; ++round) {
    const std::size_t most = round % 10 == 0 ? 400'000 : 1 + random_() % 30'000;
    Plan plan;
    plan.folder = round % 7 == 0;
    plan.files.push_back(random_file("a", most));
    if (plan.folder) plan.files.push_back(random_file("sub/b", most));
    ExecuteOptions options;
    options.durable = round % 3 != 0;
    options.threads = 1 + static_cast<unsigned>(round % 5);
    options.tile_bytes = std::uint64_t{4096} << round % 4;
    options.direct_from = round % 2 == 0 ? 0 : UINT64_MAX;
    const std::string wanted = written(plan, options);
    const auto needed = Images::needed(plan);
    ASSERT_TRUE(needed);
    const Status taken = images.take(plan, options.threads);
    ASSERT_TRUE(taken) << taken.error().to_string();
    EXPECT_GE(images.bytes(), *needed);
    ASSERT_EQ(written(plan, options), wanted) << "round " << round;
    // And the image is the file, late parts too.
    std::string in_memory;
    for (const PlannedFile& file : plan.files) in_memory += std::string(as_text(file.image)) + "|";
    ASSERT_EQ(in_memory, wanted) << "round " << round;
  }
}

TEST_F(Image, KeepsItsMemoryForSmallerPlansAndTakesMoreForLarger) {
  Images images;
  const auto plan_of = [&](std::size_t size) {
    Plan plan;
    plan.files.emplace_back().add(Blob::memory(Bytes::copy(noise(size)), "data"));
    return plan;
  };
  Plan plan = plan_of(100'000);
  ASSERT_TRUE(images.take(plan));
  const std::uint64_t first = images.bytes();
  const std::byte* const place = plan.files.front().image.data();
  plan = plan_of(50'000);
  ASSERT_TRUE(images.take(plan));
  EXPECT_EQ(images.bytes(), first);
  EXPECT_EQ(plan.files.front().image.data(), place);
  plan = plan_of(200'000);
  ASSERT_TRUE(images.take(plan));
  EXPECT_GE(images.bytes(), 200'000u);
  ASSERT_TRUE(images.prepare(1));
  EXPECT_GE(images.bytes(), 200'000u);
}

TEST_F(Image, HoldsWhatTheLiveMemoryWasWhenItWasTaken) {
  std::string live = noise(70'000);
  const std::string before = live;
  Plan plan;
  plan.files.emplace_back().add(Blob::memory(Bytes::share(nullptr, as_bytes(live)), "live"));
  Images images;
  ASSERT_TRUE(images.take(plan));
  std::fill(live.begin(), live.end(), 'x');
  EXPECT_EQ(written(plan, {}), before + "|");
}

TEST_F(Image, ReportsAStoredSumThatDoesNotHold) {
  Plan plan;
  plan.files.emplace_back().add(Blob::memory(Bytes::copy(noise(9'000)), "wrong").with_crc32(1));
  Images images;
  ASSERT_TRUE(images.take(plan));
  EXPECT_EQ(execute(plan, (folder_ / "out").string()).error().code(), Code::kCorrupt);
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(Image, OfAStreamIsRefused) {
  Plan plan;
  plan.files.emplace_back().add(Part::Stream{[](const Sink& sink) { return sink(as_bytes("x")); }});
  Images images;
  EXPECT_EQ(Images::needed(plan).error().code(), Code::kInvalidArgument);
  EXPECT_FALSE(images.take(plan));
}

TEST_F(Image, ThatFindsNoMemoryIsToldAndTheNextOneFitsAgain) {
  Images images;
  EXPECT_EQ(images.prepare(std::uint64_t{1} << 60).error().code(), Code::kOutOfMemory);
  EXPECT_EQ(images.bytes(), 0u);
  Plan plan;
  plan.files.emplace_back().add(Bytes::copy("fits"));
  ASSERT_TRUE(images.take(plan));
  EXPECT_EQ(written(plan, {}), "fits|");
}

class UnreadableSource final : public Source {
 public:
  std::uint64_t size() const noexcept override { return 100; }
  const std::string& name() const noexcept override { return name_; }
  Status read_at(std::uint64_t, std::span<std::byte>) const override { return io_error("gone", EIO); }

 private:
  std::string name_ = "unreadable";
};

TEST(Images, APlanThatCannotBeCopiedIsAsItWas) {
  const SourceRef unreadable = std::make_shared<UnreadableSource>();
  Plan plan;
  PlannedFile& file = plan.files.emplace_back();
  const Blob whole = Blob::memory(Bytes::copy("whole"), "whole");
  const PartId first = file.add(whole);
  const PartId second = file.add(Blob(unreadable));
  Images images;
  const Status status = images.take(plan);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), Code::kIo);
  EXPECT_TRUE(file.image.empty());
  EXPECT_EQ(std::get<Part::Data>(file.parts[first].content).blob.source(), whole.source());
  EXPECT_EQ(std::get<Part::Data>(file.parts[second].content).blob.source(), unreadable);
}

}  // namespace
}  // namespace holdall
