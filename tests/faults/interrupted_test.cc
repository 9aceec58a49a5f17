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

#include "holdall/checkpoint/checkpoint_test_states.h"
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

// A Checkpointer's life: opened over what is there, two saves, the rules, closed. Whatever failed first.
Status life_in(const std::string& folder, std::int64_t first) {
  HOLDALL_ASSIGN(const auto checkpointer, Checkpointer::open(folder, {.rules = {.last = 2}, .durable = false, .threads = 2}));
  for (const std::int64_t step : {first, first + 1}) {
    HOLDALL_TRY(checkpointer->save(state_of(step), {.step = step, .metrics = {{"loss", 0.5}}}));
    HOLDALL_TRY(checkpointer->wait());
  }
  return checkpointer->close();
}

TEST_F(Interrupted, ACheckpointerRepeatsCallsAndGoesOnAfterShortOnes) {
  interrupting = true;
  calls = 0;
  const Status lived = life_in((folder_ / "run").string(), 1);
  interrupting = false;
  ASSERT_TRUE(lived) << lived.error().to_string();
  EXPECT_GT(calls, 50u);
  const auto contents = CheckpointFolder::read((folder_ / "run").string());
  ASSERT_EQ(contents->all().size(), 2u);
  for (const Checkpoint& checkpoint : contents->all()) {
    EXPECT_TRUE(verify_checkpoint(contents->path(), checkpoint)->sound());
    EXPECT_TRUE(holds_state_of(contents->path_of(checkpoint), checkpoint.label.step));
  }
}

// In the training's thread and in those behind it.
TEST_F(Interrupted, TheNthFailureOfMemoryIsToldByACheckpointerAndCostsNothing) {
  const std::string folder = (folder_ / "run").string();
  std::int64_t step = 1;
  ASSERT_TRUE(life_in(folder, step));
  allocations = 0;
  ASSERT_TRUE(life_in(folder, step += 2));
  const std::int64_t count = allocations;
  int told = 0;
  for (std::int64_t at = 0; at < count; ++at) {
    allocations_left = at;
    Status lived;
    try {
      lived = life_in(folder, step + 2);
    } catch (const std::bad_alloc&) {
      lived = Error(Code::kOutOfMemory, "told by an exception");  // of what the test itself makes, or tells
    }
    allocations_left = -1;
    const CheckpointFolder contents = *CheckpointFolder::read(folder);
    ASSERT_NE(contents.latest(), nullptr);
    if (lived) {
      ASSERT_EQ(contents.latest()->label.step, step + 3) << "allocation " << at;
    } else {
      ++told;
      ASSERT_EQ(lived.error().code(), Code::kOutOfMemory) << lived.error().to_string();
      ASSERT_GE(contents.latest()->label.step, step + 1) << "allocation " << at;
    }
    for (const Checkpoint& checkpoint : contents.all()) {
      ASSERT_TRUE(checkpoint.is_complete()) << checkpoint.why;
      ASSERT_TRUE(holds_state_of(contents.path_of(checkpoint), checkpoint.label.step)) << "allocation " << at;
    }
    step = contents.latest()->label.step - 1;
  }
  EXPECT_GT(told, count / 4);
  RecordProperty("allocations", static_cast<int>(count));
  RecordProperty("told", told);
}

}  // namespace
}  // namespace holdall
