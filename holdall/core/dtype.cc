#include "holdall/core/dtype.h"

#include <array>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"

namespace holdall {
namespace {

constexpr std::array kTable = {
#define HOLDALL_DTYPE(id, name, elements, bytes, kind) DTypeInfo{name, elements, bytes, DTypeKind::kind},
#include "holdall/core/dtypes.inc"
#undef HOLDALL_DTYPE
};
static_assert(kTable.size() == static_cast<std::size_t>(DType::kQ2_0) + 1);

}  // namespace

const DTypeInfo& info(DType dtype) noexcept { return kTable[static_cast<std::size_t>(dtype)]; }
std::string_view name(DType dtype) noexcept { return info(dtype).name; }
std::span<const DTypeInfo> all_dtypes() noexcept { return kTable; }

std::optional<DType> dtype_named(std::string_view name) noexcept {
  for (std::size_t i = 0; i < kTable.size(); ++i)
    if (kTable[i].name == name) return static_cast<DType>(i);
  return std::nullopt;
}

bool is_byte_sized(DType dtype) noexcept { return info(dtype).block_elements == 1 && info(dtype).block_bytes != 0; }

Result<std::uint64_t> element_count(std::span<const std::uint64_t> shape) {
  std::uint64_t count = 1;
  bool empty = false;
  for (const std::uint64_t size : shape) {
    if (size == 0) {
      empty = true;
      continue;
    }
    const auto product = checked_multiply(count, size);
    if (!product || *product > static_cast<std::uint64_t>(INT64_MAX)) {
      return corrupt(text("shape {} counts more elements than 63 bits hold", to_string(shape)));
    }
    count = *product;
  }
  return empty ? 0 : count;
}

Result<std::uint64_t> dense_bytes(DType dtype, std::span<const std::uint64_t> shape) {
  const DTypeInfo& row = info(dtype);
  if (row.block_bytes == 0) return unsupported(text("elements of dtype {} have no fixed size", row.name));
  HOLDALL_ASSIGN(const std::uint64_t count, element_count(shape));
  const std::uint64_t along = row.kind == DTypeKind::kBlock ? (shape.empty() ? 1 : shape.back()) : count;
  if (count != 0 && along % row.block_elements != 0) {
    return corrupt(text("{} elements of {} are not whole blocks of {}", along, row.name, row.block_elements));
  }
  const auto bytes = checked_multiply(count / row.block_elements, row.block_bytes);
  if (!bytes || *bytes > static_cast<std::uint64_t>(INT64_MAX)) {
    return corrupt(text("shape {} of {} takes more bytes than 63 bits hold", to_string(shape), row.name));
  }
  return *bytes;
}

std::string to_string(std::span<const std::uint64_t> shape) {
  std::string result = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) result += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return result + "]";
}

}  // namespace holdall
