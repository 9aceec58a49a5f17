#include "holdall/formats/chat_template.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "holdall/base/printable.h"
#include "holdall/base/text.h"

namespace holdall {
namespace {

struct Token {
  enum class Kind : std::uint8_t { kName, kText, kMark, kEnd } kind = Kind::kEnd;
  std::string value;  // of a text without quotes, its escapes undone
};

bool is_name_start(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_internal(std::string_view name) noexcept {
  return name.size() > 4 && name.starts_with("__") && name.ends_with("__") && name.find_first_of(" \t\r\n<>|") == name.npos;
}

int hex_digit(char c) noexcept {
  if (is_digit(c)) return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The tokens of what stands between one pair of delimiters.
class Tokens {
 public:
  explicit Tokens(std::string_view code) : code_(code) {}

  std::vector<Token> all() {
    std::vector<Token> tokens;
    while (at_ < code_.size()) {
      const char c = code_[at_];
      if (is_name_start(c)) {
        tokens.push_back({Token::Kind::kName, name()});
      } else if (c == '\'' || c == '"') {
        tokens.push_back({Token::Kind::kText, quoted()});
      } else {
        if (c != ' ' && c != '\t' && c != '\r' && c != '\n') tokens.push_back({Token::Kind::kMark, std::string(1, c)});
        ++at_;
      }
    }
    return tokens;
  }

 private:
  std::string name() {
    const std::size_t begin = at_;
    while (at_ < code_.size() && (is_name_start(code_[at_]) || is_digit(code_[at_]))) ++at_;
    return std::string(code_.substr(begin, at_ - begin));
  }

  // Escapes as Python's: those of one character by number alone matter here.
  std::string quoted() {
    const char quote = code_[at_++];
    std::string value;
    while (at_ < code_.size() && code_[at_] != quote) {
      if (code_[at_] == '\\' && at_ + 1 < code_.size()) {
        escape(value);
      } else {
        value += code_[at_++];
      }
    }
    ++at_;
    return value;
  }

  void escape(std::string& value) {
    const char kind = code_[at_ + 1];
    const std::size_t digits = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
    std::uint32_t number = 0;
    at_ += 2;
    if (digits != 0) {
      for (std::size_t i = 0; i < digits && at_ < code_.size() && hex_digit(code_[at_]) >= 0; ++i)
        number = number * 16 + static_cast<std::uint32_t>(hex_digit(code_[at_++]));
    } else if (kind >= '0' && kind <= '7') {
      number = static_cast<std::uint32_t>(kind - '0');
      for (int i = 0; i < 2 && at_ < code_.size() && code_[at_] >= '0' && code_[at_] <= '7'; ++i)
        number = number * 8 + static_cast<std::uint32_t>(code_[at_++] - '0');
    } else {
      number = static_cast<std::uint8_t>(kind);
    }
    value += number < 128 ? static_cast<char>(number) : '?';
  }

  std::string_view code_;
  std::size_t at_ = 0;
};

class Judge {
 public:
  Judge(std::string_view where, Findings& findings) : where_(where), findings_(findings) {}

  void judge(std::string_view code, bool is_statement) {
    const std::vector<Token> tokens = Tokens(code).all();
    if (is_statement) judge_statement(tokens);
    std::vector<bool> subscripts;  // for each open bracket, whether it names an item
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const Token& token = tokens[i];
      if (token.kind != Token::Kind::kMark && is_internal(token.value)) {
        add(Verdict::kMalicious, text("the template reaches for '{}'", printable(token.value)));
      }
      if (is_mark(token, '[')) {
        const bool names =
            i > 0 && (tokens[i - 1].kind == Token::Kind::kName || is_mark(tokens[i - 1], ']') || is_mark(tokens[i - 1], ')'));
        subscripts.push_back(names);
      } else if (is_mark(token, ']') && !subscripts.empty()) {
        subscripts.pop_back();
      } else if (is_mark(token, '~') && !subscripts.empty() && subscripts.back()) {
        add(Verdict::kCode, "the template computes the name of an item");
      } else if (token.kind == Token::Kind::kName && token.value == "attr" && i > 0 && is_mark(tokens[i - 1], '|')) {
        judge_attribute(tokens, i + 1);
      }
    }
  }

 private:
  static bool is_mark(const Token& token, char mark) { return token.kind == Token::Kind::kMark && token.value.front() == mark; }

  // `|attr("name")` says which attribute; anything else in the brackets computes it.
  void judge_attribute(const std::vector<Token>& tokens, std::size_t at) {
    const bool is_plain = at + 2 < tokens.size() && is_mark(tokens[at], '(') && tokens[at + 1].kind == Token::Kind::kText &&
                          is_mark(tokens[at + 2], ')');
    if (!is_plain) add(Verdict::kCode, "the template computes the name of an attribute");
  }

  void judge_statement(const std::vector<Token>& tokens) {
    constexpr std::array<std::string_view, 4> kLoading = {"include", "import", "from", "extends"};
    const auto first = std::find_if(tokens.begin(), tokens.end(), [](const Token& t) { return t.kind == Token::Kind::kName; });
    if (first != tokens.end() && std::find(kLoading.begin(), kLoading.end(), first->value) != kLoading.end()) {
      add(Verdict::kCode, text("the template loads another one ({})", first->value));
    }
  }

  // Each kind of thing once: a template may be made of nothing else.
  void add(Verdict severity, std::string what) {
    const bool known = std::any_of(findings_.begin(), findings_.end(),
                                   [&](const Finding& finding) { return finding.where == where_ && finding.what == what; });
    if (!known && added_ < kMost) {
      findings_.push_back({severity, Rule::kChatTemplate, std::string(where_), std::move(what)});
      ++added_;
    }
  }

  static constexpr int kMost = 20;
  std::string_view where_;
  Findings& findings_;
  int added_ = 0;
};

}  // namespace

void judge_chat_template(std::string_view jinja, std::string_view where, Findings& findings) {
  Judge judge(where, findings);
  std::size_t at = 0;
  while (at < jinja.size()) {
    const std::size_t open = jinja.find('{', at);
    if (open == std::string_view::npos || open + 1 >= jinja.size()) return;
    const char kind = jinja[open + 1];
    if (kind != '{' && kind != '%' && kind != '#') {
      at = open + 1;
      continue;
    }
    const std::string_view closing = kind == '{' ? "}}" : kind == '%' ? "%}" : "#}";
    const std::size_t close = std::min(jinja.find(closing, open + 2), jinja.size());
    // What is not closed is looked at to its end.
    if (kind != '#') judge.judge(jinja.substr(open + 2, close - open - 2), kind == '%');
    at = close + 2;
  }
}

}  // namespace holdall
