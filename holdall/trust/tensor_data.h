// Files beside a model that hold bytes of its tensors and nothing else, under whatever name the model gives them: ONNX's
// external data.
//
// Thread-safety: may be called from several threads. Ownership: none.
#pragma once

#include <set>
#include <string>

#include "holdall/base/limits.h"

namespace holdall {

// The files, as they are named when all links are followed, that tensors of the model at `path` lie in, but for its own.
// Empty where it cannot be read.
std::set<std::string> tensor_files(const std::string& path, const Limits& limits);

// Whether no format reads a file and nothing else is known to: bytes that could be a tensor's and nothing besides.
bool may_be_tensors(const std::string& path, const Limits& limits);

}  // namespace holdall
