#include "holdall/io/kept.h"

#include <gtest/gtest.h>

#include "holdall/io/load.h"

namespace holdall {
namespace {

TEST(Kept, BytesAreGivenUpOnceAndReadAgainAfterwards) {
  const SourceRef source = kept_source(Bytes::copy("kept"), Blob::memory(Bytes::copy("read"), "file"));
  EXPECT_EQ(read_all(*source, 100)->text(), "kept");
  ASSERT_EQ(source->give_up()->text(), "kept");
  EXPECT_FALSE(source->give_up());
  EXPECT_EQ(read_all(*source, 100)->text(), "read");
  std::vector<std::byte> out(5);
  EXPECT_FALSE(source->read_at(0, out));
}

TEST(Kept, LoadsTakeWhatIsGivenUpAndCheckIt) {
  const Bytes kept = Bytes::copy("kept");
  const Blob blob(kept_source(kept, Blob::memory(Bytes::copy("read"), "file")));
  const auto part = blob.slice(1, 2);
  ASSERT_TRUE(part);
  EXPECT_EQ(load_all({&*part, 1})->front().text(), "ep");
  EXPECT_EQ(load_all({&blob, 1})->front().data(), kept.data());
  EXPECT_EQ(load_all({&blob, 1})->front().text(), "read");
  const Blob wrong = Blob(kept_source(kept, Blob::memory(Bytes::copy("read"), "file"))).with_crc32(1);
  EXPECT_FALSE(load_all({&wrong, 1}));
}

}  // namespace
}  // namespace holdall
