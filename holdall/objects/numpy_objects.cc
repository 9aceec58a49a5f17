#include "holdall/objects/numpy_objects.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/codec/npy.h"
#include "holdall/codec/python_literal.h"

namespace holdall {
namespace {

// Code points of UTF-8 text. Errors: corrupt.
Result<std::vector<std::uint32_t>> code_points(std::string_view data) {
  std::vector<std::uint32_t> points;
  for (std::size_t i = 0; i < data.size();) {
    const auto lead = static_cast<unsigned char>(data[i]);
    const std::size_t more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    if (data.size() - i <= more || (lead >= 0x80 && lead < 0xC0)) return corrupt("a string of a tensor is not UTF-8");
    std::uint32_t point = more == 0 ? lead : lead & (0x3Fu >> more);
    for (std::size_t j = 1; j <= more; ++j) point = (point << 6) | (static_cast<unsigned char>(data[i + j]) & 0x3Fu);
    points.push_back(point);
    i += more + 1;
  }
  return points;
}

// Calls `use` with every string of a string tensor's bytes: a little-endian uint64 length and that many bytes each.
template <class Use>
Status for_each_string(std::span<const std::byte> data, const Use& use) {
  for (std::size_t at = 0; at < data.size();) {
    if (data.size() - at < 8) return corrupt("the strings of a tensor are cut short");
    const auto size = load_le<std::uint64_t>(data.data() + at);
    if (size > data.size() - at - 8) return corrupt("the strings of a tensor are cut short");
    HOLDALL_TRY(use(as_text(data.subspan(at + 8, static_cast<std::size_t>(size)))));
    at += 8 + static_cast<std::size_t>(size);
  }
  return {};
}

Result<std::uint64_t> width_of(std::string_view typestr) {
  std::uint64_t width = 0;
  const std::string_view digits = typestr.substr(2);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), width);
  if (error != std::errc() || end != digits.data() + digits.size()) return internal(text("'{}' has no width", typestr));
  return width;
}

Result<Blob> padded_strings(const Tensor& tensor, std::string_view typestr, std::uint64_t most) {
  HOLDALL_ASSIGN(const std::uint64_t width, width_of(typestr));
  const bool wide = typestr[1] == 'U';
  const auto item = checked_multiply(width, wide ? 4 : 1);
  const auto total = item ? checked_multiply(*item, tensor.elements()) : std::nullopt;
  if (!total || *total > most) return over_limit(text("strings padded to {} characters pass {} bytes", width, most));
  HOLDALL_ASSIGN(const Bytes data, tensor.read_bytes());
  std::string out(static_cast<std::size_t>(*total), '\0');
  std::size_t at = 0;
  const Status done = for_each_string(data, [&](std::string_view element) -> Status {
    if (at + *item > out.size()) return corrupt("a tensor holds more strings than elements");
    if (wide) {
      HOLDALL_ASSIGN(const auto points, code_points(element));
      if (points.size() > width) return corrupt(text("a string of {} characters in a tensor of {}", points.size(), typestr));
      for (std::size_t i = 0; i < points.size(); ++i) store_le(out.data() + at + 4 * i, points[i]);
    } else {
      if (element.size() > width) return corrupt(text("a string of {} bytes in a tensor of {}", element.size(), typestr));
      std::copy(element.begin(), element.end(), out.begin() + static_cast<std::ptrdiff_t>(at));
    }
    at += static_cast<std::size_t>(*item);
    return {};
  });
  HOLDALL_TRY(done);
  return Blob::memory(Bytes::adopt(std::move(out)), "strings");
}

// A call of a global with arguments, as the pickle machine gives it.
NodeId call(Arena& arena, std::string_view module, std::string_view name, std::vector<NodeId> args) {
  ObjectParts parts;
  parts.callee = arena.global(module, name);
  parts.args = arena.tuple(std::move(args));
  return arena.object(std::move(parts));
}

NodeId size_node(Arena& arena, std::uint64_t size) { return arena.integer(static_cast<std::int64_t>(size)); }

NodeId plain_dtype(Arena& arena, std::string_view typestr) {
  return call(arena, "numpy", "dtype", {arena.string(typestr), arena.boolean(false), arena.boolean(true)});
}

// A type of void items and what they hold: either a subarray (type, shape) or names and fields. What arraydescr_reduce gives:
// numpy/_core/src/multiarray/descriptor.c.
NodeId void_dtype(Arena& arena, std::uint64_t bytes, NodeId subarray, NodeId names, NodeId fields) {
  constexpr std::int64_t kVersion = 3;
  constexpr std::int64_t kStructured = 16;  // NPY_NEEDS_PYAPI, which NumPy sets for every structured type
  const NodeId dtype = plain_dtype(arena, text("V{}", bytes));
  const NodeId flags = arena.integer(names == arena.null() ? 0 : kStructured);
  const NodeId state = arena.tuple(
      {arena.integer(kVersion), arena.string("|"), subarray, names, fields, size_node(arena, bytes), arena.integer(1), flags});
  arena.object_parts(dtype).state = state;
  return dtype;
}

struct Typed {
  NodeId dtype = kNoNode;
  std::uint64_t bytes = 0;
};

Result<Typed> dtype_of(Arena& arena, const PythonLiteral& descr);

// The type of one field, (name, type[, shape]).
Result<Typed> field_dtype(Arena& arena, const PythonLiteral& field) {
  HOLDALL_ASSIGN(const Typed base, dtype_of(arena, field.items[1]));
  if (field.items.size() == 2) return base;
  const PythonLiteral& shape = field.items[2];
  std::uint64_t bytes = base.bytes;
  std::vector<NodeId> sizes;
  for (const PythonLiteral& size : shape.is(PythonLiteral::Kind::kInt) ? std::vector{shape} : shape.items) {
    bytes *= static_cast<std::uint64_t>(size.integer);
    sizes.push_back(arena.integer(size.integer));
  }
  const NodeId subarray = arena.tuple({base.dtype, arena.tuple(std::move(sizes))});
  return Typed{void_dtype(arena, bytes, subarray, arena.null(), arena.null()), bytes};
}

// Precondition: parse_npy_descr() takes it, so sizes are in bounds. Nested no deeper than a literal may be.
Result<Typed> dtype_of(Arena& arena, const PythonLiteral& descr) {
  if (descr.is(PythonLiteral::Kind::kText)) {
    HOLDALL_ASSIGN(const NpyDType type, npy_dtype(descr.text));
    return Typed{plain_dtype(arena, descr.text), type.item_bytes};
  }
  std::vector<NodeId> names;
  const NodeId fields = arena.dict();
  std::uint64_t at = 0;
  for (const PythonLiteral& field : descr.items) {
    HOLDALL_ASSIGN(const Typed typed, field_dtype(arena, field));
    const bool has_title = field.items[0].is(PythonLiteral::Kind::kTuple);
    const std::string& name = has_title ? field.items[0].items[1].text : field.items[0].text;
    if (!name.empty()) {  // else a gap
      names.push_back(arena.string(name));
      std::vector<NodeId> parts = {typed.dtype, size_node(arena, at)};
      if (has_title) parts.push_back(arena.string(field.items[0].items[0].text));
      const NodeId place = arena.tuple(std::move(parts));
      arena.set_item(fields, names.back(), place);
      if (has_title) arena.set_item(fields, field.items[0].items[0].text, place);
    }
    at += typed.bytes;
  }
  return Typed{void_dtype(arena, at, arena.null(), arena.tuple(std::move(names)), fields), at};
}

// The width of strings that have none of their own: that of the longest.
Result<std::string> string_typestr(const Tensor& tensor) {
  HOLDALL_ASSIGN(const Bytes data, tensor.read_bytes());
  std::size_t width = 1;
  const Status done = for_each_string(data, [&](std::string_view element) -> Status {
    HOLDALL_ASSIGN(const auto points, code_points(element));
    width = std::max(width, points.size());
    return {};
  });
  HOLDALL_TRY(done);
  return text("<U{}", width);
}

Result<NodeId> record_dtype(Arena& arena, const Tensor& tensor) {
  const auto descr = parse_npy_descr(tensor.logical());
  const bool is_items = descr && !descr->has_objects && descr->type.form == NpyForm::kRecord &&
                        descr->type.item_bytes * tensor.elements() == tensor.bytes();
  if (!is_items) return unsupported(text("NumPy has no type for records of '{}'", tensor.logical()));
  HOLDALL_ASSIGN(const PythonLiteral literal, parse_python_literal(tensor.logical()));
  HOLDALL_ASSIGN(const Typed typed, dtype_of(arena, literal));
  return typed.dtype;
}

// The tensor whose row-major form is how this one lies in memory, where that is NumPy's Fortran order.
std::optional<Tensor> transposed(const Tensor& tensor) {
  if (tensor.shape().size() < 2 || tensor.dtype() == DType::kString || tensor.dtype() == DType::kRecord) return std::nullopt;
  if (tensor.is_dense() || tensor.elements() == 0) return std::nullopt;
  Tensor::View view = tensor.layout();
  view.strides = tensor.strides();
  std::reverse(view.strides.begin(), view.strides.end());
  std::vector<std::uint64_t> sizes(tensor.shape().begin(), tensor.shape().end());
  std::reverse(sizes.begin(), sizes.end());
  auto made = Tensor::view(tensor.dtype(), Shape(sizes.begin(), sizes.end()), tensor.storage(), std::move(view));
  if (!made || !made->is_dense()) return std::nullopt;
  return *std::move(made);
}

}  // namespace

bool is_numpy_array(Value tensor) {
  const NodeId attributes = tensor.as_tensor().attributes;
  if (attributes == kNoNode) return false;
  const Value said = tensor.of(attributes);
  return said.is(ValueKind::kDict) && said.size() == 1 && said.find("class").is_global("numpy", "ndarray");
}

bool is_fortran(const Tensor& tensor) { return transposed(tensor).has_value(); }

bool has_numpy_dtype(const Tensor& tensor) {
  if (tensor.dtype() == DType::kRecord) {
    Arena scratch;
    return static_cast<bool>(record_dtype(scratch, tensor));
  }
  return tensor.dtype() == DType::kString || npy_typestr(tensor.dtype(), tensor.logical());
}

Result<NumpyItems> numpy_items(Arena& arena, const Tensor& tensor, std::uint64_t most) {
  NumpyItems items;
  if (tensor.dtype() == DType::kRecord) {
    HOLDALL_ASSIGN(items.dtype, record_dtype(arena, tensor));
    HOLDALL_ASSIGN(items.data, tensor.data());
    return items;
  }
  const bool has_width = tensor.dtype() != DType::kString || !tensor.logical().empty();
  HOLDALL_ASSIGN(const std::string typestr, has_width ? npy_typestr(tensor.dtype(), tensor.logical()) : string_typestr(tensor));
  const auto turned = transposed(tensor);
  items.fortran = turned.has_value();
  HOLDALL_ASSIGN(items.data, tensor.dtype() == DType::kString ? padded_strings(tensor, typestr, most)
                             : turned                         ? turned->data()
                                                              : tensor.data());
  items.dtype = plain_dtype(arena, typestr);
  return items;
}

Result<NodeId> numpy_object(Arena& arena, const Tensor& tensor, std::uint64_t most) {
  HOLDALL_ASSIGN(NumpyItems items, numpy_items(arena, tensor, most));
  std::vector<NodeId> sizes;
  for (const std::uint64_t size : tensor.shape()) sizes.push_back(size_node(arena, size));
  const NodeId array = call(arena, "numpy.core.multiarray", "_reconstruct",
                            {arena.global("numpy", "ndarray"), arena.tuple({arena.integer(0)}), arena.bytes("b")});
  const NodeId state = arena.tuple({arena.integer(1), arena.tuple(std::move(sizes)), items.dtype, arena.boolean(items.fortran),
                                    arena.bytes(std::move(items.data))});
  arena.object_parts(array).state = state;
  return array;
}

}  // namespace holdall
