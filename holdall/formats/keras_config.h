// What Keras would do to build what a config describes: every class, function, file and address that it names.
//
// keras_names.inc lists what Keras itself has; a config of nothing else is data. Thread-safety: pure functions over constant
// tables. Ownership: findings own their texts.
#pragma once

#include <string_view>

#include "holdall/core/value.h"
#include "holdall/objects/told.h"

namespace holdall {

// Judges a config at any depth: nested models, wrapped layers, losses, optimizers. `where` is its place
// ("model.keras!config.json").
void judge_keras_config(Value config, std::string_view where, Findings& findings);
// One of several that are told of together.
void judge_keras_config(Value config, std::string_view where, Told& told);

// Whether Keras would find the class of a dict without anybody's help: its own, or one of a module that the dict names.
bool is_known_to_keras(Value config);

}  // namespace holdall
