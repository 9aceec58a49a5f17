#include "holdall/io/publish.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace holdall {
namespace {

namespace fs = std::filesystem;

class Publish : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "holdall-publish-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string at(const std::string& name) const { return (folder_ / name).string(); }
  static void spill(const std::string& path, std::string_view text) { std::ofstream(path, std::ios::binary) << text; }
  static std::string slurp(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  // Begins a publication in a process that ends before it commits; returns that process's place.
  std::string orphan(Publication::Kind kind, const std::string& name) const {
    const pid_t child = ::fork();
    if (child == 0) {
      auto publication = Publication::begin(System::local(), at(name), kind, {});
      spill(kind == Publication::Kind::kFile ? publication->place() : publication->place() + "/x", "orphan");
      ::_exit(0);
    }
    ::waitpid(child, nullptr, 0);
    for (const auto& entry : fs::directory_iterator(folder_)) {
      if (entry.path().filename().string().starts_with(".")) return entry.path();
    }
    return {};
  }

  fs::path folder_;
};

using Kind = Publication::Kind;

TEST_F(Publish, NothingIsSeenBeforeTheCommit) {
  auto publication = Publication::begin(System::local(), at("m"), Kind::kFile, {});
  ASSERT_TRUE(publication);
  spill(publication->place(), "new");
  EXPECT_FALSE(fs::exists(at("m")));
  ASSERT_TRUE(publication->commit());
  EXPECT_EQ(slurp(at("m")), "new");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(Publish, WhatIsNotCommittedIsRemoved) {
  for (const Kind kind : {Kind::kFile, Kind::kFolder}) {
    auto publication = Publication::begin(System::local(), at("m"), kind, {});
    ASSERT_TRUE(publication);
    spill(kind == Kind::kFile ? publication->place() : publication->place() + "/x", "new");
  }
  EXPECT_EQ(entries(), 0u);
}

TEST_F(Publish, OrphansOfDeadProcessesAreSweptByTheNextWriter) {
  for (const Kind kind : {Kind::kFile, Kind::kFolder}) {
    const std::string left = orphan(kind, "m");
    ASSERT_TRUE(fs::exists(left));
    ASSERT_TRUE(Publication::begin(System::local(), at("m"), Kind::kFile, {}));
    EXPECT_FALSE(fs::exists(left));
  }
}

TEST_F(Publish, WhatACallerPreparedBesideAPathIsSweptOnceItIsGone) {
  const pid_t child = ::fork();
  if (child == 0) {
    fs::create_directories(*temporary_beside(System::local(), at("m/")) + "/x");
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  const std::string own = *temporary_beside(System::local(), at("m"));
  EXPECT_EQ(fs::path(own).parent_path(), folder_);
  fs::create_directory(own);
  ASSERT_EQ(entries(), 2u);
  ASSERT_TRUE(Publication::begin(System::local(), at("m"), Kind::kFolder, {}));
  EXPECT_EQ(entries(), 1u);
  EXPECT_TRUE(fs::exists(own));
}

TEST_F(Publish, TemporariesOfLiveWritersAndOtherNamesAreKept) {
  spill(at(".m.holdall-notes"), "mine");
  spill(at(".m2.holdall-1-00000000-000000-0.tmp"), "of another name");
  auto one = Publication::begin(System::local(), at("m"), Kind::kFile, {});
  spill(one->place(), "one");
  auto two = Publication::begin(System::local(), at("m"), Kind::kFile, {});
  spill(two->place(), "two");
  EXPECT_EQ(entries(), 4u);
  ASSERT_TRUE(one->commit());
  ASSERT_TRUE(two->commit());
  EXPECT_EQ(slurp(at("m")), "two");
  EXPECT_EQ(entries(), 3u);
}

TEST_F(Publish, AnOldFolderMovedAsideByADeadWriterIsPutBack) {
  const std::string left = orphan(Kind::kFolder, "m");
  fs::rename(left, left.substr(0, left.size() - 4) + ".old");
  sweep(System::local(), at("m"));
  EXPECT_EQ(slurp(at("m/x")), "orphan");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(Publish, ALinkStaysAndItsTargetIsReplaced) {
  fs::create_directory(at("disk"));
  spill(at("disk/real"), "old");
  fs::create_symlink("disk/real", at("link"));
  auto publication = Publication::begin(System::local(), at("link"), Kind::kFile, {});
  ASSERT_TRUE(publication);
  spill(publication->place(), "new");
  ASSERT_TRUE(publication->commit());
  EXPECT_TRUE(fs::is_symlink(at("link")));
  EXPECT_EQ(slurp(at("disk/real")), "new");
}

TEST_F(Publish, AReplacedFileHandsDownItsPermissions) {
  spill(at("m"), "old");
  ::chmod(at("m").c_str(), 0600);
  auto publication = Publication::begin(System::local(), at("m"), Kind::kFile, {});
  spill(publication->place(), "new");
  ASSERT_TRUE(publication->commit());
  EXPECT_EQ(fs::status(at("m")).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(Publish, AFolderIsNeverReplacedByAFileNorAFileByAFolder) {
  spill(at("file"), "old");
  fs::create_directory(at("folder"));
  for (const auto& [name, kind] : {std::pair{"file", Kind::kFolder}, {"folder", Kind::kFile}}) {
    const auto publication = Publication::begin(System::local(), at(name), kind, {});
    ASSERT_FALSE(publication);
    EXPECT_EQ(publication.error().code(), Code::kAlreadyExists);
  }
}

TEST_F(Publish, NamesNearTheLimitOfTheFileSystemWork) {
  const std::string name(255, 'n');
  auto publication = Publication::begin(System::local(), at(name), Kind::kFile, {});
  ASSERT_TRUE(publication);
  spill(publication->place(), "new");
  ASSERT_TRUE(publication->commit());
  EXPECT_EQ(slurp(at(name)), "new");
}

TEST_F(Publish, PathsThatNameNothingAreRefused) {
  for (const char* path : {"", "/", ".", ".."}) {
    const auto publication = Publication::begin(System::local(), path, Kind::kFolder, {});
    ASSERT_FALSE(publication) << path;
  }
}

TEST_F(Publish, AFolderThatAppearsMeanwhileIsNotOverwritten) {
  auto publication = Publication::begin(System::local(), at("m"), Kind::kFolder, {});
  ASSERT_TRUE(publication);
  fs::create_directory(at("m"));
  spill(at("m/theirs"), "theirs");
  const Status status = publication->commit();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), Code::kAlreadyExists);
  EXPECT_EQ(slurp(at("m/theirs")), "theirs");
}

}  // namespace
}  // namespace holdall
