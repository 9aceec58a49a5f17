// Joining: tensors one behind the other along their first axis, as one that is read where they lie.
//
// Thread-safety and ownership: pure; the result shares the storages of what it was made from.
#pragma once

#include <vector>

#include "holdall/core/tensor.h"

namespace holdall {

// Errors: invalid argument for none, for other dtypes or other sizes of the further axes, and for elements that are not whole
// bytes.
Result<Tensor> joined(const std::vector<Tensor>& parts);

}  // namespace holdall
