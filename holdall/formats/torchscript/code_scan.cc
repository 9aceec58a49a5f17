#include "holdall/formats/torchscript/code_scan.h"

#include <algorithm>
#include <string>
#include <vector>

#include "holdall/base/text.h"
#include "holdall/formats/torch_operators.h"

namespace holdall::torchscript {

namespace {

struct Token {
  enum class Kind : std::uint8_t { kName, kText, kNumber, kSign } kind = Kind::kSign;
  std::string_view text;  // of a text: without its quotes, escapes as they stand
  std::size_t at = 0;
};

bool begins_name(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  // False at the end.
  bool next(Token& token) {
    skip();
    if (at_ >= source_.size()) return false;
    const std::size_t begin = at_;
    const char c = source_[at_];
    if (c == '"' || c == '\'') return text(token);
    if (begins_name(c) || is_digit(c)) {
      while (at_ < source_.size() && (begins_name(source_[at_]) || is_digit(source_[at_]))) ++at_;
      token = {is_digit(c) ? Token::Kind::kNumber : Token::Kind::kName, source_.substr(begin, at_ - begin), begin};
      return true;
    }
    ++at_;
    token = {Token::Kind::kSign, source_.substr(begin, 1), begin};
    return true;
  }

 private:
  void skip() {
    while (at_ < source_.size()) {
      const char c = source_[at_];
      if (c == '#') {
        while (at_ < source_.size() && source_[at_] != '\n') ++at_;
      } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\\') {
        ++at_;
      } else {
        return;
      }
    }
  }

  bool text(Token& token) {
    const char quote = source_[at_];
    const std::string_view triple = source_.substr(at_, 3);
    const std::size_t length = triple.size() == 3 && triple[1] == quote && triple[2] == quote ? 3 : 1;
    const std::string closing(length, quote);
    const std::size_t begin = at_ + length;
    std::size_t end = begin;
    while (end < source_.size() && !source_.substr(end).starts_with(closing)) end += source_[end] == '\\' ? 2 : 1;
    end = std::min(end, source_.size());
    token = {Token::Kind::kText, source_.substr(begin, end - begin), at_};
    at_ = std::min(end + length, source_.size());
    return true;
  }

  std::string_view source_;
  std::size_t at_ = 0;
};

// Enough to know what the code is; and tokens of a call that are looked at, so that calls within calls cost no square.
constexpr std::size_t kMostFindings = 100;
constexpr std::size_t kLongestCall = 1000;

class Scan {
 public:
  Scan(std::string_view source, std::string_view where, Findings& findings) : where_(where), findings_(findings) {
    Lexer lexer(source);
    for (Token token; lexer.next(token);) tokens_.push_back(token);
  }

  void run() {
    for (std::size_t i = 0; i < tokens_.size() && found_ < kMostFindings; ++i) {
      if (tokens_[i].kind != Token::Kind::kName) continue;
      const std::string_view name = tokens_[i].text;
      const bool is_member = i > 0 && is_sign(i - 1, '.');
      if (is_member) {
        use(name, i);
      } else if (name == "torch") {
        if (!is_sign(i + 1, '.')) add(Verdict::kCode, Rule::kScriptComputedOperator, i, "takes torch's operators as a value");
      } else if (name == "ops") {
        operators(i);
      } else if (name == "__torch__") {
        native_class(i);
      } else if (name == "getattr") {
        attribute(i);
      } else if (name == "rpc_async" || name == "rpc_sync" || name == "rpc_remote") {
        add(Verdict::kCode, Rule::kScriptRemoteCall, i, text("calls functions in other processes ({})", name));
      }
    }
  }

 private:
  bool is_sign(std::size_t i, char sign) const {
    return i < tokens_.size() && tokens_[i].kind == Token::Kind::kSign && tokens_[i].text[0] == sign;
  }
  bool is_name(std::size_t i) const { return i < tokens_.size() && tokens_[i].kind == Token::Kind::kName; }

  // A member by this name: an operator of aten, whatever it is a member of, for a value's methods are its operators too.
  void use(std::string_view name, std::size_t i) {
    if (is_unchecked(name)) add(Verdict::kMalicious, Rule::kScriptLibrary, i, text("calls {}, {}", name, kUnchecked));
    const FileUse use = file_use(name);
    if (use == FileUse::kNone) return;
    const std::string_view does = use == FileUse::kWrites ? "writes" : "reads";
    if (const Token* path = text_argument(i + 1)) {
      add(Verdict::kMalicious, Rule::kScriptFile, i, text("{} the file '{}' ({}) when it runs", does, path->text, name));
    } else {
      add(Verdict::kCode, Rule::kScriptFile, i, text("{} a file ({}) that is named when it runs", does, name));
    }
  }

  // The first text among the arguments of the call that begins at `i`; nullptr where there is none or no call.
  const Token* text_argument(std::size_t i) const {
    if (!is_sign(i, '(')) return nullptr;
    std::size_t depth = 0;
    for (const std::size_t end = std::min(tokens_.size(), i + kLongestCall); i < end; ++i) {
      if (tokens_[i].kind == Token::Kind::kText) return &tokens_[i];
      if (is_sign(i, '(')) ++depth;
      if (is_sign(i, ')') && --depth == 0) return nullptr;
    }
    return nullptr;
  }

  void operators(std::size_t i) {
    if (!is_sign(i + 1, '.') || !is_name(i + 2) || !is_sign(i + 3, '.')) {
      return add(Verdict::kCode, Rule::kScriptComputedOperator, i, "takes a library's operators as a value");
    }
    const std::string_view library = tokens_[i + 2].text;
    if (is_torch_library(library)) return;
    const std::string called = text("{}.{}", library, is_name(i + 4) ? tokens_[i + 4].text : "?");
    add(Verdict::kCode, Rule::kScriptLibrary, i, text("calls ops.{}, native code of another library", called), called);
  }

  // __torch__.torch.classes.library.Class
  void native_class(std::size_t i) {
    const auto is_word = [&](std::size_t at, std::string_view word) { return is_name(at) && tokens_[at].text == word; };
    if (!is_word(i + 2, "torch") || !is_word(i + 4, "classes") || !is_name(i + 6)) return;
    const std::string_view library = tokens_[i + 6].text;
    if (is_torch_library(library)) return;
    const std::string made = text("{}.{}", library, is_name(i + 8) ? tokens_[i + 8].text : "?");
    add(Verdict::kCode, Rule::kScriptLibrary, i, text("makes a torch.classes.{}, native code of another library", made), made);
  }

  // getattr(value, "name")
  void attribute(std::size_t i) {
    std::size_t depth = 0;
    for (std::size_t j = i + 1; j < tokens_.size(); ++j) {
      if (j - i > kLongestCall)
        return add(Verdict::kCode, Rule::kScriptComputedOperator, i, "looks up an attribute of what is not understood");
      if (is_sign(j, '(')) ++depth;
      if (is_sign(j, ')') && --depth == 0) return;
      if (tokens_[j].kind != Token::Kind::kText || depth != 1) continue;
      if (tokens_[j].text.find('\\') != std::string_view::npos) {
        add(Verdict::kCode, Rule::kScriptComputedOperator, i, "spells an attribute's name with escapes");
      } else if (is_unchecked(tokens_[j].text)) {
        add(Verdict::kMalicious, Rule::kScriptLibrary, i, text("takes {}, {}, as a value", tokens_[j].text, kUnchecked));
      } else if (file_use(tokens_[j].text) != FileUse::kNone) {
        add(Verdict::kCode, Rule::kScriptFile, i, text("takes the operator {}, which uses files, as a value", tokens_[j].text));
      }
      return;
    }
  }

  void add(Verdict severity, Rule rule, std::size_t i, std::string what, std::string subject = {}) {
    ++found_;
    findings_.push_back({severity, rule, text("{}@{}", where_, tokens_[i].at), std::move(what), std::move(subject)});
  }

  std::string_view where_;
  Findings& findings_;
  std::vector<Token> tokens_;
  std::size_t found_ = 0;
};

}  // namespace

void scan_code(std::string_view source, std::string_view where, Findings& findings) { Scan(source, where, findings).run(); }

void scan_operator(std::string_view name, std::string_view where, Findings& findings) {
  const std::size_t colon = name.find("::");
  if (colon == std::string_view::npos) return;
  const std::string_view library = name.substr(0, colon);
  if (!is_torch_library(library)) {
    findings.push_back({Verdict::kCode, Rule::kScriptLibrary, std::string(where),
                        text("calls {}, native code of another library", name),
                        text("{}.{}", library, name.substr(colon + 2))});
  } else if (library == "aten" && is_unchecked(name.substr(colon + 2))) {
    findings.push_back({Verdict::kMalicious, Rule::kScriptLibrary, std::string(where), text("calls {}, {}", name, kUnchecked)});
  } else if (library == "aten" && file_use(name.substr(colon + 2)) != FileUse::kNone) {
    findings.push_back({Verdict::kCode, Rule::kScriptFile, std::string(where), text("calls {}, which uses files", name)});
  }
}

}  // namespace holdall::torchscript
