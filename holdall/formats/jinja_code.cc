#include "holdall/formats/jinja_code.h"

#include <algorithm>
#include <utility>

namespace holdall {
namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_name_start(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool is_space(char c) noexcept { return c == ' ' || (c >= '\t' && c <= '\r'); }

int hex_digit(char c) noexcept {
  if (is_digit(c)) return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

class Lexer {
 public:
  explicit Lexer(std::string_view jinja) : jinja_(jinja) {}

  std::vector<JinjaCode> all() {
    std::vector<JinjaCode> codes;
    while (at_ < jinja_.size()) {
      const std::size_t open = jinja_.find('{', at_);
      if (open == std::string_view::npos || open + 1 >= jinja_.size()) break;
      const char kind = jinja_[open + 1];
      at_ = open + 1;
      if (kind == '#') {
        const std::size_t close = jinja_.find("#}", open + 2);
        at_ = close == std::string_view::npos ? jinja_.size() : close + 2;
      } else if (kind == '{' || kind == '%') {
        at_ = open + 2;
        JinjaCode code{kind == '%', tokens(kind == '%' ? '%' : '}')};
        if (code.is_statement && code.tokens.size() == 1 && code.tokens[0].is_name("raw")) skip_raw();
        codes.push_back(std::move(code));
      }
    }
    return codes;
  }

 private:
  // To behind the delimiter, which is `closing` and '}'.
  std::vector<JinjaToken> tokens(char closing) {
    std::vector<JinjaToken> found;
    std::size_t open = 0;  // brackets
    for (bool first = true; at_ < jinja_.size(); first = false) {
      const char c = jinja_[at_];
      const std::size_t control = (c == '-' || c == '+') && at_ + 1 < jinja_.size() ? 1 : 0;
      if (open == 0 && jinja_[at_ + control] == closing && jinja_.substr(at_ + control + 1).starts_with('}')) {
        at_ += control + 2;
        return found;
      }
      if (first && control == 1) {
        ++at_;
      } else if (is_space(c)) {
        ++at_;
      } else if (is_name_start(c) || is_digit(c)) {
        found.push_back(word());
      } else if (!((c == '\'' || c == '"') && quoted(found))) {
        if (c == '(' || c == '[' || c == '{') ++open;
        if ((c == ')' || c == ']' || c == '}') && open > 0) --open;
        found.push_back({JinjaToken::Kind::kMark, std::string(1, c)});
        ++at_;
      }
    }
    return found;
  }

  JinjaToken word() {
    const std::size_t begin = at_;
    while (at_ < jinja_.size() && (is_name_start(jinja_[at_]) || is_digit(jinja_[at_]))) ++at_;
    const std::string_view value = jinja_.substr(begin, at_ - begin);
    return {is_digit(value.front()) ? JinjaToken::Kind::kNumber : JinjaToken::Kind::kName, std::string(value)};
  }

  // False where the text has no end, and from then on: Jinja refuses the template, and nothing is searched twice.
  bool quoted(std::vector<JinjaToken>& found) {
    if (has_open_text_) return false;
    const char quote = jinja_[at_];
    std::size_t end = at_ + 1;
    while (end < jinja_.size() && jinja_[end] != quote) end += jinja_[end] == '\\' ? 2 : 1;
    has_open_text_ = end >= jinja_.size();
    if (has_open_text_) return false;
    std::string value = unescaped(jinja_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    if (!found.empty() && found.back().is_text()) {
      found.back().value += value;
    } else {
      found.push_back({JinjaToken::Kind::kText, std::move(value)});
    }
    return true;
  }

  // Escapes as Python's "unicode-escape"; only what is ASCII matters here.
  static std::string unescaped(std::string_view raw) {
    std::string value;
    for (std::size_t i = 0; i < raw.size();) {
      if (raw[i] != '\\' || i + 1 >= raw.size()) {
        value += raw[i++];
        continue;
      }
      const char kind = raw[i + 1];
      const std::size_t digits = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
      std::uint32_t number = static_cast<std::uint8_t>(kind);
      i += 2;
      if (digits != 0) {
        number = 0;
        for (std::size_t n = 0; n < digits && i < raw.size() && hex_digit(raw[i]) >= 0; ++n)
          number = number * 16 + static_cast<std::uint32_t>(hex_digit(raw[i++]));
      } else if (kind >= '0' && kind <= '7') {
        number = static_cast<std::uint32_t>(kind - '0');
        for (int n = 0; n < 2 && i < raw.size() && raw[i] >= '0' && raw[i] <= '7'; ++n)
          number = number * 8 + static_cast<std::uint32_t>(raw[i++] - '0');
      } else if (kind == 'N' && raw.substr(i).starts_with('{')) {
        const std::size_t close = std::min(raw.find('}', i), raw.size() - 1);
        number = raw.substr(i, close - i) == "{LOW LINE" ? '_' : '?';
        i = close + 1;
      } else if (kind == 'n' || kind == 't' || kind == 'r') {
        number = kind == 'n' ? '\n' : kind == 't' ? '\t' : '\r';
      } else if (kind == '\n') {
        continue;
      }
      value += number < 128 ? static_cast<char>(number) : '?';
    }
    return value;
  }

  // Behind `{% endraw %}`; where there is none, Jinja refuses the template, and what follows is looked at all the same.
  void skip_raw() {
    if (has_open_raw_) return;
    for (std::size_t open = jinja_.find("{%", at_); open != std::string_view::npos; open = jinja_.find("{%", open + 2)) {
      std::size_t at = open + 2;
      if (at < jinja_.size() && (jinja_[at] == '-' || jinja_[at] == '+')) ++at;
      while (at < jinja_.size() && is_space(jinja_[at])) ++at;
      if (!jinja_.substr(at).starts_with("endraw")) continue;
      at += 6;
      while (at < jinja_.size() && is_space(jinja_[at])) ++at;
      if (at < jinja_.size() && (jinja_[at] == '-' || jinja_[at] == '+')) ++at;
      if (!jinja_.substr(at).starts_with("%}")) continue;
      at_ = open;
      return;
    }
    has_open_raw_ = true;
  }

  std::string_view jinja_;
  std::size_t at_ = 0;
  bool has_open_text_ = false;
  bool has_open_raw_ = false;
};

}  // namespace

std::vector<JinjaCode> jinja_code(std::string_view jinja) { return Lexer(jinja).all(); }

}  // namespace holdall
