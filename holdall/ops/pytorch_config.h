// What lies beside an original checkpoint, as transformers has it beside PyTorch's weights.
//
// Thread-safety and ownership: pure; the result shares the storages of the model and the bundle's sources.
#pragma once

#include "holdall/core/model.h"
#include "holdall/io/bundle.h"

namespace holdall {

// The model of Google's BERT or OpenAI's GPT-2 with its vocabulary as side files (vocab.txt; encoder.json as vocab.json,
// vocab.bpe as merges.txt) and with a config that names its architecture: config.json where there is one, else made of
// bert_config.json or hparams.json. A file that cannot be read is a warning. A model whose format
// has brought config or side files along stays as it is.
Model with_original_files(Model model, const Bundle& bundle);

}  // namespace holdall
