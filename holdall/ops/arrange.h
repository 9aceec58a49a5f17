// Arrange: the same elements in another order of axes or under another shape. What a matrix of one framework is in another.
//
// Thread-safety and ownership: pure; results share the storages of what they were made from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "holdall/core/tensor.h"

namespace holdall {

struct Arrangement {
  struct Step {
    enum class Kind : std::uint8_t { kShape, kAxes } kind;
    // kShape: the sizes of as many elements, row-major. kAxes: which axis comes first, second and so on.
    Shape values;
    friend bool operator==(const Step&, const Step&) = default;
  };
  std::vector<Step> steps;  // one after another

  bool is_identity() const noexcept { return steps.empty(); }
  friend bool operator==(const Arrangement&, const Arrangement&) = default;
};

// "shape=768,12,64 axes=1,2,0"; empty for none.
std::string to_string(const Arrangement& arrangement);
// The same read back. Errors: invalid argument, naming what is no step.
Result<Arrangement> parse_arrangement(std::string_view text);

// Axes of a tensor in another order; no element is moved. Precondition: `axes` are some of the tensor's axes, each once, and
// those left out have the size 1.
Result<Tensor> with_axes(const Tensor& tensor, std::span<const std::uint64_t> axes);
// No element is moved but where axes out of order are joined: these are gathered when they are read. Scales of a quantised
// tensor follow. Errors: invalid argument where the tensor's shape does not allow a step; unsupported where several scales
// would be reshaped; those of Tensor::view().
Result<Tensor> arranged(Tensor tensor, const Arrangement& arrangement);

// The arrangements that make a tensor of shape `from` one of shape `to` by an order of the axes of the one with more of them
// (up to five that are not 1), neighbours joined to the other's, the least changed first: the identity where the shapes are
// equal. At most 24.
std::vector<Arrangement> arrangements_between(const Shape& from, const Shape& to);
// Where in a tensor of shape `from`, arranged, the element `index` (row-major) of the tensor as it is goes.
std::uint64_t arranged_index(const Shape& from, const Arrangement& arrangement, std::uint64_t index);

}  // namespace holdall
