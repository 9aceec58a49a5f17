// What the parts of the Hugging Face format share.
#pragma once

#include "holdall/formats/format.h"

namespace holdall::huggingface {

// A folder: weights in safetensors, every side file as it is, config.json where the model has one.
Result<Plan> plan(const Model& model, const WriteOptions& options);

}  // namespace holdall::huggingface
