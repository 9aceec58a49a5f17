// NumPy's fixed-width texts ("U", "S") and the form of strings here: per element a little-endian uint64 length and that many
// bytes. Both directions are sources that convert as they are read; what they know beforehand is a position every 64 KiB.
//
// Thread-safety: pure functions; the sources behind the blobs may be read from several threads. Ownership: blobs share their
// sources.
#pragma once

#include <cstdint>

#include "holdall/codec/npy_dtype.h"
#include "holdall/io/blob.h"

namespace holdall {

// The strings of `count` items of type U or S: UTF-8 (lone surrogates as three bytes) or bytes, without the NULs that fill them
// up. Reads `items` once. Errors: corrupt when `items` are not count items or hold what is no code point; limit for items of
// more than 16 MiB, and for more than a million items of no width.
Result<Blob> npy_text(Blob items, const NpyDType& type, std::uint64_t count);

// What fixed-width items must be to hold `count` strings.
struct NpyTextWidth {
  std::uint64_t characters = 0;  // of the longest; meaningful where all are UTF-8
  std::uint64_t bytes = 0;       // of the longest
  bool utf8 = true;              // all are (lone surrogates allowed)
  bool padded = false;           // some end with a NUL, which fixed-width items lose
};
// Reads `strings` once. Errors: corrupt when they are not count strings; limit for strings of more than 16 MiB.
Result<NpyTextWidth> measure_npy_text(const Blob& strings, std::uint64_t count);

// The strings as items of `width` characters (U, little-endian) or bytes (S). Reads `strings` once. Precondition: they fit.
Result<Blob> npy_items(Blob strings, std::uint64_t count, NpyForm form, std::uint64_t width);

}  // namespace holdall
