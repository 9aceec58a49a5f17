#include "holdall/io/system.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "holdall/io/bytes.h"

namespace holdall {
namespace {

namespace fs = std::filesystem;

class LocalSystem : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "holdall-system-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string at(const std::string& name) const { return (folder_ / name).string(); }

  System& system_ = System::local();
  fs::path folder_;
};

TEST_F(LocalSystem, WritesAndReadsAtOffsets) {
  const auto handle = system_.open(at("f"), System::Open::kCreateNew);
  ASSERT_TRUE(handle);
  ASSERT_TRUE(system_.preallocate(*handle, 100));
  ASSERT_TRUE(system_.write_at(*handle, 10, as_bytes("hello")));
  ASSERT_TRUE(system_.truncate(*handle, 15));
  std::string back(5, '\0');
  ASSERT_TRUE(system_.read_at(*handle, 10, std::as_writable_bytes(std::span(back))));
  EXPECT_EQ(back, "hello");
  EXPECT_FALSE(system_.read_at(*handle, 11, std::as_writable_bytes(std::span(back))));
  ASSERT_TRUE(system_.sync(*handle));
  ASSERT_TRUE(system_.close(*handle));
  EXPECT_EQ(fs::file_size(at("f")), 15u);
}

// The workers of a data loader are forked whenever an epoch begins, and live longer than a write.
TEST_F(LocalSystem, AChildHasNothingOpenThatWasBeingWritten) {
  const auto handle = system_.open(at("f"), System::Open::kCreateNew);
  ASSERT_TRUE(handle);
  int gate[2], begun[2];
  ASSERT_EQ(::pipe(gate), 0);
  ASSERT_EQ(::pipe(begun), 0);
  const pid_t child = ::fork();
  char byte = 0;
  if (child == 0) {
    ::close(gate[1]);
    if (::write(begun[1], &byte, 1) != 1) ::_exit(2);
    ::_exit(::read(gate[0], &byte, 1) == 0 ? 0 : 1);
  }
  ASSERT_EQ(::read(begun[0], &byte, 1), 1);
  ASSERT_TRUE(system_.write_at(*handle, 0, as_bytes("the parent's")));
  EXPECT_TRUE(*system_.in_use(at("f")));
  ASSERT_TRUE(system_.close(*handle));
  EXPECT_FALSE(*system_.in_use(at("f")));
  ::close(gate[1]);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(LocalSystem, AnExistingFileIsNotCreatedAnew) {
  std::ofstream(at("f")) << "old";
  const auto handle = system_.open(at("f"), System::Open::kCreateNew);
  ASSERT_FALSE(handle);
  EXPECT_EQ(handle.error().code(), Code::kAlreadyExists);
  EXPECT_EQ(handle.error().path(), at("f"));
}

TEST_F(LocalSystem, RenameNewKeepsWhatIsThere) {
  std::ofstream(at("a")) << "a";
  std::ofstream(at("b")) << "b";
  const Status status = system_.rename_new(at("a"), at("b"));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), Code::kAlreadyExists);
  EXPECT_TRUE(system_.rename_new(at("a"), at("c")));
  EXPECT_TRUE(fs::exists(at("c")));
}

TEST_F(LocalSystem, KindsAndLinksAreToldApart) {
  std::ofstream(at("f")) << "f";
  fs::create_symlink("f", at("link"));
  fs::create_symlink("loop", at("loop"));
  EXPECT_EQ(*system_.kind(at("f")), System::Kind::kFile);
  EXPECT_EQ(*system_.kind(folder_), System::Kind::kFolder);
  EXPECT_EQ(*system_.kind(at("link")), System::Kind::kOther);
  EXPECT_EQ(*system_.kind(at("none")), System::Kind::kMissing);
  EXPECT_EQ(*system_.resolve(at("link")), at("f"));
  EXPECT_EQ(*system_.resolve(at("none")), at("none"));
  EXPECT_FALSE(system_.resolve(at("loop")));
}

TEST_F(LocalSystem, CopiesInsideTheKernelOrSaysItCannot) {
  std::ofstream(at("a")) << "0123456789";
  const int from = *system_.open(at("a"), System::Open::kReadWrite);
  const int to = *system_.open(at("b"), System::Open::kCreateNew);
  const auto copied = system_.copy_range(from, 2, to, 1, 5);
  ASSERT_TRUE(copied);
  if (*copied) {
    std::string back(6, '\0');
    ASSERT_TRUE(system_.read_at(to, 0, std::as_writable_bytes(std::span(back))));
    EXPECT_EQ(back, std::string("\0"
                                "23456",
                                6));
    EXPECT_FALSE(system_.copy_range(from, 2, to, 1, 50));
  }
  EXPECT_TRUE(system_.close(from));
  EXPECT_TRUE(system_.close(to));
}

TEST_F(LocalSystem, OnlyAProcessThatHasEndedIsAbandoned) {
  std::string owner = system_.owner();
  EXPECT_FALSE(system_.abandoned(owner, at("f")));
  const std::string rest = owner.substr(owner.find('-'));
  EXPECT_TRUE(system_.abandoned("4194400" + rest, at("f")));  // above the largest process id of Linux
  owner.back() = owner.back() == '0' ? '1' : '0';
  EXPECT_TRUE(system_.abandoned(owner, at("f")));  // before the last boot
  std::ofstream(at("f")) << "of another machine, just now";
  EXPECT_FALSE(system_.abandoned("1-ffffffff-000000", at("f")));
  fs::last_write_time(at("f"), fs::file_time_type::clock::now() - std::chrono::hours(24 * 8));
  EXPECT_TRUE(system_.abandoned("1-ffffffff-000000", at("f")));
  for (const char* strange : {"", "-", "--", "x-y-z", "0-a-b", "-1-a-b"}) EXPECT_FALSE(system_.abandoned(strange, at("f")));
}

}  // namespace
}  // namespace holdall
