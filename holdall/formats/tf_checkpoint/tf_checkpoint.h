// What the parts of the TensorFlow checkpoint format share.
#pragma once

#include <string_view>

#include "holdall/formats/format.h"
#include "holdall/formats/tf_checkpoint/object_graph.h"

namespace holdall::tf_checkpoint {

// Keys of Model::metadata(): the object graph's bytes, and by key what it says of each tensor ("path", "full_name", "slot",
// "slot_of").
inline constexpr std::string_view kObjectGraph = "object_graph";
inline constexpr std::string_view kVariables = "variables";
// The full_name of the save counter that Holdall adds, because tf.train.Checkpoint.restore() wants one.
inline constexpr std::string_view kAddedName = "holdall.added";

Result<Plan> plan(const Model& model, const WriteOptions& options);

}  // namespace holdall::tf_checkpoint
