// TensorFlow's models under the names, and in the shapes, in which PyTorch keeps the same parameters.
//
// Thread-safety and ownership: pure; the result shares the storages of what it was made from, transposed ones as views.
#pragma once

#include <string>
#include <vector>

#include "holdall/core/model.h"

namespace holdall {

// A model of transformers' tf_model.h5 (any of its classes), of Google's BERT or of OpenAI's GPT-2, by the rules of
// pytorch_names.inc: kernels transposed ([in, out] to [out, in], images' [height, width, in, out] to [out, in, height, width]),
// what belongs to an optimizer left out with a warning. A tied weight has one name; where the file has it several times over,
// these must be equal. `renamed` gets "old=new" of each. Errors: unsupported where the names are none of these, or one fits no
// rule; invalid argument where two tensors would have one name.
Result<Model> with_pytorch_names(const Model& model, std::vector<std::string>& renamed);

}  // namespace holdall
