// Tensors as the objects by which pickles hold arrays, read back by the way in; tests/real holds them against NumPy.
#include "holdall/objects/numpy_objects.h"

#include <gtest/gtest.h>

#include "holdall/codec/pickle.h"
#include "holdall/objects/interpret.h"
#include "holdall/objects/judge.h"

namespace holdall {
namespace {

Blob counted(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i);
  return Blob::memory(Bytes::adopt(std::move(bytes)), "t");
}

// The tensor behind a pickle of the array of `tensor`.
Result<Tensor> back(const Tensor& tensor, int protocol = 4) {
  Arena arena;
  HOLDALL_ASSIGN(const NodeId array, numpy_object(arena, tensor, 1 << 20));
  HOLDALL_ASSIGN(std::string pickle, write_pickle(arena.at(array), {.protocol = protocol}));
  Arena again;
  const PickleProgram program = run_pickle(again, memory_source(Bytes::adopt(std::move(pickle)), "p"), 0);
  if (program.error) return *program.error;
  Findings findings;
  judge(again, program, "p", findings);
  EXPECT_TRUE(findings.empty()) << findings.front().what;
  std::optional<Tensor> found;
  InterpretOptions options;
  options.add = [&](Tensor made) {
    found = std::move(made);
    return 0u;
  };
  HOLDALL_TRY(interpret(again, 0, program.root, options));
  if (!found || !again.at(program.root).is(ValueKind::kTensor)) return corrupt("no array came back");
  return *found;
}

void expect_same(const Tensor& tensor) {
  for (const int protocol : {2, 4}) {
    const auto other = back(tensor, protocol);
    ASSERT_TRUE(other.has_value()) << tensor.logical() << ": " << other.error().to_string();
    EXPECT_EQ(other->dtype(), tensor.dtype());
    EXPECT_EQ(other->shape(), tensor.shape());
    EXPECT_EQ(other->logical(), tensor.logical());
    EXPECT_EQ(*other->digest(), *tensor.digest());
  }
}

TEST(NumpyObjects, NumbersComeBack) {
  expect_same(*Tensor::dense(DType::kFloat32, {2, 3}, counted(24)));
  expect_same(*Tensor::dense(DType::kInt64, {}, counted(8)));
  expect_same(Tensor::dense(DType::kInt64, {2}, counted(16))->with_logical("datetime64[ns]"));
}

TEST(NumpyObjects, StructuredTypesComeBackWithNestingShapesTitlesAndGaps) {
  for (const auto& [descr, bytes] : std::vector<std::pair<std::string, std::size_t>>{
           {"[('a', '<i4'), ('b', '>f4')]", 8},
           {"[('a', '|i1'), ('', '|V7'), ('b', '<f8'), ('', '|V2')]", 18},
           {"[('box', '<f4', (2, 3)), ('row', '<i2', (4,))]", 32},
           {"[('inner', [('when', '<M8[ns]'), ('name', '<U2')], (2,)), ('raw', '|S3')]", 35},
           {"[(('a title', 'a'), '<i2'), (\"it's\", '<i2')]", 4},
           {"'|V5'", 5},
           {"'<f16'", 16}}) {
    ASSERT_TRUE(Tensor::records({3}, bytes, counted(3 * bytes), descr).has_value()) << descr;
    expect_same(*Tensor::records({3}, bytes, counted(3 * bytes), descr));
    expect_same(*Tensor::records({0, 2}, bytes, counted(0), descr));
  }
}

TEST(NumpyObjects, WhatNumpyHasNoTypeForIsToldApart) {
  EXPECT_FALSE(has_numpy_dtype(*Tensor::dense(DType::kBFloat16, {2}, counted(4))));
  const Tensor odd = *Tensor::records({2}, 3, counted(6), "[('a', '<i4')]");  // of another size than it says
  EXPECT_FALSE(has_numpy_dtype(odd));
  EXPECT_EQ(back(odd).error().code(), Code::kUnsupported);
  EXPECT_FALSE(has_numpy_dtype(*Tensor::records({1}, 8, counted(8), "[('a', '|O')]")));
  EXPECT_FALSE(has_numpy_dtype(*Tensor::records({1}, 8, counted(8), "no literal")));
}

}  // namespace
}  // namespace holdall
