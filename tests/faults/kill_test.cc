// Writers killed at any moment: what stands at the path is always one whole version, never older than the last one reported.
//
// HOLDALL_KILLS=1000 in the environment sets the number of kills of each kind; tens without it.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "holdall/io/execute.h"

namespace holdall {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPayload = 300'000;

int kills() {
  const char* wanted = std::getenv("HOLDALL_KILLS");
  return wanted == nullptr ? 25 : std::atoi(wanted);
}

// A version: its number, a payload that follows from it, and the payload's CRC-32, written last.
PlannedFile version_file(const std::string& name, std::uint64_t version) {
  std::string payload(kPayload, '\0');
  for (std::size_t i = 0; i + 8 <= payload.size(); i += 8) store_le(&payload[i], version * 0x9e3779b97f4a7c15u + i);
  std::string number(8, '\0');
  store_le(number.data(), version);
  PlannedFile file;
  file.name = name;
  file.add(Bytes::adopt(number));
  file.add(Part::Late{4, {2}, [](std::span<const Written> parts, std::span<std::byte> out) -> Status {
                        store_le(out.data(), parts[2].crc32);
                        return {};
                      }});
  file.add(Bytes::adopt(payload), {.crc32 = true});
  return file;
}

Plan version_plan(bool folder, std::uint64_t version) {
  Plan plan;
  plan.folder = folder;
  plan.files.push_back(version_file("a", version));
  if (folder) plan.files.push_back(version_file("sub/b", version));
  return plan;
}

// The version in a file; 0 when it is not whole.
std::uint64_t version_in(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (bytes.size() != 12 + kPayload) return 0;
  const std::string_view payload = std::string_view(bytes).substr(12);
  return load_le<std::uint32_t>(&bytes[8]) == crc32(as_bytes(payload)) ? load_le<std::uint64_t>(bytes.data()) : 0;
}

struct KillCase {
  const char* name;
  bool folder;
  bool durable;
};

class Kill : public testing::TestWithParam<KillCase> {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "holdall-kill-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  // Writes one version after the other and reports each on `pipe` until it is killed.
  [[noreturn]] void write_forever(std::uint64_t version, int pipe) const {
    ExecuteOptions options;
    options.durable = GetParam().durable;
    options.tile_bytes = 65536;
    for (;; ++version) {
      if (!execute(version_plan(GetParam().folder, version), (folder_ / "out").string(), options)) ::_exit(1);
      if (::write(pipe, &version, sizeof(version)) != sizeof(version)) ::_exit(2);
    }
  }

  std::uint64_t found() const {
    if (!GetParam().folder) return version_in(folder_ / "out");
    const std::uint64_t first = version_in(folder_ / "out/a");
    return first == version_in(folder_ / "out/sub/b") ? first : 0;
  }

  fs::path folder_;
};

TEST_P(Kill, LeavesOneWholeVersion) {
  std::mt19937 random(4);
  std::uint64_t last = 1;
  ASSERT_TRUE(execute(version_plan(GetParam().folder, last), (folder_ / "out").string()));
  for (int i = 0; i < kills(); ++i) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(ends[0]);
      write_forever(last + 1, ends[1]);
    }
    ::close(ends[1]);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 40'000));
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer failed by itself";
    std::uint64_t reported = last;
    while (::read(ends[0], &reported, sizeof(reported)) == sizeof(reported)) last = reported;
    ::close(ends[0]);
    const std::uint64_t version = found();
    ASSERT_NE(version, 0u) << "not whole after kill " << i;
    ASSERT_GE(version, last) << "a reported version is lost after kill " << i;
    last = version;
  }
  // The next writer leaves nothing of the killed ones.
  ASSERT_TRUE(execute(version_plan(GetParam().folder, last + 1), (folder_ / "out").string()));
  EXPECT_EQ(found(), last + 1);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

INSTANTIATE_TEST_SUITE_P(Writers, Kill,
                         testing::Values(KillCase{"File", false, false}, KillCase{"DurableFile", false, true},
                                         KillCase{"Folder", true, false}, KillCase{"DurableFolder", true, true}),
                         [](const auto& parameter) { return std::string(parameter.param.name); });

}  // namespace
}  // namespace holdall
