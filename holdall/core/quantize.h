// Quantisation: integers that stand for real numbers by scales beside them, real = scale * (stored - zero point), and the ways
// from one to the other.
//
// A tensor that has it keeps its integer dtype, bytes and digest; who wants the real numbers asks for them.
// Thread-safety: immutable; pure functions. Ownership: values; tensors share their storages.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include "holdall/base/shared_text.h"
#include "holdall/core/tensor.h"

namespace holdall {

struct Quantization {
  // One number for every block of elements, row-major over the blocks: floats and integers.
  Tensor scales;
  std::optional<Tensor> zero_points = {};  // absent: all 0
  // Elements of a block along each dimension of the tensor: its shape itself where one scale is for all of it, 1 along the
  // dimension that each have a scale. They divide the shape.
  Shape blocks;
  // What becomes of the scales when the tensor gets other real numbers. kKept: nothing, they are rounded into them; kOwn: new
  // ones, by the largest magnitude in each block, or by its range and with new zero points where the old ones are not 0 or the
  // integers have no sign; kFollows: `factor` times those of the tensor
  // of the model that is named `follows`.
  enum class Renewal : std::uint8_t { kKept, kOwn, kFollows } renewal = Renewal::kKept;
  SharedText follows = {};
  float factor = 1;
};
using QuantizationRef = std::shared_ptr<const Quantization>;

// Errors: corrupt where blocks, scales and zero points do not fit the tensor; unsupported for dtypes that are no numbers.
Status check_quantization(DType dtype, const Shape& shape, const Quantization& quantization);

// The real numbers, float32, made by tiles as they are read. Precondition: tensor.quantization(), checked. Errors: io.
Result<Tensor> dequantize(const Tensor& tensor);
// The same where a tensor has it; else the tensor.
Result<Tensor> real_numbers(const Tensor& tensor);

// Real numbers as `like` is quantised, which has their shape: its dtype, blocks and zero points, and scales by its renewal; the
// result has them. Rounded half away from 0, values beyond the dtype become its nearest end; new scales leave out the lowest
// integer, as LiteRT's weights do, and a block that is all 0 keeps its scale. `scales`: those of kFollows, float32 as many as
// its own. Reads all of `reals` where it makes scales. Errors: invalid argument (a number that is not finite), unsupported
// (other than integers), io.
Result<Tensor> quantize(const Tensor& reals, const Tensor& like, const std::optional<Tensor>& scales = std::nullopt);

}  // namespace holdall
