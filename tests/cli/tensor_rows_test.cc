#include "cli/tensor_rows.h"

#include <gtest/gtest.h>

namespace holdall::cli {
namespace {

NamedTensor tensor(std::string name, Shape shape) {
  const std::uint64_t bytes = *dense_bytes(DType::kUInt8, shape);
  NamedTensor entry;
  entry.name = std::move(name);
  entry.tensor = *Tensor::dense(DType::kUInt8, std::move(shape), Blob::memory(Bytes::adopt(std::string(bytes, '\0')), "zeros"));
  return entry;
}

TEST(TensorRowsTest, MomentsOfManyShapesShareARow) {
  std::vector<NamedTensor> tensors{tensor("weight", {2})};
  for (std::uint64_t i = 0; i < 40; ++i)
    tensors.push_back(tensor("optimizer.state." + std::to_string(i) + ".exp_avg", {i + 1}));
  const std::vector<TensorRow> rows = rows_of(tensors);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].pattern, "weight");
  EXPECT_EQ(rows[1].pattern, "optimizer.state.{0..39}.exp_avg");
  EXPECT_EQ(rows[1].members.size(), 40U);
  EXPECT_FALSE(rows[1].one_shape);
}

TEST(TensorRowsTest, AFewShapesStayApart) {
  std::vector<NamedTensor> tensors;
  for (std::uint64_t i = 0; i < 13; ++i) tensors.push_back(tensor("features." + std::to_string(i) + ".weight", {i + 1}));
  EXPECT_EQ(rows_of(tensors).size(), 13U);
}

}  // namespace
}  // namespace holdall::cli
