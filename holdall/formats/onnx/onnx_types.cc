#include "holdall/formats/onnx/onnx_types.h"

#include <algorithm>
#include <iterator>

#include "holdall/base/text.h"

namespace holdall::onnx {
namespace {

constexpr ElementType kTypes[] = {
#define HOLDALL_ONNX_TYPE(number, name, dtype, field) {number, name, DType::dtype, field},
#include "holdall/formats/onnx/onnx_types.inc"
#undef HOLDALL_ONNX_TYPE
};

}  // namespace

const ElementType* element_type(std::uint64_t number) noexcept {
  const auto found =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](const ElementType& each) { return each.number == number; });
  return found == std::end(kTypes) ? nullptr : &*found;
}

std::string element_type_name(std::uint64_t number) {
  const ElementType* const type = element_type(number);
  return type == nullptr ? text("data type {}", number) : std::string(name(type->dtype));
}

unsigned bits_of(DType dtype) noexcept { return 8 * info(dtype).block_bytes / info(dtype).block_elements; }

}  // namespace holdall::onnx
