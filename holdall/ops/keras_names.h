// Plain layers of Keras under PyTorch's names: what the same layers of torch.nn would keep.
//
// Thread-safety and ownership: pure; the result shares the storages of what it was made from, transposed and joined ones as
// views.
#pragma once

#include <string>
#include <vector>

#include "holdall/core/model.h"

namespace holdall {

// Whether it is a model or weights of Keras's own files (.keras, .weights.h5, .h5) and none of transformers'.
bool is_of_keras(const Model& model);

// A state dict: layer NAME's kernel is NAME.weight, [out, in, space…], and so on for the layers of keras_names.inc; layers
// within models, and attributes of subclassed ones, are joined with dots. Recurrent layers become what torch.nn.LSTM, GRU and
// RNN keep (gates in torch's order, Keras's one bias of an LSTM as bias_ih, bias_hh of zeros; both directions), attention what
// torch.nn.MultiheadAttention keeps where heads and widths let it, else Linear layers; a norm without scale or center gets ones
// or zeros there. What belongs to the optimizer, metrics and seeds is left out with a warning. `renamed` gets "old=new" of
// each. Errors: unsupported, naming it, for a variable whose role nothing tells, and for a GRU without reset_after, which torch
// has not; invalid argument where two would have one name.
Result<Model> keras_with_pytorch_names(const Model& model, std::vector<std::string>& renamed);

}  // namespace holdall
