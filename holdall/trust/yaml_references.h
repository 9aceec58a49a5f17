// Code by reference in YAML: tags that make Python objects, and keys whose texts a loader imports or runs.
//
// Thread-safety and ownership: pure; findings own their texts.
#pragma once

#include <string_view>

#include "holdall/base/limits.h"
#include "holdall/objects/verdict.h"

namespace holdall {

// Tags that make Python objects ("!!python/…"), "_target_" and the other keys, outside of comments.
void judge_yaml(std::string_view text, std::string_view where, Findings& findings, const Limits& limits = {});

// The tags of a text under any name, if it is a YAML document to its end: prose that speaks of tags adds nothing.
void judge_tagged(std::string_view text, std::string_view where, Findings& findings);

// What MLflow imports by a text that is a module's name: its own, Keras and those that pickle say nothing.
void judge_mlflow_module(std::string_view module, std::string_view where, Findings& findings);

}  // namespace holdall
