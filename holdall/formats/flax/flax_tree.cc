// Arrays, scalars and complex numbers as flax/serialization.py writes them, and what its _unchunk() undoes.
#include <algorithm>
#include <array>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/core/numbers.h"
#include "holdall/formats/flax/elements.h"
#include "holdall/formats/flax/flax.h"
#include "holdall/io/joined.h"

namespace holdall::flax {
namespace {

using Kind = MsgpackItem::Kind;

// The dtypes of NumPy and ml_dtypes that are called otherwise here.
struct Renamed {
  std::string_view numpy;
  DType dtype;
};
constexpr std::array<Renamed, 3> kRenamed = {
    {{"float4_e2m1fn", DType::kFloat4E2M1}, {"float6_e2m3fn", DType::kFloat6E2M3}, {"float6_e3m2fn", DType::kFloat6E3M2}}};

bool is_shared_name(DType dtype) noexcept {
  const DTypeKind kind = info(dtype).kind;
  const bool is_number = kind != DTypeKind::kQuantized && kind != DTypeKind::kBlock && kind != DTypeKind::kOther;
  const bool is_renamed = std::any_of(kRenamed.begin(), kRenamed.end(), [&](const Renamed& row) { return row.dtype == dtype; });
  return is_number && !is_renamed && dtype != DType::kComplex32;
}

// (shape, dtype name, elements), which msgpack.packb() makes of an array.
struct Array {
  Shape shape;
  std::string dtype;
  Blob data;
};

Result<Array> parts_of(MsgpackReader& reader) {
  Array array;
  const auto next = [&]() -> Result<MsgpackItem> {
    if (reader.at_end()) return reader.fault("the array ends where its shape, dtype and elements should stand");
    return reader.next();
  };
  HOLDALL_ASSIGN(const MsgpackItem whole, next());
  if (!whole.is(Kind::kArray) || whole.size != 3) return reader.fault("an array is not made of shape, dtype and elements");
  HOLDALL_ASSIGN(const MsgpackItem shape, next());
  if (!shape.is(Kind::kArray)) return reader.fault("the shape of an array is no list");
  for (std::uint64_t i = 0; i < shape.size; ++i) {
    HOLDALL_ASSIGN(const MsgpackItem size, next());
    if (!size.is(Kind::kInteger) || size.is_negative) return reader.fault("the shape of an array holds what is no size");
    array.shape.push_back(size.integer);
  }
  HOLDALL_ASSIGN(const MsgpackItem dtype, next());
  if ((!dtype.is(Kind::kText) && !dtype.is(Kind::kBytes)) || dtype.size > kMostDTypeName) {
    return reader.fault("the dtype of an array is no short text");
  }
  HOLDALL_ASSIGN(array.dtype, reader.text(dtype));
  HOLDALL_ASSIGN(const MsgpackItem data, next());
  if (!data.is(Kind::kBytes) && !data.is(Kind::kText)) return reader.fault("the elements of an array are no bytes");
  HOLDALL_ASSIGN(array.data, reader.blob(data));
  if (!reader.at_end()) return reader.fault(text("{} bytes stand behind the elements of an array", reader.remaining()));
  return array;
}

bool is_time(std::string_view name) { return name.starts_with("datetime64") || name.starts_with("timedelta64"); }

// Empty: no dtype here holds such elements.
Result<std::optional<Tensor>> tensor_of(const Array& array) {
  const auto dtype = is_time(array.dtype) ? std::optional(DType::kInt64) : dtype_of(array.dtype);
  if (!dtype) return std::optional<Tensor>();
  if (info(*dtype).block_elements == 1) {
    HOLDALL_ASSIGN(Tensor tensor, Tensor::dense(*dtype, array.shape, array.data));
    return std::optional(is_time(array.dtype) ? tensor.with_logical(array.dtype) : std::move(tensor));
  }
  HOLDALL_ASSIGN(const std::uint64_t elements, element_count(array.shape));
  if (elements != array.data.size()) {
    return corrupt(text("{} elements of {} have {} bytes", elements, array.dtype, array.data.size())).in(array.data.name());
  }
  if (elements % info(*dtype).block_elements != 0) return std::optional<Tensor>();
  HOLDALL_ASSIGN(Tensor tensor, Tensor::dense(*dtype, array.shape, Blob(packed_source(array.data, *dtype))));
  return std::optional(std::move(tensor));
}

// The value of a scalar of one of NumPy's own types; kNoNode for others.
Result<NodeId> plain_value(Arena& arena, const Tensor& tensor) {
  const DType dtype = tensor.dtype();
  if (dtype == DType::kBFloat16 || !tensor.logical().empty() || dtype_of(name(dtype)) != dtype) return kNoNode;
  HOLDALL_ASSIGN(const Bytes bytes, tensor.read_bytes());
  if (dtype == DType::kBool) return arena.boolean(bytes.data()[0] != std::byte{0});
  double real[2] = {};
  switch (number_kind(dtype)) {
    case NumberKind::kInteger: {
      std::int64_t value = 0;
      load_integers(dtype, bytes.data(), 0, std::span(&value, 1));
      if (dtype == DType::kUInt64) return arena.big_integer(std::to_string(static_cast<std::uint64_t>(value)));
      return arena.integer(value);
    }
    case NumberKind::kReal:
      if (name(dtype).starts_with("float8")) return kNoNode;
      load_reals(dtype, bytes.data(), 0, std::span(real, 1));
      return arena.real(real[0]);
    case NumberKind::kComplex:
      load_reals(complex_part(dtype), bytes.data(), 0, std::span(real, 2));
      return arena.complex({real[0], real[1]});
    case NumberKind::kNone:
      break;
  }
  return kNoNode;
}

NodeId call(Arena& arena, std::string_view module, std::string_view name, std::initializer_list<NodeId> args) {
  ObjectParts parts;
  parts.callee = arena.global(module, name);
  parts.args = arena.tuple(args);
  return arena.object(std::move(parts));
}

// The values of {"0": a, "1": b, …}; empty for anything else.
std::optional<std::vector<Value>> numbered(Value dict) {
  if (!dict.is(ValueKind::kDict)) return std::nullopt;
  std::vector<Value> items;
  for (std::size_t i = 0; i < dict.size(); ++i) {
    items.push_back(dict.find(std::to_string(i)));
    if (!items.back()) return std::nullopt;
  }
  return items;
}

}  // namespace

std::optional<DType> dtype_of(std::string_view numpy_name) noexcept {
  for (const Renamed& row : kRenamed)
    if (row.numpy == numpy_name) return row.dtype;
  const auto dtype = dtype_named(numpy_name);
  return dtype && is_shared_name(*dtype) ? dtype : std::nullopt;
}

std::string_view numpy_name(DType dtype) noexcept {
  for (const Renamed& row : kRenamed)
    if (row.dtype == dtype) return row.numpy;
  return is_shared_name(dtype) ? name(dtype) : std::string_view();
}

Result<NodeId> Tree::add(Tensor tensor) {
  tensors_.push_back(tensor);
  const std::uint32_t index = builder_.add(std::move(tensor), file_);
  if (tensors_.size() == 1) first_ = index;
  if (index >= limits_.tensors) return over_limit(text("more arrays than the {} allowed", limits_.tensors));
  return builder_.arena->tensor({.index = index});
}

Result<NodeId> Tree::array(MsgpackReader reader, bool is_scalar) {
  Arena& arena = *builder_.arena;
  HOLDALL_ASSIGN(const Array array, parts_of(reader));
  HOLDALL_ASSIGN(auto tensor, tensor_of(array));
  if (!tensor) {
    const NodeId shape = arena.tuple();
    for (const std::uint64_t size : array.shape) arena.append(shape, arena.big_integer(std::to_string(size)));
    builder_.warnings.push_back(text("an array of {} stays an object: no dtype here holds it", array.dtype));
    return call(arena, "numpy", "ndarray", {shape, arena.string(array.dtype), arena.bytes(array.data)});
  }
  if (is_scalar && tensor->shape().empty()) {
    HOLDALL_ASSIGN(const NodeId value, plain_value(arena, *tensor));
    if (value != kNoNode) return call(arena, "numpy", tensor->dtype() == DType::kBool ? "bool_" : array.dtype, {value});
  }
  return add(*std::move(tensor));
}

Result<NodeId> Tree::extension(const MsgpackReader& reader, const MsgpackItem& item) {
  Arena& arena = *builder_.arena;
  if (item.extension == kArray || item.extension == kScalar) {
    HOLDALL_ASSIGN(MsgpackReader inner, reader.within(item));
    auto made = array(std::move(inner), item.extension == kScalar);
    if (!made) return std::move(made).error().at(item.at).in(file_.str());
    return made;
  }
  if (item.extension == kComplex) {
    HOLDALL_ASSIGN(MsgpackReader inner, reader.within(item));
    HOLDALL_ASSIGN(const NodeId node, read_msgpack(arena, inner, {.limits = limits_}));
    const Value pair = arena.at(node);
    const auto number = [](Value part) {
      return part.is(ValueKind::kFloat) ? part.as_float() : static_cast<double>(part.as_int());
    };
    const auto is_number = [](Value part) { return part.is(ValueKind::kFloat) || part.is(ValueKind::kInt); };
    if (!pair.is(ValueKind::kList) || pair.size() != 2 || !is_number(pair.item(0)) || !is_number(pair.item(1)) ||
        !inner.at_end()) {
      return corrupt("a complex number is no pair of numbers").at(item.at).in(file_.str());
    }
    return arena.complex({number(pair.item(0)), number(pair.item(1))});
  }
  HOLDALL_ASSIGN(Blob bytes, reader.blob(item));
  return call(arena, "msgpack", "ExtType", {arena.integer(item.extension), arena.bytes(std::move(bytes))});
}

Status Tree::join(Value chunked) {
  const auto fault = [&](std::string_view what) { return corrupt(text("a chunked array {}", what)).in(file_.str()); };
  const auto sizes = numbered(chunked.find("shape"));
  const auto chunks = numbered(chunked.find("chunks"));
  if (!sizes || !chunks || chunks->empty()) return fault("has no numbered 'shape' and 'chunks'");
  Shape shape;
  for (const Value size : *sizes) {
    if (!size.is(ValueKind::kInt) || size.as_int() < 0) return fault("has a shape that holds what is no size");
    shape.push_back(static_cast<std::uint64_t>(size.as_int()));
  }
  std::vector<Blob> pieces;
  std::optional<DType> dtype;
  std::string logical;
  for (const Value chunk : *chunks) {
    if (!chunk.is(ValueKind::kTensor)) return fault("has a chunk that is no array");
    const Tensor& piece = tensors_[chunk.as_tensor().index - first_];
    if (piece.shape().size() != 1) return fault("has a chunk that is not flat");
    if (dtype && (*dtype != piece.dtype() || logical != piece.logical())) return fault("has chunks of several dtypes");
    dtype = piece.dtype();
    logical = piece.logical();
    HOLDALL_ASSIGN(Blob data, piece.data());
    pieces.push_back(std::move(data));
  }
  HOLDALL_ASSIGN(Tensor whole, Tensor::dense(*dtype, std::move(shape), Blob(joined_source(std::move(pieces), file_.str()))));
  if (!logical.empty()) whole = whole.with_logical(logical);
  HOLDALL_ASSIGN(const NodeId node, add(std::move(whole)));
  builder_.arena->replace(chunked.id(), node);
  return {};
}

Status Tree::join_chunks(NodeId first) {
  const Arena& arena = *builder_.arena;
  const auto end = static_cast<NodeId>(arena.size());
  for (NodeId id = first; id < end; ++id)
    if (arena.at(id).find(kChunkedMark)) HOLDALL_TRY(join(arena.at(id)));
  return {};
}

Result<NodeId> Tree::read(const SourceRef& source, const std::string& file) {
  file_ = file;
  tensors_.clear();
  const auto first = static_cast<NodeId>(builder_.arena->size());
  MsgpackReader reader((Blob(source)));
  MsgpackOptions options;
  options.limits = limits_;
  options.extension = [this](const MsgpackReader& of, const MsgpackItem& item) { return extension(of, item); };
  HOLDALL_ASSIGN(const NodeId root, read_msgpack(*builder_.arena, reader, options));
  if (!reader.at_end()) return reader.fault(text("{} bytes stand behind the end", reader.remaining()));
  HOLDALL_TRY(join_chunks(first));
  return root;
}

}  // namespace holdall::flax
