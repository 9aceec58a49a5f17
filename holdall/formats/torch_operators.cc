#include "holdall/formats/torch_operators.h"

namespace holdall {

FileUse file_use(std::string_view op) noexcept {
  constexpr auto kReads = FileUse::kReads;
  constexpr auto kWrites = FileUse::kWrites;
#define HOLDALL_TORCH_OP(name, use) \
  if (op == (name)) return use;
#define HOLDALL_TORCH_UNCHECKED(name)
#define HOLDALL_TORCH_LIBRARY(name)
#include "holdall/formats/torch_operators.inc"
#undef HOLDALL_TORCH_OP
#undef HOLDALL_TORCH_UNCHECKED
#undef HOLDALL_TORCH_LIBRARY
  return FileUse::kNone;
}

bool is_unchecked(std::string_view op) noexcept {
#define HOLDALL_TORCH_OP(name, use)
#define HOLDALL_TORCH_UNCHECKED(name) \
  if (op == (name)) return true;
#define HOLDALL_TORCH_LIBRARY(name)
#include "holdall/formats/torch_operators.inc"
#undef HOLDALL_TORCH_OP
#undef HOLDALL_TORCH_UNCHECKED
#undef HOLDALL_TORCH_LIBRARY
  return false;
}

bool is_torch_library(std::string_view name) noexcept {
#define HOLDALL_TORCH_OP(op, use)
#define HOLDALL_TORCH_UNCHECKED(op)
#define HOLDALL_TORCH_LIBRARY(own) \
  if (name == (own)) return true;
#include "holdall/formats/torch_operators.inc"
#undef HOLDALL_TORCH_OP
#undef HOLDALL_TORCH_UNCHECKED
#undef HOLDALL_TORCH_LIBRARY
  return false;
}

}  // namespace holdall
