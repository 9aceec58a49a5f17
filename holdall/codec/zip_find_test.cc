#include "holdall/codec/zip_find.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "tests/fuzz/plain_zip.h"

namespace holdall {
namespace {

// With a ZIP64 end record, as torch writes it always.
std::string golden() {
  std::ifstream file(HOLDALL_SOURCE_DIR "/holdall/codec/testdata/zip/torch.zip", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string plain() {
  fuzz::PlainZip zip;
  zip.add("member", "bytes");
  return zip.finish();
}

std::vector<std::uint64_t> sizes_in_a_row(std::string bytes) {
  std::vector<std::uint64_t> sizes;
  for (const SourceRef& part : zips_in_a_row(Bundle::of(memory_source(Bytes::adopt(std::move(bytes)), "row")), {}))
    sizes.push_back(part->size());
  return sizes;
}

TEST(ZipFind, ArchivesInARowAreTakenApart) {
  const std::string one = golden(), other = plain();
  ASSERT_FALSE(one.empty() || other.empty());
  EXPECT_EQ(sizes_in_a_row(one + other + one), (std::vector<std::uint64_t>{one.size(), other.size(), one.size()}));
  EXPECT_EQ(sizes_in_a_row(one), std::vector<std::uint64_t>());
  EXPECT_EQ(sizes_in_a_row(one + other + "x"), std::vector<std::uint64_t>());
  EXPECT_EQ(sizes_in_a_row("x" + one + other), std::vector<std::uint64_t>());
  EXPECT_EQ(sizes_in_a_row(one + other.substr(0, other.size() - 1)), std::vector<std::uint64_t>());
}

TEST(ZipFind, TheArchiveAtTheEndIsFoundBehindOtherBytes) {
  const std::string one = plain();
  const auto found = zip_at_end(*memory_source(Bytes::adopt("other bytes" + one), "file"));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->begin, 11u);
  EXPECT_EQ(found->end, 11 + one.size());
  EXPECT_FALSE(zip_at_end(*memory_source(Bytes::adopt(std::string(100, 'x')), "file")));
}

}  // namespace
}  // namespace holdall
