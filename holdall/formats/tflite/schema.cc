#include "holdall/formats/tflite/schema.h"

#include <iterator>

#include "holdall/base/text.h"

namespace holdall::tflite {
namespace {

constexpr TensorType kTypes[] = {
#define HOLDALL_TFLITE_TYPE(number, name, dtype) {number, name, DType::dtype},
#include "holdall/formats/tflite/tensor_types.inc"
#undef HOLDALL_TFLITE_TYPE
};

constexpr std::string_view kOperators[] = {
#define HOLDALL_TFLITE_OPERATOR(name) #name,
#include "holdall/formats/tflite/builtin_operators.inc"
#undef HOLDALL_TFLITE_OPERATOR
};

}  // namespace

const TensorType* tensor_type(std::uint8_t number) noexcept { return number < std::size(kTypes) ? &kTypes[number] : nullptr; }

std::string operator_name(std::int32_t builtin) {
  if (builtin >= 0 && static_cast<std::size_t>(builtin) < std::size(kOperators)) return std::string(kOperators[builtin]);
  return text("BUILTIN {}", builtin);
}

}  // namespace holdall::tflite
