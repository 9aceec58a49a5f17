// Models of one framework under the names, and in the shapes, in which another keeps the same parameters.
//
// Thread-safety and ownership: pure; the result shares the storages of what it was made from, transposed ones as views.
#pragma once

#include <string>
#include <vector>

#include "holdall/core/model.h"

namespace holdall {

// A model of transformers' tf_model.h5 or flax_model.msgpack (any of its classes), any other of Flax's, of Google's BERT or of
// OpenAI's GPT-2, under PyTorch's names by the rules of framework_names.inc, or of Keras's own layers (keras_names.h): kernels
// transposed ([in, out] to [out, in], images' [height, width, in, out] to [out, in, height, width]), what belongs to an
// optimizer left out with a warning. A tied weight has one name; where the file has it several times over, these must be equal.
// `renamed` gets "old=new" of each. Errors: unsupported where the names are none of these, or one fits no rule; invalid
// argument where two tensors would have one name.
Result<Model> with_pytorch_names(const Model& model, std::vector<std::string>& renamed);

// The other way, from PyTorch's names to Flax's as transformers' Flax classes have them; with statistics of batches the
// collections params and batch_stats are told apart. A tied weight keeps its first name. Errors: unsupported where no name ends
// in "weight".
Result<Model> with_flax_names(const Model& model, std::vector<std::string>& renamed);

// From PyTorch's names to those of tf_model.h5, as transformers 4's TensorFlow classes of BERT, RoBERTa, DistilBERT, GPT-2, T5,
// ViT and ResNet have them, any of their heads: "GROUP/MODEL/PATH:0", which a writer of HDF5 makes Keras's groups of. What the
// classes compute or have once for several (buffers, a head tied to the embeddings) is left out. The config tells a base model
// of BERT's from one of RoBERTa's. Errors: unsupported for other families; invalid argument for a head that TensorFlow's class
// has not (one tied there whose values are others).
Result<Model> with_tensorflow_names(const Model& model, std::vector<std::string>& renamed);

}  // namespace holdall
