// NumPy's arrays and scalars: numpy/_core/src/multiarray/methods.c (array_reduce), scalartypes.c, numpy/_core/numeric.py.
#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/objects/interpretation.h"
#include "holdall/objects/numpy_arrays.h"

namespace holdall {

namespace {

// What an array's raw data, dtype, shape and order are made of, from whichever function.
struct RawArray {
  Value dtype;
  Value shape;
  NumpyOrder order = NumpyOrder::kC;
  Value data;
};

// Turns it into a tensor; nothing where the array holds objects or a type unknown here, which stays an inert object.
Result<std::optional<Tensor>> array_tensor(const RawArray& raw) {
  auto dtype = numpy_dtype(raw.dtype);
  if (!dtype && dtype.error().code() == Code::kUnsupported) return std::optional<Tensor>();
  HOLDALL_TRY(dtype);
  if (dtype->form == NpyForm::kObject) return std::optional<Tensor>();
  const auto sizes = integers(raw.shape);
  if (!sizes || std::any_of(sizes->begin(), sizes->end(), [](std::int64_t size) { return size < 0; })) {
    return corrupt("the shape of a NumPy array is no tuple of sizes");
  }
  auto data = bytes_of(raw.data);
  if (!data) return std::optional<Tensor>();
  auto tensor = numpy_tensor(*dtype, Shape(sizes->begin(), sizes->end()), raw.order, std::move(*data));
  if (!tensor && tensor.error().code() == Code::kUnsupported) return std::optional<Tensor>();
  HOLDALL_ASSIGN(Tensor made, std::move(tensor));
  return std::optional<Tensor>(std::move(made));
}

// A subclass (numpy.matrix, a recarray) is an object of its class around the tensor.
void replace_array(const Interpretation& context, NodeId node, Value array_class, Tensor tensor) {
  Arena& arena = context.arena;
  const NodeId made = arena.tensor({.index = context.options.add(std::move(tensor))});
  if (context.options.arrays_say_so) set_attribute(arena, arena.tensor_node(made), "class", arena.global("numpy", "ndarray"));
  const bool is_plain =
      !array_class.is(ValueKind::kGlobal) || array_class.is_global("numpy", "ndarray") || array_class.global_name() == "memmap";
  if (is_plain) return arena.replace(node, made);
  ObjectParts parts;
  parts.callee = array_class.id();
  parts.args = arena.tuple({made});
  arena.replace(node, arena.object(std::move(parts)));
}

// _reconstruct(class, (0,), b"b") with the state ([version,] shape, dtype, is Fortran, data).
Status reconstruct(const Interpretation& context, NodeId node) {
  const Value object = context.arena.at(node);
  const auto args = arguments(object);
  const Value state = object.of(object.as_object().state);
  if (args.empty() || !state.is(ValueKind::kTuple) || state.size() < 4 || state.size() > 5) return {};
  const std::size_t first = state.size() - 4;
  RawArray raw{state.item(first + 1), state.item(first), NumpyOrder::kC, state.item(first + 3)};
  const Value fortran = state.item(first + 2);
  const bool is_fortran =
      (fortran.is(ValueKind::kBool) && fortran.as_bool()) || (fortran.is(ValueKind::kInt) && fortran.as_int() != 0);
  if (is_fortran) raw.order = NumpyOrder::kFortran;
  HOLDALL_ASSIGN(std::optional<Tensor> tensor, array_tensor(raw));
  if (tensor) replace_array(context, node, args[0], std::move(*tensor));
  return {};
}

// numpy._core.numeric._frombuffer(data, dtype, shape, order), protocol 5.
Status from_buffer(const Interpretation& context, NodeId node) {
  const auto args = arguments(context.arena.at(node));
  if (args.size() < 4) return {};
  RawArray raw{args[1], args[2], NumpyOrder::kC, args[0]};
  // A PickleBuffer in band is bytes or bytearray(bytes).
  if (builder_of(raw.data) == Builder::kByteArray) {
    const auto inner = arguments(raw.data);
    if (inner.size() != 1) return {};
    raw.data = inner[0];
  }
  if (args[3].is(ValueKind::kString) && args[3].as_string() == "F") raw.order = NumpyOrder::kFortran;
  HOLDALL_ASSIGN(std::optional<Tensor> tensor, array_tensor(raw));
  if (tensor) replace_array(context, node, Value(), std::move(*tensor));
  return {};
}

double half_to_double(std::uint16_t bits) {
  const double sign = (bits & 0x8000u) != 0 ? -1.0 : 1.0;
  const int exponent = bits >> 10 & 0x1F;
  const int fraction = bits & 0x3FF;
  if (exponent == 0x1F) return std::bit_cast<double>(fraction != 0 ? 0x7FF8000000000000u : 0x7FF0000000000000u) * sign;
  double value = exponent == 0 ? fraction / 1024.0 : 1.0 + fraction / 1024.0;
  for (int i = exponent == 0 ? 1 : exponent; i < 15; ++i) value /= 2;
  for (int i = 15; i < exponent; ++i) value *= 2;
  return sign * value;
}

// The plain value of one little-endian element; absent for kinds that have none.
NodeId plain_value(Arena& arena, const NpyDType& dtype, std::span<const std::byte> raw) {
  const std::byte* at = raw.data();
  switch (dtype.dtype) {
    case DType::kBool:
      return arena.boolean(at[0] != std::byte{0});
    case DType::kInt8:
      return arena.integer(load_le<std::int8_t>(at));
    case DType::kUInt8:
      return arena.integer(load_le<std::uint8_t>(at));
    case DType::kInt16:
      return arena.integer(load_le<std::int16_t>(at));
    case DType::kUInt16:
      return arena.integer(load_le<std::uint16_t>(at));
    case DType::kInt32:
      return arena.integer(load_le<std::int32_t>(at));
    case DType::kUInt32:
      return arena.integer(load_le<std::uint32_t>(at));
    case DType::kInt64:
      return arena.integer(load_le<std::int64_t>(at));
    case DType::kUInt64:
      return arena.big_integer(std::to_string(load_le<std::uint64_t>(at)));
    case DType::kFloat16:
      return arena.real(half_to_double(load_le<std::uint16_t>(at)));
    case DType::kFloat32:
      return arena.real(static_cast<double>(load_le<float>(at)));
    case DType::kFloat64:
      return arena.real(load_le<double>(at));
    case DType::kComplex64:
      return arena.complex({load_le<float>(at), load_le<float>(at + 4)});
    case DType::kComplex128:
      return arena.complex({load_le<double>(at), load_le<double>(at + 8)});
    default:
      return kNoNode;
  }
}

// The class that numpy.dtype(…).type is; empty for kinds that are left as they are.
std::string_view scalar_class(const NpyDType& dtype) {
  if (dtype.dtype == DType::kBool) return "bool_";
  return dtype.logical.empty() ? name(dtype.dtype) : std::string_view();
}

// scalar(dtype, bytes) becomes numpy.float32(0.5). Strings, datetimes, records and objects stay as they are.
Status scalar(const Interpretation& context, NodeId node) {
  Arena& arena = context.arena;
  const auto args = arguments(arena.at(node));
  if (args.size() != 2) return {};
  auto dtype = numpy_dtype(args[0]);
  if (!dtype && dtype.error().code() == Code::kUnsupported) return {};
  HOLDALL_TRY(dtype);
  const auto blob = bytes_of(args[1]);
  if (!blob || dtype->form != NpyForm::kPlain) return {};
  if (blob->size() != dtype->item_bytes) {
    return corrupt(text("a NumPy scalar of {} bytes has {}", dtype->item_bytes, blob->size()));
  }
  HOLDALL_ASSIGN(const Bytes stored, blob->read());
  std::vector<std::byte> raw(stored.span().begin(), stored.span().end());
  if (dtype->order == ByteOrder::kBig && dtype->unit_bytes > 1) reverse_units(raw, dtype->unit_bytes);
  const std::string_view name = scalar_class(*dtype);
  const NodeId value = name.empty() ? kNoNode : plain_value(arena, *dtype, raw);
  if (value == kNoNode) return {};
  ObjectParts parts;
  parts.callee = arena.global("numpy", name);
  parts.args = arena.tuple({value});
  arena.replace(node, arena.object(std::move(parts)));
  return {};
}

}  // namespace

Status interpret_numpy(const Interpretation& context, NodeId object, Builder builder) {
  switch (builder) {
    case Builder::kNumpyReconstruct:
      return reconstruct(context, object);
    case Builder::kNumpyFromBuffer:
      return from_buffer(context, object);
    case Builder::kNumpyScalar:
      return scalar(context, object);
    default:
      return {};
  }
}

}  // namespace holdall
