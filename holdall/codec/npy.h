// The .npy format (NumPy's numpy.lib.format, versions 1.0 to 3.0): a magic number, a header that is a Python literal, the
// elements. The header is parsed by a strict grammar, never evaluated.
//
// Thread-safety: pure functions. Ownership: headers own their texts.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "holdall/base/limits.h"
#include "holdall/codec/npy_dtype.h"
#include "holdall/io/blob.h"

namespace holdall {

struct NpyHeader {
  int version = 1;           // 1, 2 or 3
  NpyDType type;             // of one element; a structured type's `logical` is its descr as NumPy would write it
  bool has_objects = false;  // the elements are a pickle: "O", or a structured type with such a field
  bool fortran_order = false;
  Shape shape;
  std::uint64_t header_bytes = 0;  // the elements begin here
  std::uint64_t data_bytes = 0;    // of the elements; 0 when they are a pickle
};

// Whether `head` begins with the magic number of the format.
bool looks_like_npy(std::span<const std::byte> head) noexcept;

// Reads the header at `offset` of `file` and checks that the elements fit behind it. Errors: corrupt; unsupported (a version or
// a type that is not known); limit.
Result<NpyHeader> read_npy_header(const Blob& file, std::uint64_t offset, const Limits& limits);

// What a descr says, which is Python source: "'<f4'", "[('a', '<f4'), ('b', '<i2', (3,))]". Errors: corrupt, unsupported,
// limit.
struct NpyDescr {
  NpyDType type;
  bool has_objects = false;
};
Result<NpyDescr> parse_npy_descr(std::string_view descr);

// The header that numpy.save writes: of the oldest version that can hold it, padded to 64 bytes. `descr` is Python source in
// UTF-8 as parse_npy_descr() takes it. Errors: unsupported for a header that no version holds.
Result<std::string> npy_header(std::string_view descr, std::span<const std::uint64_t> shape, bool fortran_order = false);

// Python's repr of a type string.
std::string npy_quoted(std::string_view typestr);

}  // namespace holdall
