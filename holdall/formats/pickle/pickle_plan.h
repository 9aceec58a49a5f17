// Writing a model as one pickle of protocol 4.
#pragma once

#include "holdall/formats/format.h"

namespace holdall::pickle {

// The tree with NumPy arrays for its tensors. Losses: dtypes that NumPy lacks, memory shared by different views, what is said
// of torch tensors beyond their values, metadata, configuration and side files.
Result<Plan> plan(const Model& model, const WriteOptions& options);

}  // namespace holdall::pickle
