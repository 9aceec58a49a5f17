// How a model's tree stands in a Flax file: as it is where Flax can say all of it, else the tensors alone, by their paths or
// names, beside a holdall.tree that says the rest.
//
// Thread-safety: pure. Ownership: a layout shares the model's values.
#pragma once

#include <memory>
#include <vector>

#include "holdall/formats/flax/flax.h"

namespace holdall::flax {

struct Layout {
  std::shared_ptr<const Arena> arena;  // of `root`; keeps what the model's own arena is kept by
  Value root;
  bool is_whole = false;               // no holdall.tree is needed
  std::vector<std::uint32_t> entries;  // places in model.tensors(), in the order in which a reader will list them
};

// numpy.TYPE(value), which stands for a scalar of NumPy; empty for any other value.
std::optional<DType> scalar_dtype(Value object) noexcept;

// numpy.ndarray(shape, dtype, bytes), which stands for an array of a dtype that nothing here holds; empty for any other value.
struct UnheldArray {
  Shape shape;
  std::string_view dtype;
  Value elements;
};
std::optional<UnheldArray> unheld_array(Value object);

// `storable`: places in model.tensors() that have a place in the format. A TensorNode::index of the layout's tree is that of
// model.tensors() where the layout is whole, else a place in model.tensors().
Layout lay_out(const Model& model, const std::vector<std::uint32_t>& storable, const WriteOptions& options);

}  // namespace holdall::flax
