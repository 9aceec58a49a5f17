#include "holdall/objects/numpy_arrays.h"

#include <algorithm>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/codec/npy_text.h"
#include "holdall/codec/python_literal.h"
#include "holdall/objects/globals.h"
#include "holdall/objects/interpretation.h"

namespace holdall {

namespace {

constexpr unsigned kDeepestDType = 16;

// The arguments of numpy.dtype("f4", False, True) and its state (version, order, subdtype, names, fields, itemsize, alignment,
// flags, metadata): numpy/_core/src/multiarray/descriptor.c, arraydescr_reduce.
struct DTypeParts {
  std::string code;
  char order = '|';
  Value subdtype;
  Value names;
  Value fields;
  std::uint64_t item_bytes = 0;
  Value metadata;
};

std::string text_of(Value value) { return short_text(value).value_or(std::string()); }

Result<DTypeParts> parts_of(Value object) {
  DTypeParts parts;
  if (builder_of(object) != Builder::kNumpyDType) return corrupt("a NumPy dtype is no numpy.dtype object");
  const auto args = arguments(object);
  if (args.empty() || text_of(args[0]).empty()) return unsupported("a numpy.dtype without a type string");
  parts.code = text_of(args[0]);
  const Value state = object.of(object.as_object().state);
  if (!state.is(ValueKind::kTuple)) return parts;
  if (state.size() < 5) return corrupt(text("the state of a numpy.dtype has {} parts, 5 are needed", state.size()));
  // Version 0 had no version in front.
  const std::size_t first = state.item(0).is(ValueKind::kInt) ? 1 : 0;
  if (state.size() < first + 4) return corrupt("the state of a numpy.dtype is cut short");
  const std::string order = text_of(state.item(first));
  if (order.size() != 1) return corrupt("the byte order of a numpy.dtype is not one character");
  parts.order = order[0];
  parts.subdtype = state.item(first + 1);
  parts.names = state.item(first + 2);
  parts.fields = state.item(first + 3);
  if (state.size() > first + 4 && state.item(first + 4).is(ValueKind::kInt)) {
    parts.item_bytes = static_cast<std::uint64_t>(std::max<std::int64_t>(state.item(first + 4).as_int(), 0));
  }
  if (state.size() > first + 7) parts.metadata = state.item(first + 7);
  return parts;
}

// ({}, ("ns", 1, 1, 1)): the unit of a datetime, how many of it, and two numbers of NumPy's past.
std::string time_unit(Value metadata) {
  if (!metadata.is(ValueKind::kTuple) || metadata.size() != 2) return {};
  const Value unit = metadata.item(1);
  if (!unit.is(ValueKind::kTuple) || unit.size() < 2 || !unit.item(1).is(ValueKind::kInt)) return {};
  const std::string name = text_of(unit.item(0));
  if (name.empty() || name == "generic") return {};
  const std::int64_t count = unit.item(1).as_int();
  return count == 1 ? text("[{}]", name) : text("[{}{}]", count, name);
}

std::string quoted(std::string_view name) {
  PythonLiteral literal;
  literal.kind = PythonLiteral::Kind::kText;
  literal.text = name;
  return to_python(literal);
}

struct Described {
  std::string descr;  // a Python literal: "'<f4'", "[('a', '<f4')]"
  std::uint64_t item_bytes = 0;
};

Result<Described> describe(Value object, unsigned depth);

// One field's type, with its shape where it is an array: "'<f4', (2, 3)".
Result<Described> describe_field(Value object, unsigned depth) {
  HOLDALL_ASSIGN(const DTypeParts parts, parts_of(object));
  if (!parts.subdtype.is(ValueKind::kTuple) || parts.subdtype.size() != 2) return describe(object, depth);
  HOLDALL_ASSIGN(Described base, describe(parts.subdtype.item(0), depth));
  const auto sizes = integers(parts.subdtype.item(1));
  if (!sizes) return corrupt("the shape of a field is no tuple of integers");
  std::string shape;
  for (const std::int64_t size : *sizes) {
    const auto bytes = checked_multiply(base.item_bytes, static_cast<std::uint64_t>(size));
    if (size < 0 || !bytes) return corrupt(text("a field has the size {}", size));
    base.item_bytes = *bytes;
    shape += text("{}{}", shape.empty() ? "" : ", ", size);
  }
  base.descr += text(", ({}{})", shape, sizes->size() == 1 ? "," : "");
  return base;
}

Result<Described> describe_fields(const DTypeParts& parts, unsigned depth) {
  Described result;
  result.descr = "[";
  std::uint64_t at = 0;
  const auto gap_to = [&](std::uint64_t offset) {
    if (offset > at) result.descr += text("('', '|V{}'), ", offset - at);
    at = offset;
  };
  for (std::size_t i = 0; i < parts.names.size(); ++i) {
    const Value name = parts.names.item(i);
    const Value field = parts.fields.find(text_of(name));
    if (!field.is(ValueKind::kTuple) || field.size() < 2 || !field.item(1).is(ValueKind::kInt)) {
      return corrupt(text("the field '{}' has no type and offset", text_of(name)));
    }
    const auto offset = static_cast<std::uint64_t>(field.item(1).as_int());
    if (field.item(1).as_int() < 0 || offset < at) {
      return unsupported(
          text("the field '{}' at offset {} overlaps or precedes another", text_of(name), field.item(1).as_int()));
    }
    gap_to(offset);
    HOLDALL_ASSIGN(const Described type, describe_field(field.item(0), depth + 1));
    std::string said = quoted(text_of(name));
    if (field.size() > 2) {  // a title, which is a second name
      if (!field.item(2).is(ValueKind::kString)) return unsupported(text("the field {} has a title that is no text", said));
      said = text("({}, {})", quoted(field.item(2).as_string()), said);
    }
    result.descr += text("({}, {}), ", said, type.descr);
    const auto end = checked_add(at, type.item_bytes);
    if (!end) return corrupt("the fields of a structured type pass 2^64 bytes");
    at = *end;
  }
  if (parts.item_bytes < at) return corrupt(text("fields of {} bytes in items of {}", at, parts.item_bytes));
  gap_to(parts.item_bytes);
  if (result.descr.ends_with(", ")) result.descr.resize(result.descr.size() - 2);
  result.descr += "]";
  result.item_bytes = parts.item_bytes;
  return result;
}

std::string type_string(const DTypeParts& parts) {
  // dtype("<f4") has its byte order in its type string where it has no state.
  const bool has_order = parts.order == '|' && std::string_view("<>=|").find(parts.code.front()) != std::string_view::npos;
  if (has_order) return std::string(parts.code);
  std::string typestr(1, parts.order);
  typestr += parts.code;
  if (typestr.size() > 1 && (typestr[1] == 'M' || typestr[1] == 'm')) typestr += time_unit(parts.metadata);
  return typestr;
}

Result<Described> describe(Value object, unsigned depth) {
  if (depth > kDeepestDType) return over_limit(text("structured types nested more than {} deep", kDeepestDType));
  HOLDALL_ASSIGN(const DTypeParts parts, parts_of(object));
  if (parts.names.is(ValueKind::kTuple) && parts.fields.is(ValueKind::kDict)) return describe_fields(parts, depth);
  const std::string typestr = type_string(parts);
  HOLDALL_ASSIGN(const NpyDType type, npy_dtype(typestr));
  if (type.form == NpyForm::kObject) return unsupported("a structured type with object fields");
  return Described{quoted(typestr), type.item_bytes};
}

// Items of any width in Fortran order, brought into row-major order as they are read.
Result<Blob> in_row_major_order(const Shape& shape, std::uint64_t item_bytes, Blob data) {
  if (data.size() == 0) return data;
  Shape bytes = shape;
  bytes.push_back(item_bytes);
  Tensor::View view;
  auto step = static_cast<std::int64_t>(item_bytes);
  for (const std::uint64_t size : shape) {
    view.strides.push_back(step);
    step *= static_cast<std::int64_t>(size);
  }
  view.strides.push_back(1);
  auto storage = std::make_shared<Storage>(Storage{std::move(data)});
  HOLDALL_ASSIGN(const Tensor tensor, Tensor::view(DType::kUInt8, std::move(bytes), std::move(storage), std::move(view)));
  return tensor.data();
}

Result<Blob> little_endian(const NpyDType& dtype, Blob data) {
  if (dtype.order == ByteOrder::kLittle || dtype.unit_bytes == 1 || data.size() == 0) return data;
  HOLDALL_ASSIGN(SourceRef part, slice_source(data.source(), data.offset(), data.size(), data.name()));
  HOLDALL_ASSIGN(SourceRef swapped, byte_swapped_source(std::move(part), dtype.unit_bytes));
  return Blob(std::move(swapped));
}

}  // namespace

Result<NpyDType> numpy_dtype(Value object) {
  HOLDALL_ASSIGN(const DTypeParts parts, parts_of(object));
  const bool is_structured = parts.names.is(ValueKind::kTuple) && parts.fields.is(ValueKind::kDict);
  if (!is_structured && !parts.subdtype.is(ValueKind::kTuple)) return npy_dtype(type_string(parts));
  if (!is_structured) return unsupported("a NumPy array type with a shape of its own");
  HOLDALL_ASSIGN(Described described, describe(object, 0));
  NpyDType result;
  result.form = NpyForm::kRecord;
  result.dtype = DType::kRecord;
  result.item_bytes = described.item_bytes;
  result.logical = std::move(described.descr);
  return result;
}

Result<Tensor> numpy_tensor(const NpyDType& dtype, Shape shape, NumpyOrder order, Blob data) {
  HOLDALL_ASSIGN(const std::uint64_t count, element_count(shape));
  const auto bytes = checked_multiply(count, dtype.item_bytes);
  if (!bytes || *bytes != data.size()) {
    return corrupt(text("an array of shape {} and {} bytes an element, there are {} bytes", to_string(shape), dtype.item_bytes,
                        data.size()))
        .in(data.name());
  }
  const bool is_fortran = order == NumpyOrder::kFortran && shape.size() > 1;
  if (dtype.form != NpyForm::kPlain && is_fortran) {
    HOLDALL_ASSIGN(data, in_row_major_order(shape, dtype.item_bytes, std::move(data)));
  }
  if (dtype.form == NpyForm::kUtf32 || dtype.form == NpyForm::kText) {
    HOLDALL_ASSIGN(Blob strings, npy_text(std::move(data), dtype, count));
    HOLDALL_ASSIGN(const Tensor tensor, Tensor::strings(std::move(shape), std::move(strings)));
    return tensor.with_logical(dtype.logical);
  }
  if (dtype.form == NpyForm::kRecord)
    return Tensor::records(std::move(shape), dtype.item_bytes, std::move(data), dtype.logical);
  HOLDALL_ASSIGN(Blob plain, little_endian(dtype, std::move(data)));
  Tensor::View view;
  if (is_fortran) {
    std::int64_t step = 1;
    for (const std::uint64_t size : shape) {
      view.strides.push_back(step);
      step *= static_cast<std::int64_t>(std::max<std::uint64_t>(size, 1));
    }
  }
  auto storage = std::make_shared<Storage>(Storage{std::move(plain)});
  HOLDALL_ASSIGN(Tensor tensor, Tensor::view(dtype.dtype, std::move(shape), std::move(storage), std::move(view)));
  return dtype.logical.empty() ? std::move(tensor) : tensor.with_logical(dtype.logical);
}

}  // namespace holdall
