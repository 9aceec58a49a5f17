// HDF5 datatypes: what an element is, read from a datatype message (0x0003, versions 1 to 5).
//
// Thread-safety: pure functions; types are immutable and shared. Ownership: types own their texts.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "holdall/codec/hdf5_fields.h"
#include "holdall/codec/npy_dtype.h"
#include "holdall/core/shape.h"

namespace holdall::hdf5 {

// Stored: never renumber.
enum class Class : std::uint8_t {
  kInteger,
  kFloat,
  kTime,
  kString,
  kBitfield,
  kOpaque,
  kCompound,
  kReference,
  kEnum,
  kVariable,
  kArray,
  kComplex,
};
std::string_view name(Class kind) noexcept;

struct Type;
using TypeRef = std::shared_ptr<const Type>;

// A field of a compound, or a name of an enumerated value.
struct Member {
  std::string name;
  std::uint64_t offset = 0;  // of a field
  TypeRef type;              // of a field
  std::string value;         // of a name: base->size bytes
};

struct Type {
  Class kind = Class::kInteger;
  std::uint32_t size = 0;  // bytes of an element
  ByteOrder order = ByteOrder::kLittle;
  bool is_signed = false;
  bool is_text = false;          // of kVariable: a text, else a row of elements of `base`
  std::uint8_t text_flags = 0;   // of texts: padding in the low 4 bits, then the character set
  std::uint16_t bit_offset = 0;  // of numbers: where their bits begin, and how many there are
  std::uint16_t precision = 0;
  std::uint8_t sign_at = 0, exponent_at = 0, exponent_bits = 0, mantissa_at = 0, mantissa_bits = 0;  // of floats
  std::uint32_t exponent_bias = 0;
  std::string tag;              // of kOpaque
  std::vector<Member> members;  // of kCompound and kEnum
  TypeRef base;                 // of kEnum, kVariable, kArray, kComplex
  Shape dims;                   // of kArray

  // h5py's booleans: an enumeration of FALSE and TRUE in one byte.
  bool is_bool() const noexcept;
  // Whether elements are references into the global heap, here or in a field.
  bool has_variable() const noexcept;
};

// Errors: corrupt, unsupported (classes and versions that are not known), limit (nesting).
Result<TypeRef> parse_type(Fields& fields);

// What elements of a type are in NumPy's terms, array types being told by their base. Classes without a dtype here (references,
// opaque bytes, times, integers and floats of odd widths) are records of bytes. Errors: unsupported (elements in the global
// heap).
Result<NpyDType> npy_form(const Type& type);
// A value of a name of an enumeration, or of any integer of at most 8 bytes.
std::uint64_t integer_bits(const Type& type, std::span<const std::byte> element) noexcept;

}  // namespace holdall::hdf5
