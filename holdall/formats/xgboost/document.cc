// The two spellings of a model's document.
#include <algorithm>
#include <charconv>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/codec/json.h"
#include "holdall/codec/ubjson.h"
#include "holdall/formats/xgboost/xgboost.h"

namespace holdall::xgboost {
namespace {

constexpr std::string_view kFirstKeys[] = {"learner", "Config", "Model", "version"};

// The first key of an object in UBJSON: the type of a length, the length, the key.
std::string_view first_key(std::string_view text) {
  constexpr std::string_view kTypes = "iUIlL";
  constexpr std::size_t kBytes[] = {1, 1, 2, 4, 8};
  if (text.size() < 2) return {};
  const std::size_t type = kTypes.find(text[1]);
  if (type == std::string_view::npos || text.size() < 2 + kBytes[type]) return {};
  std::uint64_t length = 0;
  for (const char each : text.substr(2, kBytes[type])) length = length << 8 | static_cast<unsigned char>(each);
  return length < 16 ? text.substr(2 + kBytes[type], static_cast<std::size_t>(length)) : std::string_view();
}

Status take(const JsonReader::Item& item, Assembly& into, Arena& arena) {
  using Token = JsonReader::Token;
  switch (item.token) {
    case Token::kBeginObject:
      return into.begin_object();
    case Token::kBeginArray:
      return into.begin_array();
    case Token::kEndObject:
    case Token::kEndArray:
      return into.end();
    case Token::kKey:
      return into.key(item.text);
    case Token::kString:
      return into.plain(arena.string(item.text));
    case Token::kInteger: {
      std::int64_t value = 0;
      const auto [end, error] = std::from_chars(item.text.data(), item.text.data() + item.text.size(), value);
      return error == std::errc() ? into.integer(value) : into.real(item.text);
    }
    case Token::kFloat:
      return into.real(item.text);
    case Token::kTrue:
    case Token::kFalse:
      return into.boolean(item.token == Token::kTrue);
    case Token::kNull:
      return into.plain(arena.null());
    case Token::kEnd:
      break;
  }
  return {};
}

Status take(const UbjsonReader::Item& item, const UbjsonReader& reader, Assembly& into, Arena& arena) {
  using Token = UbjsonReader::Token;
  switch (item.token) {
    case Token::kBeginObject:
      return into.begin_object();
    case Token::kBeginArray:
      return into.begin_array();
    case Token::kEndObject:
    case Token::kEndArray:
      return into.end();
    case Token::kKey:
      return into.key(item.text);
    case Token::kText:
      return into.plain(arena.string(item.text));
    case Token::kInteger:
      return into.integer(item.integer);
    case Token::kFloat:
      return into.real(item.real);
    case Token::kTrue:
    case Token::kFalse:
      return into.boolean(item.token == Token::kTrue);
    case Token::kNull:
      return into.plain(arena.null());
    case Token::kNumbers: {
      HOLDALL_ASSIGN(Blob data, reader.numbers(item));
      HOLDALL_ASSIGN(Tensor tensor, Tensor::dense(item.dtype, {static_cast<std::uint64_t>(item.integer)}, std::move(data)));
      return into.tensor(std::move(tensor));
    }
    case Token::kEnd:
      break;
  }
  return {};
}

// Of others' documents the first key is "version", too: here it is a list, [3, 2, 0].
bool is_first_key(std::string_view text, std::string_view key) noexcept {
  constexpr std::string_view kSpace = " \t\r\n";
  if (!text.starts_with('"') || text.substr(1, key.size()) != key || text.substr(1 + key.size(), 1) != "\"") return false;
  if (key != "version") return true;
  text.remove_prefix(key.size() + 2);
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  if (!text.starts_with(':')) return false;
  const std::size_t value = text.find_first_not_of(kSpace, 1);
  return value != text.npos && text[value] == '[';
}

}  // namespace

Spelling spelling_of(std::span<const std::byte> head) noexcept {
  const std::string_view text = as_text(head);
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos || text[start] != '{') return Spelling::kNone;
  const std::string_view binary = start == 0 ? first_key(text) : std::string_view();
  const std::size_t quote = text.find_first_not_of(" \t\r\n", start + 1);
  for (const std::string_view key : kFirstKeys) {
    if (binary == key) return Spelling::kUbjson;
    if (quote != std::string_view::npos && is_first_key(text.substr(quote), key)) return Spelling::kJson;
  }
  return Spelling::kNone;
}

Status read_json(const SourceRef& source, const Limits& limits, Assembly& into, Arena& arena) {
  HOLDALL_ASSIGN(const Bytes bytes, read_all(*source, limits.value_bytes));
  JsonOptions options;
  options.depth = limits.depth;
  JsonReader reader(bytes.text(), options);
  while (true) {
    const auto item = reader.next();
    if (!item) return Error(item.error()).in(source->name());
    if (item->token == JsonReader::Token::kEnd) return {};
    if (Status taken = take(*item, into, arena); !taken) return std::move(taken).error().at(item->offset).in(source->name());
  }
}

Status read_ubjson(const SourceRef& source, const Limits& limits, Assembly& into, Arena& arena) {
  UbjsonReader reader(Blob(source), limits.depth, limits.header_bytes);
  while (true) {
    HOLDALL_ASSIGN(const UbjsonReader::Item item, reader.next());
    if (item.token == UbjsonReader::Token::kEnd) return {};
    if (Status taken = take(item, reader, into, arena); !taken) return std::move(taken).error().at(item.at).in(source->name());
  }
}

}  // namespace holdall::xgboost
