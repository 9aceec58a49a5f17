// The models that every format is tried with.
#pragma once

#include <string>
#include <vector>

#include "holdall/core/model.h"

namespace holdall::conformance {

// Six tensors of common dtypes under plain names: the least that a container of tensors must hold.
Model plain();
// What a training run saves: nested dicts, a tuple, numbers, texts, a tensor under two names, one that is a view of another.
Model checkpoint();
Model checkpoint_without_views();
// A single tensor of `bytes` bytes.
Model large(std::uint64_t bytes);
// One tensor of this dtype. GGML blocks: two rows of whole blocks.
Model of_dtype(DType dtype);

// The model as text: every tensor's name, dtype, shape and digest in order of names, then the tree. "unreadable: …" where a
// tensor cannot be read.
std::string described(const Model& model);
std::string described_tensors(const Model& model);

}  // namespace holdall::conformance
