#include "holdall/objects/numpy_objects.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/codec/npy_dtype.h"

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

}  // namespace

Result<std::string> numpy_typestr_of(const Tensor& tensor) {
  if (tensor.dtype() != DType::kString || !tensor.logical().empty()) return npy_typestr(tensor.dtype(), tensor.logical());
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

Result<Blob> numpy_elements(const Tensor& tensor, std::string_view typestr, std::uint64_t most) {
  if (tensor.dtype() == DType::kString) return padded_strings(tensor, typestr, most);
  return tensor.data();
}

Result<NodeId> numpy_object(Arena& arena, const Tensor& tensor, std::uint64_t most) {
  HOLDALL_ASSIGN(const std::string typestr, numpy_typestr_of(tensor));
  HOLDALL_ASSIGN(Blob data, numpy_elements(tensor, typestr, most));
  const NodeId dtype = call(arena, "numpy", "dtype", {arena.string(typestr), arena.boolean(false), arena.boolean(true)});
  std::vector<NodeId> sizes;
  for (const std::uint64_t size : tensor.shape()) sizes.push_back(arena.integer(static_cast<std::int64_t>(size)));
  const NodeId array = call(arena, "numpy.core.multiarray", "_reconstruct",
                            {arena.global("numpy", "ndarray"), arena.tuple({arena.integer(0)}), arena.bytes("b")});
  const NodeId state =
      arena.tuple({arena.integer(1), arena.tuple(std::move(sizes)), dtype, arena.boolean(false), arena.bytes(std::move(data))});
  arena.object_parts(array).state = state;
  return array;
}

}  // namespace holdall
