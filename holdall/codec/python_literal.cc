#include "holdall/codec/python_literal.h"

#include <charconv>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/base/utf8.h"

namespace holdall {
namespace {

using Kind = PythonLiteral::Kind;
constexpr unsigned kDeepest = 64;

bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }
bool is_name(char letter) {
  return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || letter == '_' || is_digit(letter);
}

class Parser {
 public:
  explicit Parser(std::string_view source) : source_(source) {}

  Result<PythonLiteral> document() {
    HOLDALL_ASSIGN(PythonLiteral literal, value(0));
    skip_space();
    if (at_ != source_.size()) return fault("something stands behind the literal");
    return literal;
  }

 private:
  Error fault(std::string what) const { return corrupt(std::move(what)).at(at_); }
  char peek() const { return at_ < source_.size() ? source_[at_] : '\0'; }
  void skip_space() {
    while (at_ < source_.size() && std::string_view(" \t\n\r").find(source_[at_]) != std::string_view::npos) ++at_;
  }
  bool take(char wanted) {
    skip_space();
    if (peek() != wanted || at_ == source_.size()) return false;
    ++at_;
    return true;
  }

  Result<PythonLiteral> value(unsigned depth) {
    if (depth > kDeepest) return over_limit(text("literals nested more than {} deep", kDeepest)).at(at_);
    skip_space();
    const std::size_t begin = at_;
    auto parsed = value_here(depth);
    if (parsed) parsed->offset = begin;
    return parsed;
  }

  Result<PythonLiteral> value_here(unsigned depth) {
    const char first = peek();
    if (first == '(') return items('(', ')', Kind::kTuple, depth);
    if (first == '[') return items('[', ']', Kind::kList, depth);
    if (first == '{') return dict(depth);
    if (first == '\'' || first == '"') return quoted();
    if (first == 'u' && at_ + 1 < source_.size() && (source_[at_ + 1] == '\'' || source_[at_ + 1] == '"')) {
      ++at_;
      return quoted();
    }
    if (is_digit(first) || first == '-') return integer();
    for (const auto& [word, kind, number] :
         {std::tuple(std::string_view("True"), Kind::kBool, 1), {"False", Kind::kBool, 0}, {"None", Kind::kNone, 0}}) {
      if (!source_.substr(at_).starts_with(word)) continue;
      at_ += word.size();
      if (is_name(peek())) break;
      PythonLiteral literal;
      literal.kind = kind;
      literal.integer = number;
      return literal;
    }
    return fault("no literal begins here");
  }

  Result<PythonLiteral> items(char open, char close, Kind kind, unsigned depth) {
    take(open);
    PythonLiteral literal;
    literal.kind = kind;
    bool comma = true;
    while (!take(close)) {
      if (!comma) return fault(text("'{}' or ',' is missing", close));
      HOLDALL_ASSIGN(PythonLiteral item, value(depth + 1));
      literal.items.push_back(std::move(item));
      comma = take(',');
    }
    // (1) is no tuple but a number in parentheses.
    if (kind == Kind::kTuple && literal.items.size() == 1 && !comma) return std::move(literal.items.front());
    return literal;
  }

  Result<PythonLiteral> dict(unsigned depth) {
    take('{');
    PythonLiteral literal;
    literal.kind = Kind::kDict;
    bool comma = true;
    while (!take('}')) {
      if (!comma) return fault("'}' or ',' is missing");
      HOLDALL_ASSIGN(PythonLiteral key, value(depth + 1));
      if (!key.is(Kind::kText)) return fault("a dict's key is no text");
      for (std::size_t i = 0; i < literal.items.size(); i += 2)
        if (literal.items[i].text == key.text) return fault(text("the key '{}' stands there twice", key.text));
      if (!take(':')) return fault("':' is missing");
      HOLDALL_ASSIGN(PythonLiteral mapped, value(depth + 1));
      literal.items.push_back(std::move(key));
      literal.items.push_back(std::move(mapped));
      comma = take(',');
    }
    return literal;
  }

  Result<PythonLiteral> integer() {
    PythonLiteral literal;
    literal.kind = Kind::kInt;
    const char* begin = source_.data() + at_;
    const auto [end, error] = std::from_chars(begin, source_.data() + source_.size(), literal.integer);
    if (error != std::errc()) return fault("this is no integer of 64 bits");
    const std::string_view digits(begin, static_cast<std::size_t>(end - begin));
    const std::string_view magnitude = digits.substr(digits.front() == '-' ? 1 : 0);
    if (magnitude.size() > 1 && magnitude.front() == '0') return fault("an integer begins with 0");
    at_ += digits.size();
    if (peek() == 'L') ++at_;
    if (is_name(peek()) || peek() == '.') return fault("this is no integer");
    return literal;
  }

  Result<PythonLiteral> quoted() {
    const char quote = source_[at_++];
    PythonLiteral literal;
    literal.kind = Kind::kText;
    while (at_ < source_.size() && source_[at_] != quote) {
      if (source_[at_] == '\n') return fault("a text is not closed");
      if (source_[at_] == '\\') {
        HOLDALL_TRY(escape(literal.text));
      } else {
        literal.text += source_[at_++];
      }
    }
    if (at_ == source_.size()) return fault("a text is not closed");
    ++at_;
    return literal;
  }

  Status escape(std::string& text) {
    ++at_;
    const char letter = peek();
    constexpr std::string_view kLetters = "\\'\"nrtabfv", kMeant = "\\'\"\n\r\t\a\b\f\v";
    if (const std::size_t i = kLetters.find(letter); letter != '\0' && i != std::string_view::npos) {
      text += kMeant[i];
      ++at_;
      return {};
    }
    const std::size_t digits = letter == 'x' ? 2 : letter == 'u' ? 4 : letter == 'U' ? 8 : 0;
    if (digits == 0 || source_.size() - at_ <= digits) return fault("this escape is not known");
    std::uint32_t point = 0;
    const char* begin = source_.data() + at_ + 1;
    const auto [end, error] = std::from_chars(begin, begin + digits, point, 16);
    if (error != std::errc() || end != begin + digits) return fault("this escape is not hexadecimal");
    if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return fault("this escape is no character");
    append_utf8(text, point);
    at_ += 1 + digits;
    return {};
  }

  std::string_view source_;
  std::size_t at_ = 0;
};

std::string repr_of(std::string_view value) {
  const bool double_quotes = value.find('\'') != std::string_view::npos && value.find('"') == std::string_view::npos;
  const char quote = double_quotes ? '"' : '\'';
  std::string out(1, quote);
  for (const char letter : value) {
    const auto code = static_cast<unsigned char>(letter);
    if (letter == quote || letter == '\\') {
      out += '\\';
      out += letter;
    } else if (letter == '\n' || letter == '\r' || letter == '\t') {
      out += '\\';
      out += letter == '\n' ? 'n' : letter == '\r' ? 'r' : 't';
    } else if (code < 0x20 || code == 0x7f) {
      out += text("\\x{:02x}", code);
    } else {
      out += letter;
    }
  }
  return out + quote;
}

}  // namespace

Result<PythonLiteral> parse_python_literal(std::string_view source) { return Parser(source).document(); }

std::string to_python(const PythonLiteral& literal) {
  const auto joined = [&](char open, char close) {
    std::string out(1, open);
    for (std::size_t i = 0; i < literal.items.size(); ++i) out += (i == 0 ? "" : ", ") + to_python(literal.items[i]);
    if (literal.is(Kind::kTuple) && literal.items.size() == 1) out += ',';
    return out + close;
  };
  switch (literal.kind) {
    case Kind::kText:
      return repr_of(literal.text);
    case Kind::kInt:
      return std::to_string(literal.integer);
    case Kind::kBool:
      return literal.integer != 0 ? "True" : "False";
    case Kind::kTuple:
      return joined('(', ')');
    case Kind::kList:
      return joined('[', ']');
    case Kind::kNone:
      break;
    case Kind::kDict: {
      std::string out = "{";
      for (std::size_t i = 0; i < literal.items.size(); i += 2) {
        out += (i == 0 ? "" : ", ") + to_python(literal.items[i]) + ": " + to_python(literal.items[i + 1]);
      }
      return out + "}";
    }
  }
  return "None";
}

}  // namespace holdall
