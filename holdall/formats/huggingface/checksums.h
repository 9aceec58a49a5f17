// holdall.json: what Holdall keeps of a folder that it wrote for transformers, the checksums of the files beside the weights
// among it.
//
//   {"files": {"tokenizer.json": {"bytes": 2764, "sha256": "…"}, "training.pt": {}, …}, …}
//
// A file without a SHA-256 is a model of its own, with the checksums of its format.
// Thread-safety: may be called from several threads.
#pragma once

#include "holdall/formats/format.h"

namespace holdall::huggingface {

inline constexpr std::string_view kUnitFile = "holdall.json";

// Compares every file that holdall.json lists; a folder without it has nothing to compare.
Status verify_unit(const Bundle& bundle, const Context& context, Faults& faults);

}  // namespace holdall::huggingface
