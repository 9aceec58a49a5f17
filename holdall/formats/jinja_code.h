// The code in a Jinja template, as its tokens: what stands between `{{ }}` and between `{% %}`.
//
// Thread-safety and ownership: pure; tokens own their texts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace holdall {

struct JinjaToken {
  enum class Kind : std::uint8_t { kName, kText, kNumber, kMark } kind = Kind::kMark;
  std::string value;  // of a text without quotes, its escapes undone; a mark is one character

  bool is_mark(char mark) const noexcept { return kind == Kind::kMark && value.front() == mark; }
  bool is_name(std::string_view name) const noexcept { return kind == Kind::kName && value == name; }
  bool is_text() const noexcept { return kind == Kind::kText; }
};

struct JinjaCode {
  bool is_statement = false;
  std::vector<JinjaToken> tokens;
};

// Split as jinja2/lexer.py does: a closing delimiter within a text or within brackets is none, texts side by side are one,
// comments and `{% raw %}` blocks hold no code. What is not closed, which Jinja refuses, is taken to its end.
std::vector<JinjaCode> jinja_code(std::string_view jinja);

}  // namespace holdall
