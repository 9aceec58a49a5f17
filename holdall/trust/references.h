// Code by reference: what configuration files tell a loader to import or run.
//
// Thread-safety and ownership: pure; findings own their texts.
#pragma once

#include <string_view>

#include "holdall/base/limits.h"
#include "holdall/core/value.h"
#include "holdall/objects/verdict.h"

namespace holdall {

// In a JSON document, at any depth: transformers' and diffusers' "auto_map" and "custom_pipelines", Hydra's "_target_",
// jsonpickle's "py/…", the other keys whose text a loader imports, and pickles in base64.
void judge_references(Value document, std::string_view where, Findings& findings, const Limits& limits = {});

// The same for the list of a Sentence Transformers folder's modules (modules.json), whose "type" is a class to import.
void judge_modules(Value document, std::string_view where, Findings& findings);
// And of its router_config.json, whose "types" are classes by the names of their folders.
void judge_router(Value document, std::string_view where, Findings& findings);
// And of its wordembedding_config.json, whose "tokenizer_class" is one.
void judge_words(Value document, std::string_view where, Findings& findings);

}  // namespace holdall
