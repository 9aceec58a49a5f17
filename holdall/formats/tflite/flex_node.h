// What an operator of TensorFlow in a TFLite graph is told: its options are a FlexBuffer, ["AddV2", NodeDef], and the delegate
// makes the operator that the NodeDef names, whatever the graph calls it (tensorflow/lite/delegates/flex/kernel.cc,
// InitializeNodeDef).
//
// Thread-safety: pure. Ownership: none.
#pragma once

#include <string>

#include "holdall/io/blob.h"

namespace holdall::tflite {

// The operator that the NodeDef names; empty where it names none, for which the delegate makes nothing. Errors: corrupt
// (offsets that lead out of the options, which the delegate follows), limit (options of more than `most` bytes), io.
Result<std::string> operator_of_node(const Blob& options, std::uint64_t most);

}  // namespace holdall::tflite
