// What the elements of an HDF5 dataset or attribute are, spelled as HDF5 spells it: the datatype message of its format
// specification (3.0, IV.A.2.d), version 1, little-endian.
//
// Thread-safety: pure functions. Ownership: types own their texts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "holdall/core/dtype.h"

namespace holdall {

struct Hdf5Type {
  std::string message;          // the datatype message, not padded
  std::uint32_t size = 0;       // bytes of an element in the dataset or attribute
  bool has_references = false;  // elements are texts of any length, kept in the file's global heap
};

enum class Hdf5Charset : std::uint8_t { kAscii = 0, kUtf8 = 1 };

// The type that h5py gives an array of this dtype: a bool is an enumeration of FALSE and TRUE, a complex number a compound of
// "r" and "i". bfloat16 and float8_e5m2 are floats of their own geometry, which HDF5 converts; what HDF5 cannot say is opaque
// and tagged with the dtype's name. Errors: unsupported for dtypes whose elements are not whole bytes, strings and records.
Result<Hdf5Type> hdf5_type(DType dtype);

// Bytes that nobody interprets. Precondition: the tag has at most 248 bytes.
Hdf5Type hdf5_opaque(std::uint32_t size, std::string_view tag = {});
// Text of at most `size` bytes, filled up with NULs (NumPy's "S").
Hdf5Type hdf5_fixed_text(std::uint32_t size, Hdf5Charset charset);
// Text of any length without NULs.
Hdf5Type hdf5_text(Hdf5Charset charset);

}  // namespace holdall
