// Operators of torch that use files or any memory, and the libraries of operators that torch brings along: torch_operators.inc
// is the one table.
//
// Thread-safety: pure functions over a constant table.
#pragma once

#include <cstdint>
#include <string_view>

namespace holdall {

enum class FileUse : std::uint8_t { kNone, kReads, kWrites };

// What an operator of aten does to files, by its name ("save").
FileUse file_use(std::string_view op) noexcept;

// Whether an operator of aten reaches any memory by its arguments ("_reshape_alias").
bool is_unchecked(std::string_view op) noexcept;
inline constexpr std::string_view kUnchecked = "which reads and writes memory that it is not given";

// Whether torch itself has the operators and classes of this namespace ("quantized").
bool is_torch_library(std::string_view name) noexcept;

}  // namespace holdall
