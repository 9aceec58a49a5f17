#include "holdall/formats/torch_export/expression.h"

#include <algorithm>
#include <array>

#include "holdall/base/text.h"

namespace holdall::torch_export {

namespace {

// torch/utils/_sympy/functions.py of torch 2.13, and what sympy prints of its own.
constexpr std::array<std::string_view, 72> kFunctions = {"FloorDiv",
                                                         "ModularIndexing",
                                                         "Where",
                                                         "PythonMod",
                                                         "Mod",
                                                         "CleanDiv",
                                                         "CeilToInt",
                                                         "FloorToInt",
                                                         "CeilDiv",
                                                         "LShift",
                                                         "RShift",
                                                         "PowByNatural",
                                                         "FloatPow",
                                                         "FloatTrueDiv",
                                                         "IntTrueDiv",
                                                         "IsNonOverlappingAndDenseIndicator",
                                                         "TruncToFloat",
                                                         "TruncToInt",
                                                         "RoundToInt",
                                                         "RoundDecimal",
                                                         "ToFloat",
                                                         "Identity",
                                                         "Max",
                                                         "Min",
                                                         "Abs",
                                                         "Pow",
                                                         "Eq",
                                                         "Ne",
                                                         "Lt",
                                                         "Le",
                                                         "Gt",
                                                         "Ge",
                                                         "And",
                                                         "Or",
                                                         "Not",
                                                         "Xor",
                                                         "Add",
                                                         "Mul",
                                                         "Integer",
                                                         "Float",
                                                         "Piecewise",
                                                         "floor",
                                                         "ceiling",
                                                         "sqrt",
                                                         "log",
                                                         "exp",
                                                         "sin",
                                                         "cos",
                                                         "tan",
                                                         "sinh",
                                                         "cosh",
                                                         "tanh",
                                                         "asin",
                                                         "acos",
                                                         "atan",
                                                         "BitwiseFn_bitwise_and",
                                                         "BitwiseFn_bitwise_or",
                                                         "BitwiseFn_bitwise_xor",
                                                         "OpaqueUnaryFn_sqrt",
                                                         "OpaqueUnaryFn_cos",
                                                         "OpaqueUnaryFn_cosh",
                                                         "OpaqueUnaryFn_sin",
                                                         "OpaqueUnaryFn_sinh",
                                                         "OpaqueUnaryFn_tan",
                                                         "OpaqueUnaryFn_tanh",
                                                         "OpaqueUnaryFn_asin",
                                                         "OpaqueUnaryFn_acos",
                                                         "OpaqueUnaryFn_atan",
                                                         "OpaqueUnaryFn_exp",
                                                         "OpaqueUnaryFn_log",
                                                         "Symbol",
                                                         "Rational"};
constexpr std::array<std::string_view, 9> kMembers = {"size",  "stride", "storage_offset", "shape", "dtype",
                                                      "numel", "dim",    "device",         "ndim"};
constexpr std::array<std::string_view, 8> kGuardFunctions = {"int", "float", "max", "min", "abs", "len", "bool", "math"};

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_name_byte(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Reader {
 public:
  Reader(std::string_view text, bool is_guard) : text_(text), is_guard_(is_guard) {}

  std::optional<std::string> foreign() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (is_digit(c)) {
        if (auto found = number()) return found;
      } else if (is_name_byte(c)) {
        if (auto found = name()) return found;
      } else if (c == '\'' || c == '"') {
        if (!quoted(c)) return "a text that is no name";
      } else if (is_guard_ && c == '.') {
        if (auto found = member()) return found;
      } else if (c == '(' && calls_what_is_computed()) {
        return "a call of what is computed";
      } else if (c == '=' && is_keyword_argument()) {
        return "an argument by its keyword";
      } else if (std::string_view(" \t+-*/%(),<>=!&|~^").find(c) != std::string_view::npos ||
                 (is_guard_ && std::string_view("[]").find(c) != std::string_view::npos)) {
        ++at_;
      } else {
        return text("the sign '{}'", std::string_view(&text_[at_], 1));
      }
    }
    return std::nullopt;
  }

 private:
  void digits() {
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
  }

  bool is_at(std::string_view any) const { return at_ < text_.size() && any.find(text_[at_]) != std::string_view::npos; }

  // "12", "0.5", "1e-05", and nothing that goes on as a name or a member: in Python "1..real" is one.
  std::optional<std::string> number() {
    digits();
    if (is_at(".")) {
      ++at_;
      digits();
    }
    if (is_at("eE")) {
      ++at_;
      if (is_at("+-")) ++at_;
      digits();
    }
    if (at_ < text_.size() && (text_[at_] == '.' || is_name_byte(text_[at_]))) return "a number that goes on as something else";
    return std::nullopt;
  }

  std::string_view word() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_name_byte(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  bool is_called() const {
    const std::size_t next = text_.find_first_not_of(" \t", at_);
    return next != std::string_view::npos && text_[next] == '(';
  }

  // "(open)('x')", "L['x'](1)": a name is seen where it is called, what is between brackets is not.
  bool calls_what_is_computed() const {
    const std::size_t before = at_ == 0 ? std::string_view::npos : text_.find_last_not_of(" \t", at_ - 1);
    return before != std::string_view::npos && std::string_view(")]'\"").find(text_[before]) != std::string_view::npos;
  }

  // A function may be told by one what it is to call: "max(x, key=open)"; "integer=True" says no such thing. "==", "<=", ">="
  // and "!=" compare.
  bool is_keyword_argument() const {
    const bool goes_on = at_ + 1 < text_.size() && text_[at_ + 1] == '=';
    if (goes_on || (at_ > 0 && std::string_view("=<>!").find(text_[at_ - 1]) != std::string_view::npos)) return false;
    const std::string_view value = text_.substr(std::min(text_.find_first_not_of(" \t", at_ + 1), text_.size()));
    const auto is_constant = [&](std::string_view word) {
      return value.starts_with(word) && (value.size() == word.size() || !is_name_byte(value[word.size()]));
    };
    return !is_constant("True") && !is_constant("False") && !is_constant("None");
  }

  std::optional<std::string> name() {
    const std::string_view found = word();
    if (found.find("__") != std::string_view::npos) return text("the name {}", found);
    for (const std::string_view keyword : {"lambda", "import", "exec", "eval", "yield", "await", "for"})
      if (found == keyword) return text("the word {}", found);
    const bool is_operator = found == "and" || found == "or" || found == "not" || found == "in" || found == "is";
    if (!is_called() || is_operator || is_one_of(kFunctions, found) || (is_guard_ && is_one_of(kGuardFunctions, found)))
      return std::nullopt;
    return text("a call of {}", found);
  }

  std::optional<std::string> member() {
    ++at_;
    const std::string_view found = word();
    if (is_one_of(kMembers, found)) return std::nullopt;
    return text("the member {}", found);
  }

  bool quoted(char quote) {
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == quote) return ++at_, true;
      if (!is_name_byte(text_[at_])) return false;
    }
    return false;
  }

  std::string_view text_;
  bool is_guard_;
  std::size_t at_ = 0;
};

}  // namespace

std::optional<std::string> foreign_in_size(std::string_view expression) { return Reader(expression, false).foreign(); }
std::optional<std::string> foreign_in_guard(std::string_view expression) { return Reader(expression, true).foreign(); }

}  // namespace holdall::torch_export
