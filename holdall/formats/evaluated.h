// Texts that a loader evaluates as Python: what Ultralytics keeps of a model beside an exported one ("names", "imgsz"), in
// ONNX's metadata_props, in metadata.yaml and config.txt, and gave to eval() where today it takes literals alone.
//
// Thread-safety: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "holdall/objects/told.h"

namespace holdall {

bool is_evaluated_key(std::string_view key) noexcept;

// Adds what such a text calls: malicious where that is what reaches for the interpreter or the system, else code.
void judge_evaluated(std::string_view python, std::string place, Told& told);

}  // namespace holdall
