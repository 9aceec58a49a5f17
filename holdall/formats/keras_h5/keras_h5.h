// Keras's .h5 files: what reading and writing share.
//
// Thread-safety: pure functions. Ownership: plans share the model's tensors.
#pragma once

#include <string_view>

#include "holdall/formats/format.h"

namespace holdall::keras_h5 {

// Attributes of the root that hold JSON.
inline constexpr std::string_view kModelConfig = "model_config";
inline constexpr std::string_view kTrainingConfig = "training_config";

// As Keras writes it where the model has that form, else data sets under the tensors' names and holdall.tree.
Result<Plan> plan(const Model& model, const WriteOptions& options);

}  // namespace holdall::keras_h5
