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

// Whether it is flat tensors of TensorFlow under the names "LAYER/…:0", as framework_names.h gives them.
bool are_flat_weights(const Model& model);
// Those as the groups and attributes that Keras 2 and transformers' TensorFlow classes look for in a file of weights alone.
// Errors: corrupt where a name is also a group's.
Result<Model> as_weights_file(const Model& model);

// As Keras writes it where the model has that form, else data sets under the tensors' names and holdall.tree.
Result<Plan> plan(const Model& model, const WriteOptions& options);

}  // namespace holdall::keras_h5
