#include "holdall/io/map.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace holdall {
namespace {

namespace fs = std::filesystem;

class Map : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "holdall-map-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    content_.resize(3 * 4096 + 100);
    for (std::size_t i = 0; i < content_.size(); ++i) content_[i] = static_cast<char>(i * 31 % 251);
    std::ofstream(path(), std::ios::binary) << content_;
    source_ = *open_file(path());
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path() const { return (folder_ / "model").string(); }
  Blob range(std::uint64_t offset, std::uint64_t size) const { return *Blob::range(source_, offset, size); }
  // A byte changed on disk shows in a mapping of it and in nothing that was read.
  void change(std::uint64_t offset) const {
    std::fstream file(path(), std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(static_cast<char>(~content_[offset]));
  }

  fs::path folder_;
  std::string content_;
  SourceRef source_;
};

TEST_F(Map, RangesAreThoseOfTheFileAndNotCopies) {
  const std::vector<MapRequest> requests = {{range(5000, 7000)}, {range(0, 1)}, {range(8192, 64), 64}, {range(100, 0)}};
  const auto mapped = map_all(requests);
  ASSERT_TRUE(mapped) << mapped.error().to_string();
  for (std::size_t i = 0; i < requests.size(); ++i) {
    EXPECT_EQ((*mapped)[i].text(), content_.substr(requests[i].blob.offset(), requests[i].blob.size()));
  }
  EXPECT_EQ((*mapped)[0].data() + 3192, (*mapped)[2].data());  // one mapping of one file
  change(8192);
  EXPECT_EQ((*mapped)[2].text().front(), static_cast<char>(~content_[8192]));
}

TEST_F(Map, WhatIsWrittenIntoAMappingReachesNoFile) {
  const MapRequest request = {range(0, 4096)};
  const auto mapped = map_all(std::span(&request, 1));
  ASSERT_TRUE(mapped);
  *const_cast<std::byte*>((*mapped)[0].data()) = ~std::byte{0};
  std::ifstream file(path(), std::ios::binary);
  EXPECT_EQ(static_cast<char>(file.get()), content_[0]);
}

TEST_F(Map, WhatLiesUnalignedOrInNoFileIsLoaded) {
  const std::vector<MapRequest> requests = {
      {range(4097, 100), 8}, {Blob::memory(Bytes::copy("in memory"), "text")}, {range(4096, 8), 8}};
  const auto mapped = map_all(requests);
  ASSERT_TRUE(mapped);
  change(4097);
  change(4096);
  EXPECT_EQ((*mapped)[0].text(), content_.substr(4097, 100));
  EXPECT_EQ((*mapped)[1].text(), "in memory");
  EXPECT_NE((*mapped)[2].text(), content_.substr(4096, 8));
}

TEST_F(Map, AMappingOutlivesItsSource) {
  const MapRequest request = {range(4096, 8)};
  auto mapped = map_all(std::span(&request, 1));
  source_ = nullptr;
  fs::remove(path());
  EXPECT_EQ((*mapped)[0].text(), content_.substr(4096, 8));
}

}  // namespace
}  // namespace holdall
