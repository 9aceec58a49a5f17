// JSON (RFC 8259), strictly: duplicate keys, bad UTF-8, unpaired surrogates and deep nesting are refused; integers of any size
// and the spelling of floats are kept. Also the writer that every JSON document of Holdall goes through.
//
// Thread-safety: a reader or writer belongs to one thread. Ownership: a reader views its text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/core/value.h"

namespace holdall {

struct JsonOptions {
  std::uint32_t depth = 1'000;
  // NaN, Infinity and -Infinity, which Python writes.
  enum class NonFinite : std::uint8_t { kRefuse, kAccept } non_finite = NonFinite::kAccept;
  // A lone \udc80 to \udcff: refused, or the byte 0x80 to 0xff that JsonWriter::string() wrote so; or U+FFFD for any lone one.
  enum class Surrogates : std::uint8_t { kRefuse, kBytes, kReplace } surrogates = Surrogates::kRefuse;
  // A key that stands twice in one object: refused, or read as other readers do, by its first value or its last.
  enum class Repeated : std::uint8_t { kRefuse, kFirst, kLast } repeated = Repeated::kRefuse;
  // Bytes that the values of one document may take in the arena.
  std::uint64_t value_bytes = 1'073'741'824;
};

// Reads one document token by token, keeping nothing but the open containers: for headers too large to become values.
// It checks all of the grammar; duplicate keys are the caller's to find.
class JsonReader {
 public:
  enum class Token : std::uint8_t {
    kBeginObject,
    kEndObject,
    kBeginArray,
    kEndArray,
    kKey,
    kString,
    kInteger,
    kFloat,
    kTrue,
    kFalse,
    kNull,
    kEnd
  };
  struct Item {
    Token token = Token::kEnd;
    // kKey, kString: the text, unescaped. kInteger, kFloat: as spelled. Valid until the next call.
    std::string_view text;
    std::uint64_t offset = 0;  // of the token's first byte
  };

  explicit JsonReader(std::string_view text, const JsonOptions& options = {}) : text_(text), options_(options) {}

  // The next token; kEnd behind the document, for ever. Errors: corrupt, limit (depth), both with the byte offset in the text.
  Result<Item> next();
  // Passes over the rest of the value that `begun`, just read, begins. Errors: as next().
  Status skip(const Item& begun);
  // Containers that are open.
  std::size_t depth() const noexcept { return open_.size(); }

 private:
  enum class Expect : std::uint8_t { kValue, kValueOrEnd, kKey, kKeyOrEnd, kCommaOrEnd, kNothing };
  Result<Item> open(Token token, Expect expect);
  Result<Item> close(Token token);
  Result<Item> value();
  Result<Item> key();
  Result<Item> number();
  Result<Item> word(std::string_view spelling, Token token);
  Result<std::string_view> string();
  Status unescape(std::size_t start);
  Result<std::uint32_t> hex4(std::size_t at) const;
  void skip_space() noexcept;
  void after_value() noexcept { expect_ = open_.empty() ? Expect::kNothing : Expect::kCommaOrEnd; }
  Error unexpected(std::string_view wanted) const;

  std::string_view text_;
  JsonOptions options_;
  std::size_t at_ = 0;
  Expect expect_ = Expect::kValue;
  std::vector<bool> open_;  // per open container: whether it is an object
  std::string unescaped_;
};

// Parses one document and nothing behind it but white space. Errors: corrupt, limit, with the byte offset in `text`.
Result<NodeId> parse_json(Arena& arena, std::string_view text, const JsonOptions& options = {});

// Writes JSON piece by piece; commas and indentation are its own business.
class JsonWriter {
 public:
  // Takes what has been written so far, piece by piece.
  using Sink = std::function<void(std::string_view)>;
  // indent 0: one line, no spaces. Without a sink the text is kept; with one, text() is what it has not been given yet.
  explicit JsonWriter(unsigned indent = 0, Sink sink = {}) : indent_(indent), sink_(std::move(sink)) {}

  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view key);
  // Bytes that are not UTF-8 become U+DC80 + byte as \udcXX, as Python's surrogateescape does.
  JsonWriter& string(std::string_view text);
  JsonWriter& integer(std::int64_t value);
  JsonWriter& unsigned_integer(std::uint64_t value);
  // The shortest text that reads back the same; NaN and infinities as {"$float":"nan"}.
  JsonWriter& number(double value);
  JsonWriter& boolean(bool value);
  JsonWriter& null();
  // A piece of JSON already written (a big integer, a float's kept spelling).
  JsonWriter& raw(std::string_view json);

  // Gives the sink all that is left.
  void flush();
  const std::string& text() const noexcept { return text_; }
  std::string take() && { return std::move(text_); }

 private:
  void before_value();
  void new_line();
  void open(char bracket);
  void close(char bracket);
  void quoted(std::string_view text);
  std::string text_;
  std::vector<bool> open_;  // per open container: whether it has a member yet
  unsigned indent_;
  Sink sink_;
  bool after_key_ = false;
};

// A value that JSON holds as it is (null to dict with text keys): an exact rendering. Errors: unsupported names what is not.
Status write_json(JsonWriter& writer, Value value);
// A kFloat, by its kept spelling where that is JSON, else as number() does.
void write_float(JsonWriter& writer, Value value);

}  // namespace holdall
