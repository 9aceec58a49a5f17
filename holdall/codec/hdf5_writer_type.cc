#include "holdall/codec/hdf5_writer_type.h"

#include <array>
#include <utility>

#include "holdall/base/endian.h"
#include "holdall/base/text.h"

namespace holdall {
namespace {

enum class Class : std::uint8_t { kInteger = 0, kFloat = 1, kText = 3, kOpaque = 5, kCompound = 6, kEnum = 8, kVariable = 9 };

template <class T>
void put(std::string& message, T value) {
  char raw[sizeof(T)];
  store_le(raw, value);
  message.append(raw, sizeof raw);
}

// A text ended by a NUL and filled up to a multiple of 8.
void put_name(std::string& message, std::string_view name) {
  message += name;
  message.append(8 - name.size() % 8, '\0');
}

Hdf5Type begin(Class kind, std::uint32_t bits, std::uint32_t size) {
  Hdf5Type type{{}, size, false};
  put(type.message, static_cast<std::uint32_t>(0x10u | static_cast<std::uint32_t>(kind) | bits << 8));
  put(type.message, size);
  return type;
}

enum class Sign : std::uint8_t { kNone = 0, kTwosComplement = 8 };

Hdf5Type integer(std::uint32_t bytes, Sign sign) {
  Hdf5Type type = begin(Class::kInteger, static_cast<std::uint32_t>(sign), bytes);
  put(type.message, std::uint16_t{0});
  put(type.message, static_cast<std::uint16_t>(8 * bytes));
  return type;
}

// The sign is the highest bit, behind it the exponent; the mantissa's leading bit is implied.
Hdf5Type real(std::uint32_t bytes, std::uint8_t mantissa_bits) {
  const std::uint32_t bits = 8 * bytes;
  const auto exponent_bits = static_cast<std::uint8_t>(bits - 1 - mantissa_bits);
  Hdf5Type type = begin(Class::kFloat, 0x20u | (bits - 1) << 8, bytes);
  put(type.message, std::uint16_t{0});
  put(type.message, static_cast<std::uint16_t>(bits));
  put(type.message, mantissa_bits);
  put(type.message, exponent_bits);
  put(type.message, std::uint8_t{0});
  put(type.message, mantissa_bits);
  put(type.message, (1u << (exponent_bits - 1)) - 1);
  return type;
}

Hdf5Type compound_of_complex(const Hdf5Type& part) {
  Hdf5Type type = begin(Class::kCompound, 2, 2 * part.size);
  std::uint32_t offset = 0;
  for (const char* name : {"r", "i"}) {
    put_name(type.message, name);
    put(type.message, offset);
    type.message.append(28, '\0');  // no array: dimensionality, permutation and four sizes
    type.message += part.message;
    offset += part.size;
  }
  return type;
}

Hdf5Type enum_of_bool() {
  Hdf5Type type = begin(Class::kEnum, 2, 1);
  type.message += integer(1, Sign::kTwosComplement).message;
  put_name(type.message, "FALSE");
  put_name(type.message, "TRUE");
  type.message += {'\0', '\1'};
  return type;
}

}  // namespace

Result<Hdf5Type> hdf5_type(DType dtype) {
  const DTypeInfo& row = info(dtype);
  if (row.block_elements != 1 || row.block_bytes == 0)
    return unsupported(text("dtype {} has no type in HDF5 that holds one element", row.name));
  switch (dtype) {
    case DType::kBool:
      return enum_of_bool();
    case DType::kFloat16:
      return real(2, 10);
    case DType::kBFloat16:
      return real(2, 7);
    case DType::kFloat32:
      return real(4, 23);
    case DType::kFloat64:
      return real(8, 52);
    case DType::kFloat8E5M2:
      return real(1, 2);
    case DType::kComplex32:
      return compound_of_complex(real(2, 10));
    case DType::kComplex64:
      return compound_of_complex(real(4, 23));
    case DType::kComplex128:
      return compound_of_complex(real(8, 52));
    default:
      break;
  }
  if (row.kind == DTypeKind::kUnsigned) return integer(row.block_bytes, Sign::kNone);
  if (row.kind == DTypeKind::kSigned) return integer(row.block_bytes, Sign::kTwosComplement);
  return hdf5_opaque(row.block_bytes, row.name);
}

Hdf5Type hdf5_opaque(std::uint32_t size, std::string_view tag) {
  const std::size_t padded = (tag.size() + 7) & ~std::size_t{7};
  Hdf5Type type = begin(Class::kOpaque, static_cast<std::uint32_t>(padded), size);
  type.message += tag;
  type.message.append(padded - tag.size(), '\0');
  return type;
}

Hdf5Type hdf5_fixed_text(std::uint32_t size, Hdf5Charset charset) {
  constexpr std::uint32_t kFilledWithNuls = 1;
  return begin(Class::kText, kFilledWithNuls | static_cast<std::uint32_t>(charset) << 4, size);
}

Hdf5Type hdf5_text(Hdf5Charset charset) {
  constexpr std::uint32_t kText = 1;
  Hdf5Type type = begin(Class::kVariable, kText | static_cast<std::uint32_t>(charset) << 8, 16);
  type.message += integer(1, Sign::kNone).message;
  type.has_references = true;
  return type;
}

}  // namespace holdall
