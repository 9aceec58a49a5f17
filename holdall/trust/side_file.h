// Side files: what lies beside weights and is no model: texts, JSON, YAML, Python, images, sound, fonts, documents, tables,
// records of events, what systems leave behind, tensors that ONNX models are tested with, SentencePiece vocabularies. They are
// inert when they are understood to the last byte and name no code that a loader would run.
//
// Thread-safety: may be called from several threads. Ownership: results own their texts.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "holdall/base/limits.h"
#include "holdall/io/source.h"
#include "holdall/objects/verdict.h"

namespace holdall {

struct SideFile {
  std::string kind;  // "json", "text", "python", "image", …
  Findings findings;
  bool is_loose = false;  // programs have room between its parts, and are to be looked for
};

// What a file that no format reads is; empty where this is not understood to its last byte either. `name` is the file's, for
// its extension and for the findings. Memory: JSON and YAML whole, at most Limits::header_bytes; else one tile.
std::optional<SideFile> side_file(const Source& source, std::string_view name, const Limits& limits);

}  // namespace holdall
