// Writing: a model as the files that torch.save would write.
//
// Thread-safety: may be called from several threads. Ownership: plans share the storages of the model's tensors.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "holdall/formats/format.h"

namespace holdall::pytorch {

// Format::plan.
Result<Plan> plan(const Model& model, const WriteOptions& options);

}  // namespace holdall::pytorch
