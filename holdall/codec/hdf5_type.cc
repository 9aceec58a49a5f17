#include "holdall/codec/hdf5_type.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "holdall/base/checked.h"

namespace holdall::hdf5 {
namespace {

constexpr unsigned kDeepest = 32;
constexpr std::array<std::string_view, 12> kNames = {"integer",  "float",     "time", "string",          "bitfield", "opaque",
                                                     "compound", "reference", "enum", "variable-length", "array",    "complex"};
constexpr std::size_t kMostDims = 32;

struct Head {
  std::uint8_t version = 1;
  std::uint32_t bits = 0;
};

Result<TypeRef> parse(Fields& fields, unsigned depth);

Status parse_number(Fields& fields, std::uint32_t bits, Type& type) {
  type.order = (bits & 1) != 0 ? ByteOrder::kBig : ByteOrder::kLittle;
  type.is_signed = type.kind == Class::kInteger && (bits & 8) != 0;
  HOLDALL_ASSIGN(type.bit_offset, fields.half());
  HOLDALL_ASSIGN(type.precision, fields.half());
  const unsigned end = unsigned{type.bit_offset} + type.precision;
  if (type.precision == 0 || end > std::uint64_t{type.size} * 8) {
    return fields.fault(text("bits {} to {} of a number of {} bytes", type.bit_offset, end, type.size));
  }
  return {};
}

Status parse_float(Fields& fields, std::uint32_t bits, Type& type) {
  HOLDALL_TRY(parse_number(fields, bits, type));
  if ((bits & 0x41) == 0x41) return fields.refused("a float in the byte order of the VAX");
  type.sign_at = static_cast<std::uint8_t>(bits >> 8);
  HOLDALL_ASSIGN(type.exponent_at, fields.byte());
  HOLDALL_ASSIGN(type.exponent_bits, fields.byte());
  HOLDALL_ASSIGN(type.mantissa_at, fields.byte());
  HOLDALL_ASSIGN(type.mantissa_bits, fields.byte());
  HOLDALL_ASSIGN(type.exponent_bias, fields.word());
  return {};
}

Result<std::string> parse_name(Fields& fields, std::uint8_t version) {
  const std::size_t begin = fields.position();
  HOLDALL_ASSIGN(const std::string_view name, fields.terminated());
  // Older versions pad a name, NUL and all, to a multiple of 8.
  const std::size_t taken = fields.position() - begin;
  if (version < 3) HOLDALL_TRY(fields.skip((8 - taken % 8) % 8));
  return std::string(name);
}

Status parse_dims(Fields& fields, std::uint8_t rank, Type& type) {
  if (rank > kMostDims) return fields.fault(text("an array type of {} dimensions, {} are allowed", rank, kMostDims));
  for (std::uint8_t i = 0; i < rank; ++i) {
    HOLDALL_ASSIGN(const std::uint32_t size, fields.word());
    type.dims.push_back(size);
  }
  return {};
}

// A field of version 1, which may be an array without a type of its own.
Status parse_old_dims(Fields& fields, Member& member) {
  HOLDALL_ASSIGN(const std::uint8_t rank, fields.byte());
  HOLDALL_TRY(fields.skip(3 + 4 + 4));
  if (rank > 4) return fields.fault(text("a field of {} dimensions, 4 are allowed", rank));
  auto array = std::make_shared<Type>();
  array->kind = Class::kArray;
  HOLDALL_TRY(parse_dims(fields, rank, *array));
  HOLDALL_TRY(fields.skip((std::size_t{4} - rank) * 4));
  if (rank > 0) member.type = std::move(array);
  return {};
}

Status finish_old_array(Fields& fields, Member& member, TypeRef base) {
  if (member.type == nullptr) {
    member.type = std::move(base);
    return {};
  }
  auto array = std::make_shared<Type>(*member.type);
  std::uint64_t size = base->size;
  for (const std::uint64_t dim : array->dims) {
    const auto product = checked_multiply(size, dim);
    if (!product || *product > UINT32_MAX) return fields.fault("an array field has more than 2^32 bytes");
    size = *product;
  }
  array->size = static_cast<std::uint32_t>(size);
  array->base = std::move(base);
  member.type = std::move(array);
  return {};
}

Status parse_compound(Fields& fields, Head head, Type& type, unsigned depth) {
  const std::uint32_t count = head.bits & 0xffff;
  if (count == 0) return fields.fault("a compound type without fields");
  const unsigned width = head.version >= 3 ? bytes_for(type.size) : 4;
  for (std::uint32_t i = 0; i < count; ++i) {
    Member member;
    HOLDALL_ASSIGN(member.name, parse_name(fields, head.version));
    HOLDALL_ASSIGN(member.offset, fields.number(width));
    if (head.version == 1) HOLDALL_TRY(parse_old_dims(fields, member));
    HOLDALL_ASSIGN(TypeRef base, parse(fields, depth + 1));
    HOLDALL_TRY(finish_old_array(fields, member, std::move(base)));
    if (!fits(member.offset, member.type->size, type.size)) {
      return fields.fault(text("the field '{}' of {} bytes at {} lies outside of {} bytes", member.name, member.type->size,
                               member.offset, type.size));
    }
    type.members.push_back(std::move(member));
  }
  return {};
}

Status parse_enum(Fields& fields, Head head, Type& type, unsigned depth) {
  const std::uint32_t count = head.bits & 0xffff;
  HOLDALL_ASSIGN(type.base, parse(fields, depth + 1));
  if (type.base->kind != Class::kInteger || type.base->size != type.size) {
    return fields.fault(text("an enumeration of {} bytes of a type of {} bytes", type.size, type.base->size));
  }
  type.order = type.base->order;
  type.is_signed = type.base->is_signed;
  for (std::uint32_t i = 0; i < count; ++i) {
    Member member;
    HOLDALL_ASSIGN(member.name, parse_name(fields, head.version));
    type.members.push_back(std::move(member));
  }
  for (Member& member : type.members) {
    HOLDALL_ASSIGN(const Block value, fields.take(type.size));
    member.value = value.bytes.text();
  }
  return {};
}

Status parse_array(Fields& fields, Head head, Type& type, unsigned depth) {
  HOLDALL_ASSIGN(const std::uint8_t rank, fields.byte());
  if (head.version < 3) HOLDALL_TRY(fields.skip(3));
  HOLDALL_TRY(parse_dims(fields, rank, type));
  if (head.version < 3) HOLDALL_TRY(fields.skip(std::size_t{rank} * 4));
  HOLDALL_ASSIGN(type.base, parse(fields, depth + 1));
  std::uint64_t size = type.base->size;
  for (const std::uint64_t dim : type.dims) {
    const auto product = checked_multiply(size, dim);
    if (!product || *product > type.size) return fields.fault(text("an array type does not fit its {} bytes", type.size));
    size = *product;
  }
  if (size != type.size) return fields.fault(text("an array type takes {} bytes, it says {}", size, type.size));
  return {};
}

Status parse_variable(Fields& fields, Head head, Type& type, unsigned depth) {
  type.is_text = (head.bits & 15) == 1;
  type.text_flags = static_cast<std::uint8_t>(head.bits >> 4);
  const unsigned reference = 4 + fields.widths().address + 4;
  if (type.size != reference) {
    return fields.fault(text("a variable-length element of {} bytes, it has {}", type.size, reference));
  }
  HOLDALL_ASSIGN(type.base, parse(fields, depth + 1));
  return {};
}

Status parse_rest(Fields& fields, Head head, Type& type, unsigned depth) {
  switch (type.kind) {
    case Class::kInteger:
    case Class::kBitfield:
      return parse_number(fields, head.bits, type);
    case Class::kFloat:
      return parse_float(fields, head.bits, type);
    case Class::kTime:
      return fields.skip(2);
    case Class::kString:
      type.text_flags = static_cast<std::uint8_t>(head.bits);
      return {};
    case Class::kOpaque: {
      HOLDALL_ASSIGN(const Block tag, fields.take(head.bits & 0xff));
      type.tag = tag.bytes.text().substr(0, tag.bytes.text().find('\0'));
      return {};
    }
    case Class::kCompound:
      return parse_compound(fields, head, type, depth);
    case Class::kReference:
      return {};
    case Class::kEnum:
      return parse_enum(fields, head, type, depth);
    case Class::kVariable:
      return parse_variable(fields, head, type, depth);
    case Class::kArray:
      return parse_array(fields, head, type, depth);
    case Class::kComplex: {
      HOLDALL_ASSIGN(type.base, parse(fields, depth + 1));
      if (type.base->kind != Class::kFloat || std::uint64_t{type.base->size} * 2 != type.size) {
        return fields.fault(text("a complex number of {} bytes of halves of {}", type.size, type.base->size));
      }
      type.order = type.base->order;
      return {};
    }
  }
  return fields.fault("no datatype");
}

Result<TypeRef> parse(Fields& fields, unsigned depth) {
  if (depth > kDeepest) return over_limit(text("datatypes are nested deeper than {}", kDeepest));
  HOLDALL_ASSIGN(const std::uint8_t first, fields.byte());
  const auto kind = static_cast<std::uint8_t>(first & 15);
  Head head;
  head.version = static_cast<std::uint8_t>(first >> 4);
  if (head.version < 1 || head.version > 5) {
    return fields.refused(text("a datatype of version {}, 1 to 5 are known", head.version));
  }
  if (kind >= kNames.size()) return fields.refused(text("a datatype of class {}, 0 to {} are known", kind, kNames.size() - 1));
  HOLDALL_ASSIGN(const std::uint64_t bits, fields.number(3));
  head.bits = static_cast<std::uint32_t>(bits);
  auto type = std::make_shared<Type>();
  type->kind = static_cast<Class>(kind);
  HOLDALL_ASSIGN(type->size, fields.word());
  if (type->size == 0) return fields.fault(text("a datatype of class {} takes no bytes", kNames[kind]));
  HOLDALL_TRY(parse_rest(fields, head, *type, depth));
  return TypeRef(std::move(type));
}

// The dtype of floats whose bits lie as IEEE 754 (or bfloat16, or float8) has them.
std::optional<DType> float_dtype(const Type& type) noexcept {
  struct Row {
    std::uint32_t size;
    std::uint8_t exponent, mantissa;
    std::uint32_t bias;
    DType dtype;
  };
  static constexpr Row kRows[] = {
      {2, 5, 10, 15, DType::kFloat16},    {2, 8, 7, 127, DType::kBFloat16},   {4, 8, 23, 127, DType::kFloat32},
      {8, 11, 52, 1023, DType::kFloat64}, {1, 4, 3, 7, DType::kFloat8E4M3FN}, {1, 5, 2, 15, DType::kFloat8E5M2},
  };
  for (const Row& row : kRows) {
    const bool is_layout = type.bit_offset == 0 && type.precision == row.size * 8 && type.mantissa_at == 0 &&
                           type.exponent_at == row.mantissa && type.sign_at == row.size * 8 - 1;
    if (type.size == row.size && type.exponent_bits == row.exponent && type.mantissa_bits == row.mantissa &&
        type.exponent_bias == row.bias && is_layout)
      return row.dtype;
  }
  return std::nullopt;
}

std::optional<DType> integer_dtype(const Type& type) noexcept {
  if (type.bit_offset != 0 || type.precision != type.size * 8) return std::nullopt;
  switch (type.size) {
    case 1:
      return type.is_signed ? DType::kInt8 : DType::kUInt8;
    case 2:
      return type.is_signed ? DType::kInt16 : DType::kUInt16;
    case 4:
      return type.is_signed ? DType::kInt32 : DType::kUInt32;
    case 8:
      return type.is_signed ? DType::kInt64 : DType::kUInt64;
    default:
      return std::nullopt;
  }
}

std::optional<DType> complex_of(std::optional<DType> half) noexcept {
  if (half == DType::kFloat16) return DType::kComplex32;
  if (half == DType::kFloat32) return DType::kComplex64;
  if (half == DType::kFloat64) return DType::kComplex128;
  return std::nullopt;
}

// h5py's complex numbers: fields r and i, one behind the other.
const Type* half_of_complex(const Type& type) noexcept {
  if (type.kind != Class::kCompound || type.members.size() != 2) return nullptr;
  const Member& real = type.members[0];
  const Member& imaginary = type.members[1];
  const Type& half = *real.type;
  const bool fits_names = real.name == "r" && imaginary.name == "i" && real.offset == 0 && imaginary.offset == half.size;
  const bool is_same = half.kind == Class::kFloat && imaginary.type->kind == Class::kFloat &&
                       float_dtype(half) == float_dtype(*imaginary.type) && half.order == imaginary.type->order;
  return fits_names && is_same && type.size == 2 * half.size ? &half : nullptr;
}

std::optional<DType> dtype_of(const Type& type) noexcept {
  if (type.is_bool()) return DType::kBool;
  if (type.kind == Class::kFloat) return float_dtype(type);
  if (type.kind == Class::kInteger || type.kind == Class::kBitfield) return integer_dtype(type);
  if (type.kind == Class::kEnum) return integer_dtype(*type.base);
  if (type.kind == Class::kComplex) return complex_of(float_dtype(*type.base));
  if (const Type* half = half_of_complex(type)) return complex_of(float_dtype(*half));
  return std::nullopt;
}

std::string field_descr(const Type& type);

std::string quoted_field(std::string_view name) {
  std::string said = "'";
  for (const char c : name) {
    if (c == '\'' || c == '\\') said += '\\';
    said += c;
  }
  return said + "'";
}

// NumPy's descr of a compound as Python source, gaps included; empty where fields overlap or do not stand in order.
std::string compound_descr(const Type& type) {
  std::string descr;
  std::uint64_t at = 0;
  const auto gap_to = [&](std::uint64_t offset) {
    if (offset > at) descr += text("{}('', '|V{}')", descr.empty() ? "" : ", ", offset - at);
  };
  for (const Member& member : type.members) {
    if (member.offset < at) return {};
    gap_to(member.offset);
    at = member.offset + member.type->size;
    descr += text("{}({}, {})", descr.empty() ? "" : ", ", quoted_field(member.name), field_descr(*member.type));
  }
  gap_to(type.size);
  return "[" + descr + "]";
}

std::string field_descr(const Type& type) {
  if (type.kind == Class::kArray) {
    std::string dims;
    for (const std::uint64_t dim : type.dims) dims += text("{}, ", dim);
    return text("{}, ({})", field_descr(*type.base), dims.empty() ? dims : dims.substr(0, dims.size() - 1));
  }
  if (type.kind == Class::kString) return text("'|S{}'", type.size);
  const auto dtype = dtype_of(type);
  if (dtype && *dtype != DType::kBFloat16 && *dtype != DType::kComplex32) {
    if (auto typestr = npy_typestr(*dtype)) {
      const Type* half = half_of_complex(type);
      const ByteOrder order = half != nullptr ? half->order : type.order;
      if (order == ByteOrder::kBig && typestr->front() == '<') typestr->front() = '>';
      return "'" + *typestr + "'";
    }
  }
  if (type.kind == Class::kCompound) {
    std::string descr = compound_descr(type);
    if (!descr.empty()) return descr;
  }
  return text("'|V{}'", type.size);
}

}  // namespace

std::string_view name(Class kind) noexcept { return kNames[static_cast<std::size_t>(kind)]; }

bool Type::is_bool() const noexcept {
  if (kind != Class::kEnum || size != 1 || members.size() != 2) return false;
  const auto is = [&](std::string_view name, char value) {
    return std::any_of(members.begin(), members.end(), [&](const Member& member) {
      return member.name == name && member.value.size() == 1 && member.value.front() == value;
    });
  };
  return is("FALSE", 0) && is("TRUE", 1);
}

bool Type::has_variable() const noexcept {
  if (kind == Class::kVariable) return true;
  if (kind == Class::kArray) return base->has_variable();
  return kind == Class::kCompound &&
         std::any_of(members.begin(), members.end(), [](const Member& member) { return member.type->has_variable(); });
}

Result<TypeRef> parse_type(Fields& fields) { return parse(fields, 0); }

Result<NpyDType> npy_form(const Type& type) {
  if (type.has_variable()) return unsupported(text("elements of the class {} lie in the global heap", name(type.kind)));
  if (type.kind == Class::kArray) return npy_form(*type.base);
  if (type.kind == Class::kOpaque && type.tag.starts_with("NUMPY:")) {
    auto known = npy_dtype(std::string_view(type.tag).substr(6));
    if (known && known->form == NpyForm::kPlain && known->item_bytes == type.size) return known;
  }
  NpyDType form;
  form.item_bytes = type.size;
  form.unit_bytes = type.size;
  if (type.kind == Class::kString) {
    form.form = NpyForm::kText;
    form.dtype = DType::kString;
    form.unit_bytes = 1;
    form.logical = text("S{}", type.size);
    return form;
  }
  if (const auto dtype = dtype_of(type)) {
    const Type* half = half_of_complex(type);
    form.dtype = *dtype;
    form.order = half != nullptr ? half->order : type.order;
    if (info(*dtype).kind == DTypeKind::kComplex) form.unit_bytes = type.size / 2;
    return form;
  }
  form.form = NpyForm::kRecord;
  form.dtype = DType::kRecord;
  form.unit_bytes = 1;
  form.logical = field_descr(type);
  return form;
}

std::uint64_t integer_bits(const Type& type, std::span<const std::byte> element) noexcept {
  std::uint64_t value = 0;
  const std::size_t size = std::min<std::size_t>(element.size(), 8);
  for (std::size_t i = 0; i < size; ++i) {
    const std::size_t from = type.order == ByteOrder::kLittle ? size - 1 - i : i;
    value = (value << 8) | std::to_integer<std::uint64_t>(element[from]);
  }
  if (type.is_signed && size < 8 && size > 0 && (value >> (8 * size - 1)) != 0) value |= ~std::uint64_t{0} << (8 * size);
  return value;
}

}  // namespace holdall::hdf5
