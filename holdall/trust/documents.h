// What JSON documents of known kinds have their loaders build or run, by their form rather than their name.
//
// Thread-safety and ownership: pure; findings own their texts.
#pragma once

#include <string_view>

#include "holdall/core/value.h"
#include "holdall/objects/verdict.h"

namespace holdall {

// A schema of skops, an index of diffusers, TorchServe's manifest, and at any depth Keras's descriptions of models and texts
// under keys that end in "template", which loaders render with Jinja.
void judge_document(Value document, std::string_view where, Findings& findings);

}  // namespace holdall
