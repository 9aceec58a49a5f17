// The pickle stream of a joblib file, whichever way the file is compressed.
//
// Thread-safety: pure functions. Ownership: sources share the file's.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "holdall/base/limits.h"
#include "holdall/io/source.h"

namespace holdall::joblib {

// Whether a file begins as joblib before 0.10 wrote compressed files: "ZF", the decoded size in hexadecimal padded with
// spaces, a zlib stream.
bool looks_like_zfile(std::span<const std::byte> head) noexcept;

struct Stream {
  SourceRef bytes;
  std::string compression;  // "zlib", "ZF"; empty: none
};

// The decoded bytes, whose end may show only when they have been decoded to there (Source::find_end()). Errors: corrupt
// (damage, another size than a ZF file declares), limit (Limits::expansion), io.
Result<Stream> open_stream(const SourceRef& file, const Limits& limits);

}  // namespace holdall::joblib
