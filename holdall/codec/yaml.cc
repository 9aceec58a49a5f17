#include "holdall/codec/yaml.h"

#include <algorithm>
#include <map>
#include <vector>

#include "holdall/base/utf8.h"

namespace holdall {
namespace {

constexpr std::string_view kDefaultPrefix = "tag:yaml.org,2002:";
// Of what %TAG says a handle stands for: beyond it nothing has a name, and each tag holds it again.
constexpr std::size_t kLongestPrefix = 1'024;

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// PyYAML's scanner (yaml/scanner.py), without its faults.
class Scanner {
 public:
  Scanner(std::string_view text, const std::function<void(YamlToken)>& take) : text_(text), take_(take) {
    if (text_.starts_with("\xef\xbb\xbf")) text_.remove_prefix(3);
  }

  void run() {
    while (true) {
      skip_to_token();
      if (at_ >= text_.size()) return;
      unwind(column());
      token();
    }
  }

 private:
  char peek(std::size_t ahead = 0) const noexcept { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  bool ended(std::size_t ahead = 0) const noexcept { return at_ + ahead >= text_.size(); }
  std::size_t column() const noexcept { return at_ - line_begin_; }

  // Bytes of the line break at `at`: CR LF, LF, CR, and Unicode's NEL, LS and PS; 0 for none.
  std::size_t break_at(std::size_t at) const noexcept {
    const std::string_view rest = text_.substr(std::min(at, text_.size()));
    if (rest.starts_with("\r\n")) return 2;
    if (rest.starts_with('\n') || rest.starts_with('\r')) return 1;
    if (rest.starts_with("\xc2\x85")) return 2;
    return rest.starts_with("\xe2\x80\xa8") || rest.starts_with("\xe2\x80\xa9") ? 3 : 0;
  }
  bool is_blank(std::size_t ahead) const noexcept { return peek(ahead) == ' ' || peek(ahead) == '\t'; }
  bool is_space(std::size_t ahead) const noexcept { return ended(ahead) || is_blank(ahead) || break_at(at_ + ahead) > 0; }

  bool take_break() {
    const std::size_t size = break_at(at_);
    if (size == 0) return false;
    at_ += size;
    line_begin_ = at_;
    ++line_;
    return true;
  }

  void skip_to_token() {
    while (!ended()) {
      while (is_blank(0)) ++at_;
      if (peek() == '#') skip_line();
      if (!take_break()) return;
      if (flow_ == 0) may_be_key_ = true;
    }
  }
  void skip_line() {
    while (!ended() && break_at(at_) == 0) ++at_;
  }

  // A line that begins with "---" or "...", whatever is open: PyYAML refuses what would go on behind it.
  bool is_at_document() const noexcept {
    const std::string_view rest = text_.substr(at_);
    return column() == 0 && (rest.starts_with("---") || rest.starts_with("...")) && is_space(3);
  }

  void unwind(std::size_t column) {
    if (flow_ > 0) return;
    while (indents_.size() > 1 && indents_.back() > static_cast<std::ptrdiff_t>(column)) indents_.pop_back();
  }
  void indent(std::size_t column) {
    if (flow_ == 0 && indents_.back() < static_cast<std::ptrdiff_t>(column))
      indents_.push_back(static_cast<std::ptrdiff_t>(column));
  }

  void add(YamlKind kind, std::string text, std::size_t line, std::size_t column) {
    take_({kind, std::move(text), line, column});
  }
  void mark(YamlKind kind) { add(kind, {}, line_, column()); }

  void token() {
    const char c = peek();
    if (column() == 0 && flow_ == 0 && c == '%') return directive();
    if (is_at_document()) return document();
    switch (c) {
      case '[':
      case '{':
        begin_simple_key();
        mark(YamlKind::kOpen);
        ++flow_;
        ++at_;
        may_be_key_ = true;
        return;
      case ']':
      case '}':
        mark(YamlKind::kClose);
        flow_ = flow_ > 0 ? flow_ - 1 : 0;
        ++at_;
        may_be_key_ = false;
        return;
      case ',':
        if (flow_ == 0) break;
        return entry();
      case '-':
        if (flow_ > 0 || !is_space(1)) break;
        indent(column());
        return entry();
      case '?':
        if (flow_ == 0 && !is_space(1)) break;
        indent(column());
        return entry();
      case ':':
        if (flow_ == 0 && !is_space(1)) break;
        return value();
      case '*':
        begin_simple_key();
        return named(YamlKind::kAlias);
      case '&':
        begin_simple_key();
        return named(YamlKind::kAnchor);
      case '!':
        begin_simple_key();
        return tag();
      case '|':
      case '>':
        if (flow_ > 0) break;
        return block_scalar();
      case '\'':
      case '"':
        begin_simple_key();
        return quoted(c);
      default:
        break;
    }
    begin_simple_key();
    plain();
  }

  void entry() {
    mark(YamlKind::kEntry);
    ++at_;
    may_be_key_ = true;
  }

  // Where a key of a block mapping would begin, should a ':' follow.
  void begin_simple_key() {
    if (!may_be_key_) return;
    key_column_ = column();
    key_line_ = line_;
    has_key_ = true;
    may_be_key_ = false;
  }

  void value() {
    if (flow_ == 0) indent(has_key_ && key_line_ == line_ ? key_column_ : column());
    mark(YamlKind::kValue);
    has_key_ = false;
    may_be_key_ = true;
    ++at_;
  }

  void document() {
    mark(YamlKind::kDocument);
    indents_ = {-1};
    flow_ = 0;
    handles_.clear();
    std::swap(handles_, next_handles_);
    at_ += 3;
    may_be_key_ = true;
  }

  // "%TAG !e! tag:example.com,2000:" holds for the document that follows.
  void directive() {
    const std::size_t begin = at_;
    skip_line();
    std::vector<std::string_view> words;
    std::string_view line = text_.substr(begin, at_ - begin);
    while (!line.empty()) {
      const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
      if (end > 0) words.push_back(line.substr(0, end));
      line.remove_prefix(std::min(end + 1, line.size()));
    }
    if (words.size() > 2 && words[0] == "%TAG") {
      next_handles_[std::string(words[1])] = unescaped(words[2].substr(0, kLongestPrefix));
    }
  }

  void named(YamlKind kind) {
    const std::size_t begin = ++at_;
    const auto is_part = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
             static_cast<unsigned char>(c) >= 0x80;
    };
    while (!ended() && is_part(peek()) && break_at(at_) == 0) ++at_;
    add(kind, std::string(text_.substr(begin, at_ - begin)), line_, begin - 1 - line_begin_);
  }

  static std::string unescaped(std::string_view uri) {
    std::string out;
    for (std::size_t i = 0; i < uri.size(); ++i) {
      const bool is_escape = uri[i] == '%' && i + 2 < uri.size() && hex_digit(uri[i + 1]) >= 0 && hex_digit(uri[i + 2]) >= 0;
      if (is_escape) {
        out += static_cast<char>(hex_digit(uri[i + 1]) * 16 + hex_digit(uri[i + 2]));
        i += 2;
      } else {
        out += uri[i];
      }
    }
    return out;
  }

  std::string resolved(std::string_view handle, std::string_view suffix) const {
    const auto told = handles_.find(std::string(handle));
    const auto coming = next_handles_.find(std::string(handle));  // a document without "---"
    std::string prefix = told != handles_.end()          ? told->second
                         : coming != next_handles_.end() ? coming->second
                         : handle == "!!"                ? std::string(kDefaultPrefix)
                                                         : std::string(handle);
    return prefix + unescaped(suffix);
  }

  void tag() {
    const std::size_t begin = at_++;
    const std::size_t column = begin - line_begin_;
    if (peek() == '<') {
      const std::size_t first = ++at_;
      while (!is_space(0) && peek() != '>') ++at_;
      add(YamlKind::kTag, unescaped(text_.substr(first, at_ - first)), line_, column);
      if (peek() == '>') ++at_;
      return;
    }
    while (!is_space(0) && !(flow_ > 0 && (peek() == ',' || peek() == ']' || peek() == '}') && is_end_of_tag())) ++at_;
    const std::string_view whole = text_.substr(begin, at_ - begin);
    const std::size_t second = whole.find('!', 1);
    const std::string_view handle = second == std::string_view::npos ? whole.substr(0, 1) : whole.substr(0, second + 1);
    add(YamlKind::kTag, resolved(handle, whole.substr(handle.size())), line_, column);
  }

  // Commas and brackets may be parts of a tag; '}' may not.
  bool is_end_of_tag() const noexcept { return peek() == '}' || is_space(1); }

  void block_scalar() {
    const std::size_t line = line_, column = this->column();
    const bool folds = peek() == '>';
    std::ptrdiff_t told = 0;
    ++at_;
    while (!ended() && !is_space(0)) {
      if (peek() >= '1' && peek() <= '9') told = peek() - '0';
      ++at_;
    }
    skip_line();
    take_break();
    const std::ptrdiff_t least = std::max<std::ptrdiff_t>(indents_.back() + 1, 1);
    std::ptrdiff_t wanted = told > 0 ? least + told - 1 : 0;
    std::string content;
    while (!ended()) {
      std::size_t spaces = 0;
      const auto most = wanted > 0 ? static_cast<std::size_t>(wanted) : text_.size();
      while (spaces < most && peek(spaces) == ' ') ++spaces;
      if (break_at(at_ + spaces) > 0) {  // an empty line
        at_ += spaces;
        take_break();
        content += '\n';
        continue;
      }
      if (wanted == 0) wanted = std::max(least, static_cast<std::ptrdiff_t>(spaces));
      if (static_cast<std::ptrdiff_t>(spaces) < wanted || ended(spaces)) break;
      at_ += static_cast<std::size_t>(wanted);
      const std::size_t begin = at_;
      skip_line();
      content += text_.substr(begin, at_ - begin);
      content += folds ? ' ' : '\n';
      take_break();
    }
    while (!content.empty() && (content.back() == '\n' || content.back() == ' ')) content.pop_back();
    add(YamlKind::kScalar, std::move(content), line, column);
    may_be_key_ = true;
  }

  void escape(std::string& content) {
    const char kind = peek(1);
    const std::size_t digits = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
    at_ += 2;
    std::uint32_t code = 0;
    for (std::size_t i = 0; i < digits && hex_digit(peek()) >= 0; ++i, ++at_)
      code = code * 16 + static_cast<std::uint32_t>(hex_digit(peek()));
    if (digits > 0) {
      append_utf8(content, std::min(code, 0x10ffffu));
    } else if (kind == 'n') {
      content += '\n';
    } else if (kind == 't') {
      content += '\t';
    } else {
      content += kind;
    }
  }

  void quoted(char quote) {
    const std::size_t line = line_, column = this->column();
    std::string content;
    ++at_;
    while (!ended()) {
      if (peek() == quote && quote == '\'' && peek(1) == '\'') {
        content += '\'';
        at_ += 2;
      } else if (peek() == quote || is_at_document()) {
        break;
      } else if (quote == '"' && peek() == '\\' && break_at(at_ + 1) == 0 && !ended(1)) {
        escape(content);
      } else if (quote == '"' && peek() == '\\') {
        ++at_;
        take_break();
        while (is_blank(0)) ++at_;
      } else if (take_break()) {
        content += ' ';
        while (is_blank(0)) ++at_;
      } else {
        content += text_[at_++];
      }
    }
    if (peek() == quote) ++at_;
    add(YamlKind::kScalar, std::move(content), line, column);
  }

  bool ends_plain() const noexcept {
    if (is_space(0)) return true;
    const char c = peek();
    if (flow_ > 0 && std::string_view(",[]{}?").find(c) != std::string_view::npos) return true;
    if (c != ':') return false;
    return is_space(1) || (flow_ > 0 && std::string_view(",[]{}").find(peek(1)) != std::string_view::npos);
  }

  // The white space within a plain scalar, over lines; whether the scalar goes on behind it.
  bool take_spaces() {
    const std::size_t begin = at_;
    while (is_blank(0)) ++at_;
    while (take_break()) {
      may_be_key_ = true;
      if (is_at_document()) return false;
      while (peek() == ' ') ++at_;
    }
    const bool is_deep = flow_ > 0 || static_cast<std::ptrdiff_t>(column()) > indents_.back();
    return at_ > begin && is_deep && peek() != '#' && !ended();
  }

  void plain() {
    const std::size_t begin = at_, line = line_, column = this->column();
    std::string content;
    while (true) {
      const std::size_t chunk = at_;
      while (!ends_plain()) ++at_;
      if (at_ == chunk) break;
      may_be_key_ = false;
      if (!content.empty()) content += ' ';
      content += text_.substr(chunk, at_ - chunk);
      if (!take_spaces()) break;
    }
    if (at_ == begin) ++at_;  // what begins nothing
    add(YamlKind::kScalar, std::move(content), line, column);
  }

  std::string_view text_;
  std::size_t at_ = 0, line_ = 1, line_begin_ = 0;
  std::size_t flow_ = 0;
  std::vector<std::ptrdiff_t> indents_ = {-1};
  bool may_be_key_ = true, has_key_ = false;
  std::size_t key_column_ = 0, key_line_ = 0;
  std::map<std::string, std::string> handles_, next_handles_;
  const std::function<void(YamlToken)>& take_;
};

}  // namespace

void scan_yaml(std::string_view text, const std::function<void(YamlToken)>& take) { Scanner(text, take).run(); }

}  // namespace holdall
