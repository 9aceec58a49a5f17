#include "holdall/formats/shards.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdall {
namespace {

using ::testing::ElementsAre;

Model model_of(const std::vector<std::uint64_t>& sizes) {
  ModelBuilder builder;
  std::vector<std::string> names;
  for (const std::uint64_t size : sizes) {
    names.push_back("t" + std::to_string(names.size()));
    builder.add(*Tensor::dense(DType::kUInt8, {size}, Blob::memory(Bytes::copy(std::string(size, 'x')), "t")));
  }
  return *std::move(builder).named(std::move(names));
}

using Entries = std::vector<std::uint32_t>;

TEST(Shards, EachHasAtMostSoManyBytesOrOneTensor) {
  const Model model = model_of({4, 6, 1, 30, 0, 9, 2});
  EXPECT_THAT(cut_by_bytes(model, {0, 1, 2, 3, 4, 5, 6}, 10),
              ElementsAre(Entries{0, 1}, Entries{2}, Entries{3}, Entries{4, 5}, Entries{6}));
  EXPECT_THAT(cut_by_bytes(model, {6, 0, 2}, 6), ElementsAre(Entries{6, 0}, Entries{2}));
}

TEST(Shards, WithoutALimitOrTensorsThereIsOne) {
  const Model model = model_of({4, 6});
  EXPECT_THAT(cut_by_bytes(model, {0, 1}, 0), ElementsAre(Entries{0, 1}));
  EXPECT_THAT(cut_by_bytes(model, {}, 10), ElementsAre(Entries{}));
}

}  // namespace
}  // namespace holdall
