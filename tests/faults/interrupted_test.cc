// System calls that are interrupted or move fewer bytes than asked, and memory that runs out: the calls themselves are replaced
// in this program.
#include <errno.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <new>

#include "holdall/io/execute.h"
#include "holdall/io/source.h"

namespace {

std::atomic<bool> interrupting = false;
std::atomic<std::uint64_t> calls = 0;
std::atomic<std::int64_t> allocations_left = -1;  // -1: memory never runs out
std::atomic<std::int64_t> allocations = 0;

// Every third call is interrupted; the others move at most a third of what is asked.
bool interrupted() {
  if (!interrupting || ++calls % 3 != 0) return false;
  errno = EINTR;
  return true;
}
std::size_t shortened(std::size_t size) { return interrupting && size > 3 ? size / 3 : size; }

void* allocate(std::size_t size) {
  ++allocations;
  if (allocations_left >= 0 && allocations_left-- == 0) return nullptr;
  return std::malloc(std::max<std::size_t>(size, 1));
}

}  // namespace

extern "C" {

ssize_t pwrite(int handle, const void* data, size_t size, off_t offset) {
  if (interrupted()) return -1;
  return ::syscall(SYS_pwrite64, handle, data, shortened(size), offset);
}

ssize_t pread(int handle, void* data, size_t size, off_t offset) {
  if (interrupted()) return -1;
  return ::syscall(SYS_pread64, handle, data, shortened(size), offset);
}

int fsync(int handle) {
  if (interrupted()) return -1;
  return static_cast<int>(::syscall(SYS_fsync, handle));
}
}

// g++ 12 sees the new and the free once both are inlined, but not that they belong together.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
void* operator new(std::size_t size) {
  void* place = allocate(size);
  if (place == nullptr) throw std::bad_alloc();
  return place;
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void operator delete(void* place) noexcept { std::free(place); }
void operator delete(void* place, const std::nothrow_t&) noexcept { std::free(place); }
void operator delete(void* place, std::size_t) noexcept { std::free(place); }
#pragma GCC diagnostic pop

namespace holdall {
namespace {

namespace fs = std::filesystem;

class Interrupted : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "holdall-interrupted-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    std::ofstream(folder_ / "source", std::ios::binary) << std::string(300'000, 's');
  }
  void TearDown() override {
    interrupting = false;
    fs::remove_all(folder_);
  }

  // Two large ranges and many small ones of a file on disk.
  Plan plan() const {
    const SourceRef source = *open_file((folder_ / "source").string());
    Plan plan;
    PlannedFile& file = plan.files.emplace_back();
    file.add(*Blob::range(source, 0, 200'000), {true, true});
    for (std::uint64_t i = 0; i < 200; ++i) file.add(*Blob::range(source, i * 300, 100), {true, true});
    file.add(Part::Late{4, {0}, [](std::span<const Written> parts, std::span<std::byte> out) -> Status {
                          store_le(out.data(), parts[0].crc32);
                          return {};
                        }});
    return plan;
  }
  std::string slurp(const char* name) const {
    std::ifstream file(folder_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  fs::path folder_;
};

TEST_F(Interrupted, CallsAreRepeatedAndShortOnesContinued) {
  ASSERT_TRUE(execute(plan(), (folder_ / "calm").string()));
  interrupting = true;
  calls = 0;
  const Status status = execute(plan(), (folder_ / "out").string(), {.tile_bytes = 16384});
  interrupting = false;
  ASSERT_TRUE(status) << status.error().to_string();
  EXPECT_GT(calls, 100u);
  EXPECT_TRUE(slurp("out") == slurp("calm"));
}

TEST_F(Interrupted, TheNthFailureOfMemoryIsReportedAndLeavesTheOld) {
  const Plan plan = this->plan();
  const std::string path = (folder_ / "out").string();
  std::ofstream(path) << "old";
  const ExecuteOptions options = {.durable = false, .tile_bytes = 16384};
  allocations = 0;
  ASSERT_TRUE(execute(plan, (folder_ / "calm").string(), options));
  const std::int64_t count = allocations;
  const std::string calm = slurp("calm");
  int reported = 0;
  for (std::int64_t at = 0; at < count; ++at) {
    allocations_left = at;
    const Status status = execute(plan, path, options);
    allocations_left = -1;
    if (status) {
      ASSERT_TRUE(slurp("out") == calm) << "allocation " << at;
      std::ofstream(path, std::ios::trunc) << "old";
    } else {
      ++reported;
      ASSERT_EQ(status.error().code(), Code::kOutOfMemory) << status.error().to_string();
      ASSERT_TRUE(slurp("out") == "old") << "allocation " << at;
    }
  }
  EXPECT_GT(reported, 10);
  // A temporary may stay only where memory ran out while it was being removed; here it runs out once, before.
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 3);
}

}  // namespace
}  // namespace holdall
