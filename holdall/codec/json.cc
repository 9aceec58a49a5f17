#include "holdall/codec/json.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/base/utf8.h"
#include "holdall/codec/json_text.h"

namespace holdall {

using namespace json_text;

namespace {

// A byte for a message: the character itself where it can be printed, else its number.
std::string shown(char c) {
  if (c > 0x20 && c < 0x7F) return text("'{}'", c);
  return text("byte 0x{:02x}", static_cast<unsigned char>(c));
}

}  // namespace

void JsonReader::skip_space() noexcept {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r')) ++at_;
}

Error JsonReader::unexpected(std::string_view wanted) const {
  if (at_ >= text_.size()) return corrupt(text("the JSON ends where {} should stand", wanted)).at(text_.size());
  return corrupt(text("{} stands where {} should", shown(text_[at_]), wanted)).at(at_);
}

Result<JsonReader::Item> JsonReader::next() {
  skip_space();
  if (expect_ == Expect::kNothing) {
    if (at_ == text_.size()) return Item{Token::kEnd, {}, at_};
    return unexpected("the end");
  }
  if (at_ == text_.size()) return unexpected(open_.empty() ? "a value" : open_.back() ? "'}'" : "']'");
  if (expect_ == Expect::kCommaOrEnd) {
    if (text_[at_] == (open_.back() ? '}' : ']')) return close(open_.back() ? Token::kEndObject : Token::kEndArray);
    if (text_[at_] != ',') return unexpected(open_.back() ? "',' or '}'" : "',' or ']'");
    ++at_;
    skip_space();
    expect_ = open_.back() ? Expect::kKey : Expect::kValue;
  }
  switch (expect_) {
    case Expect::kKeyOrEnd:
      if (text_[at_] == '}') return close(Token::kEndObject);
      return key();
    case Expect::kKey:
      return key();
    case Expect::kValueOrEnd:
      if (text_[at_] == ']') return close(Token::kEndArray);
      return value();
    default:
      return value();
  }
}

Status JsonReader::skip(const Item& begun) {
  if (begun.token != Token::kBeginObject && begun.token != Token::kBeginArray) return {};
  const std::size_t outside = open_.size() - 1;
  while (open_.size() > outside) HOLDALL_TRY(next());
  return {};
}

Result<JsonReader::Item> JsonReader::open(Token token, Expect expect) {
  if (open_.size() >= options_.depth) {
    return over_limit(text("JSON is nested deeper than the {} levels allowed", options_.depth)).at(at_);
  }
  open_.push_back(token == Token::kBeginObject);
  expect_ = expect;
  return Item{token, {}, at_++};
}

Result<JsonReader::Item> JsonReader::close(Token token) {
  open_.pop_back();
  after_value();
  return Item{token, {}, at_++};
}

Result<JsonReader::Item> JsonReader::value() {
  if (at_ == text_.size()) return unexpected("a value");
  const std::size_t start = at_;
  switch (text_[at_]) {
    case '{':
      return open(Token::kBeginObject, Expect::kKeyOrEnd);
    case '[':
      return open(Token::kBeginArray, Expect::kValueOrEnd);
    case '"': {
      HOLDALL_ASSIGN(const std::string_view content, string());
      after_value();
      return Item{Token::kString, content, start};
    }
    case 't':
      return word("true", Token::kTrue);
    case 'f':
      return word("false", Token::kFalse);
    case 'n':
      return word("null", Token::kNull);
    case 'N':
    case 'I':
      break;
    default:
      if (text_[at_] == '-' || is_digit(text_[at_])) return number();
      return unexpected("a value");
  }
  if (options_.non_finite == JsonOptions::NonFinite::kRefuse) return unexpected("a value");
  return word(text_[at_] == 'N' ? "NaN" : "Infinity", Token::kFloat);
}

Result<JsonReader::Item> JsonReader::key() {
  if (at_ == text_.size() || text_[at_] != '"') return unexpected("a key");
  const std::size_t start = at_;
  HOLDALL_ASSIGN(const std::string_view content, string());
  skip_space();
  if (at_ == text_.size() || text_[at_] != ':') return unexpected("':'");
  ++at_;
  expect_ = Expect::kValue;
  return Item{Token::kKey, content, start};
}

Result<JsonReader::Item> JsonReader::word(std::string_view spelling, Token token) {
  if (text_.substr(at_, spelling.size()) != spelling) return unexpected("a value");
  const Item item{token, text_.substr(at_, spelling.size()), at_};
  at_ += spelling.size();
  after_value();
  return item;
}

Result<JsonReader::Item> JsonReader::number() {
  if (options_.non_finite == JsonOptions::NonFinite::kAccept && text_.substr(at_, 2) == "-I") {
    return word("-Infinity", Token::kFloat);
  }
  const std::size_t start = at_;
  std::size_t broken = 0;
  const auto scanned = scan_number(text_, at_, &broken);
  if (!scanned) {
    at_ = broken;
    return unexpected("a number's next character");
  }
  at_ = scanned->end;
  after_value();
  return Item{scanned->integer ? Token::kInteger : Token::kFloat, text_.substr(start, at_ - start), start};
}

// At the opening quote; passes the closing one.
Result<std::string_view> JsonReader::string() {
  const std::size_t start = ++at_;
  bool escaped = false;
  while (true) {
    at_ = plain_run(text_, at_);
    if (at_ == text_.size()) return corrupt("a string is not closed").at(start - 1);
    const char c = text_[at_];
    if (c == '"') break;
    if (c == '\\') {
      escaped = true;
      at_ += at_ + 1 < text_.size() ? 2 : 1;
      continue;
    }
    if (static_cast<unsigned char>(c) < 0x20) {
      return corrupt(text("control character 0x{:02x} in a string", static_cast<unsigned char>(c))).at(at_);
    }
    const std::size_t length = utf8_length(text_.substr(at_, 4));
    if (length == 0) return corrupt(text("byte 0x{:02x} is not UTF-8", static_cast<unsigned char>(c))).at(at_);
    at_ += length;
  }
  if (!escaped) return text_.substr(start, at_++ - start);
  HOLDALL_TRY(unescape(start));
  ++at_;
  return std::string_view(unescaped_);
}

// Fills unescaped_ with the string [start, at_), whose escapes have not been looked at.
Status JsonReader::unescape(std::size_t start) {
  constexpr std::string_view kShort = "\"\\/bfnrt";
  constexpr std::string_view kMeaning = "\"\\/\b\f\n\r\t";
  unescaped_.clear();
  for (std::size_t i = start; i < at_;) {
    const std::size_t escape = std::min(text_.find('\\', i), at_);
    unescaped_.append(text_, i, escape - i);
    if (escape == at_) break;
    i = escape + 2;
    const char c = text_[escape + 1];
    if (const std::size_t place = kShort.find(c); place != std::string_view::npos) {
      unescaped_ += kMeaning[place];
      continue;
    }
    if (c != 'u') return corrupt(text("{} is no escape", shown(c))).at(escape);
    HOLDALL_ASSIGN(std::uint32_t code, hex4(i));
    i += 4;
    if (code >= 0xD800 && code < 0xDC00 && text_.substr(i, 2) == "\\u") {
      const auto low = hex4(i + 2);
      if (low && *low >= 0xDC00 && *low < 0xE000) {
        code = 0x10000 + ((code - 0xD800) << 10) + (*low - 0xDC00);
        i += 6;
      }
    }
    if (code >= 0xDC80 && code <= 0xDCFF && options_.surrogates == JsonOptions::Surrogates::kBytes) {
      unescaped_ += static_cast<char>(static_cast<unsigned char>(code - 0xDC00));
      continue;
    }
    if (code >= 0xD800 && code < 0xE000 && options_.surrogates == JsonOptions::Surrogates::kReplace) code = 0xFFFD;
    if (code >= 0xD800 && code < 0xE000) return corrupt(text("unpaired surrogate \\u{:04x}", code)).at(escape);
    append_utf8(unescaped_, code);
  }
  return {};
}

// The four hexadecimal digits at `at`, within the string that ends at at_.
Result<std::uint32_t> JsonReader::hex4(std::size_t at) const {
  std::uint32_t code = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    const char c = i < at_ ? text_[i] : '"';
    if (is_digit(c)) {
      code = code * 16 + static_cast<std::uint32_t>(c - '0');
    } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
      code = code * 16 + static_cast<std::uint32_t>((c | 0x20) - 'a' + 10);
    } else {
      return corrupt(text("{} is no hexadecimal digit of a \\u escape", shown(c))).at(i);
    }
  }
  return code;
}

namespace {

NodeId float_node(Arena& arena, std::string_view spelling) {
  if (spelling == "NaN") return arena.real(std::numeric_limits<double>::quiet_NaN());
  if (spelling == "Infinity") return arena.real(std::numeric_limits<double>::infinity());
  if (spelling == "-Infinity") return arena.real(-std::numeric_limits<double>::infinity());
  double value = 0;
  const auto [end, error] = std::from_chars(spelling.data(), spelling.data() + spelling.size(), value);
  if (error == std::errc::result_out_of_range) {  // from_chars leaves the value alone: tell too large from too small
    value = std::strtod(std::string(spelling).c_str(), nullptr);
  }
  return arena.real(value, spelling);
}

// A container being filled: its node and, in an object, the key whose value comes next.
struct OpenValue {
  NodeId container = kNoNode;
  NodeId key = kNoNode;
  std::uint64_t key_offset = 0;
  std::size_t entries = 0;
};

class Parser {
 public:
  Parser(Arena& arena, std::string_view text, const JsonOptions& options)
      : arena_(arena), reader_(text, options), options_(options), before_(arena.memory()), check_at_(arena.size() + 65'536) {}

  Result<NodeId> run() {
    while (true) {
      HOLDALL_ASSIGN(const JsonReader::Item item, reader_.next());
      if (item.token == JsonReader::Token::kEnd) return root_;
      HOLDALL_TRY(take(item));
      if (arena_.size() >= check_at_) HOLDALL_TRY(check_memory(item.offset));
    }
  }

 private:
  Status take(const JsonReader::Item& item) {
    using Token = JsonReader::Token;
    switch (item.token) {
      case Token::kBeginObject:
        return begin(arena_.dict());
      case Token::kBeginArray:
        return begin(arena_.list());
      case Token::kEndObject:
      case Token::kEndArray:
        open_.pop_back();
        return {};
      case Token::kKey:
        open_.back().key = arena_.string(item.text);
        open_.back().key_offset = item.offset;
        return {};
      case Token::kString:
        return place(arena_.string(item.text));
      case Token::kInteger:
        return place(arena_.big_integer(item.text));
      case Token::kFloat:
        return place(float_node(arena_, item.text));
      case Token::kTrue:
        return place(arena_.boolean(true));
      case Token::kFalse:
        return place(arena_.boolean(false));
      case Token::kNull:
        return place(arena_.null());
      case Token::kEnd:
        return {};
    }
    return {};
  }

  Status begin(NodeId container) {
    HOLDALL_TRY(place(container));
    open_.push_back({container});
    return {};
  }

  Status place(NodeId node) {
    if (open_.empty()) {
      root_ = node;
      return {};
    }
    OpenValue& inner = open_.back();
    if (inner.key == kNoNode) {
      arena_.append(inner.container, node);
      return {};
    }
    using Repeated = JsonOptions::Repeated;
    const NodeId key = std::exchange(inner.key, kNoNode);
    if (options_.repeated == Repeated::kFirst && arena_.at(inner.container).find(arena_.at(key).as_string())) return {};
    arena_.set_item(inner.container, key, node);
    const bool is_new = arena_.at(inner.container).size() > inner.entries;
    if (!is_new && options_.repeated == Repeated::kRefuse) {
      return corrupt(text("key '{}' stands twice in one object", arena_.at(key).as_string())).at(inner.key_offset);
    }
    if (is_new) ++inner.entries;
    return {};
  }

  Status check_memory(std::uint64_t offset) {
    check_at_ = arena_.size() + 65'536;
    const std::uint64_t taken = arena_.memory() - before_;
    if (taken > options_.value_bytes) {
      return over_limit(text("JSON values take {} bytes, more than the {} allowed", taken, options_.value_bytes)).at(offset);
    }
    return {};
  }

  Arena& arena_;
  JsonReader reader_;
  const JsonOptions& options_;
  std::uint64_t before_;
  std::size_t check_at_;
  std::vector<OpenValue> open_;
  NodeId root_ = kNoNode;
};

}  // namespace

Result<NodeId> parse_json(Arena& arena, std::string_view text, const JsonOptions& options) {
  if (text.size() > std::numeric_limits<std::uint32_t>::max()) {
    return over_limit(holdall::text("a JSON text of {} bytes is longer than 4 GiB", text.size()));
  }
  return Parser(arena, text, options).run();
}

}  // namespace holdall
