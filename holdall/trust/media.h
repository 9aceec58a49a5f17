// Media and records beside a model: pictures, sound, films, TensorFlow's record files. No loader of models runs them; they are
// known by how they are put together, from their first byte to their last, never by name.
//
// Thread-safety: pure. Ownership: refers to the caller's source.
#pragma once

#include <string_view>

#include "holdall/base/limits.h"
#include "holdall/io/source.h"

namespace holdall {

// "image", "media", "records" (of events, of examples), or empty for anything else. Memory: media whole, at most
// Limits::header_bytes; of records a tile.
std::string_view media_kind(const Source& source, const Limits& limits);

}  // namespace holdall
