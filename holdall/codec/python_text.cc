#include "holdall/codec/python_text.h"

#include <algorithm>
#include <cstddef>

#include "holdall/base/among.h"

namespace holdall {
namespace {

// Words that stand before a bracket and call nothing.
constexpr std::string_view kBeforeBrackets[] = {"and", "assert", "elif",  "else",   "except", "if",   "in",   "is",
                                                "not", "or",     "raise", "return", "while",  "with", "yield"};
// Words that act by themselves.
constexpr std::string_view kActing[] = {"await", "class", "def", "del", "for", "from", "import", "lambda"};

bool is_word(char c) noexcept {
  const auto byte = static_cast<unsigned char>(c);
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || byte >= 0x80;
}

bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\f' || c == '\r' || c == '\n' || c == '\\'; }

// Tokens of Python: what follows what.
class Words {
 public:
  explicit Words(std::string_view text) : text_(text) {}

  std::optional<std::string_view> acting() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (is_space(c)) {
        ++at_;
      } else if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == '"' || c == '\'') {
        const std::size_t begin = prefix_.empty() ? at_ : before_text_;
        if (is_made_of_expressions()) return text_.substr(begin, 20);
        skip_text(c);
        end_operand(begin);
      } else if (is_word(c)) {
        if (auto acts = word()) return acts;
      } else if (c == '(' && is_operand_) {
        return text_.substr(operand_, last_ - operand_);
      } else if (c == '@' || text_.substr(at_, 2) == ":=") {
        return text_.substr(at_, 20);
      } else {
        mark(c);
      }
    }
    return std::nullopt;
  }

 private:
  // A word, or the letters before a text.
  std::optional<std::string_view> word() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    const std::string_view said = text_.substr(begin, at_ - begin);
    const bool is_prefix = at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\'') && said.size() <= 2;
    before_text_ = begin;
    prefix_ = is_prefix ? said : std::string_view();
    if (is_prefix) return std::nullopt;
    const bool is_attribute = begin > 0 && text_[begin - 1] == '.';
    if (!is_attribute && is_among(kActing, said)) return said;
    if (!is_attribute && is_among(kBeforeBrackets, said)) {
      is_operand_ = false;
    } else {
      end_operand(is_attribute && is_dotted_ ? operand_ : begin);
    }
    return std::nullopt;
  }

  void mark(char c) {
    is_dotted_ = c == '.' && is_operand_;
    if (c == ')' || c == ']' || c == '}') {
      ++at_;
      return end_operand(at_ - 1);
    }
    if (c != '.') is_operand_ = false;
    ++at_;
  }

  void end_operand(std::size_t begin) {
    operand_ = begin;
    last_ = at_;
    is_operand_ = true;
    prefix_ = {};
    before_text_ = at_;
  }

  bool is_made_of_expressions() const { return prefix_.find_first_of("fFtT") != prefix_.npos; }

  // Past a text, which ends as it begins; a backslash keeps what follows it.
  void skip_text(char quote) {
    const bool is_long = text_.substr(at_, 3) == std::string_view(quote == '"' ? "\"\"\"" : "'''");
    const std::string_view end = text_.substr(at_, is_long ? 3 : 1);
    for (at_ += end.size(); at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\') {
        ++at_;
      } else if (text_.substr(at_).starts_with(end)) {
        at_ += end.size();
        return;
      } else if (!is_long && text_[at_] == '\n') {
        return;  // a fault, behind which the next line is looked at
      }
    }
    at_ = text_.size();
  }

  std::string_view text_, prefix_;
  std::size_t at_ = 0, before_text_ = 0, operand_ = 0, last_ = 0;
  bool is_operand_ = false, is_dotted_ = false;
};

}  // namespace

std::optional<std::string_view> acting_in_python(std::string_view text) { return Words(text).acting(); }

std::optional<std::string_view> single_call(std::string_view text) {
  const std::size_t open = text.find('('), close = text.rfind(')');
  if (open == text.npos || close == text.npos || text.find_last_not_of(" \t\n") != close) return std::nullopt;
  const std::string_view name = text.substr(0, open), arguments = text.substr(open + 1, close - open - 1);
  for (const char c : name)
    if (!is_word(c) && c != '.') return std::nullopt;
  if (name.empty() || arguments.find_first_of("()") != arguments.npos || acting_in_python(arguments)) return std::nullopt;
  return name;
}

}  // namespace holdall
