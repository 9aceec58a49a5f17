// Python literals as .npy headers hold them: texts, integers, True, False, None, tuples, lists and dicts with text keys.
// Nothing is evaluated; whatever is not such a literal is corrupt.
//
// Thread-safety: pure functions. Ownership: literals own their parts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/base/result.h"

namespace holdall {

struct PythonLiteral {
  enum class Kind : std::uint8_t { kText, kInt, kBool, kNone, kTuple, kList, kDict };
  Kind kind = Kind::kNone;
  std::string text;                  // kText, UTF-8
  std::int64_t integer = 0;          // kInt, kBool
  std::vector<PythonLiteral> items;  // of a dict: key, value, key, value
  std::size_t offset = 0;            // in the source

  bool is(Kind other) const noexcept { return kind == other; }
};

// Parses one literal and white space around it. Integers may have the L of Python 2, texts its u. Errors: corrupt with the
// offset in `source`, also for integers beyond 64 bits; limit for more than 64 levels.
Result<PythonLiteral> parse_python_literal(std::string_view source);

// The literal as Python's repr() writes it.
std::string to_python(const PythonLiteral& literal);

}  // namespace holdall
