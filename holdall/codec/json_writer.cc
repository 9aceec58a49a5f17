#include <array>
#include <charconv>
#include <cmath>

#include "holdall/base/text.h"
#include "holdall/base/utf8.h"
#include "holdall/codec/json.h"
#include "holdall/codec/json_text.h"

namespace holdall {

using namespace json_text;

void JsonWriter::new_line() {
  if (indent_ == 0) return;
  text_ += '\n';
  text_.append(open_.size() * indent_, ' ');
}

void JsonWriter::flush() {
  if (sink_) sink_(text_);
  text_.clear();
}

void JsonWriter::before_value() {
  constexpr std::size_t kPiece = 65'536;
  if (sink_ && text_.size() >= kPiece) flush();
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (open_.empty()) return;
  if (open_.back()) text_ += ',';
  open_.back() = true;
  new_line();
}

void JsonWriter::open(char bracket) {
  before_value();
  text_ += bracket;
  open_.push_back(false);
}

void JsonWriter::close(char bracket) {
  const bool has_members = open_.back();
  open_.pop_back();
  if (has_members) new_line();
  text_ += bracket;
}

JsonWriter& JsonWriter::begin_object() { return open('{'), *this; }
JsonWriter& JsonWriter::end_object() { return close('}'), *this; }
JsonWriter& JsonWriter::begin_array() { return open('['), *this; }
JsonWriter& JsonWriter::end_array() { return close(']'), *this; }

JsonWriter& JsonWriter::key(std::string_view key) {
  before_value();
  quoted(key);
  text_ += indent_ == 0 ? ":" : ": ";
  after_key_ = true;
  return *this;
}

void JsonWriter::quoted(std::string_view text) {
  text_ += '"';
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = plain_run(text, at);
    text_.append(text, at, end - at);
    if (end == text.size()) break;
    at = end;
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x80) {
      constexpr std::string_view kShort = "\"\\\b\f\n\r\t";
      constexpr std::string_view kLetter = "\"\\bfnrt";
      const std::size_t place = kShort.find(text[at]);
      text_ += place == std::string_view::npos ? holdall::text("\\u{:04x}", byte) : std::string{'\\', kLetter[place]};
      ++at;
    } else if (const std::size_t length = utf8_length(text.substr(at, 4)); length != 0) {
      text_.append(text, at, length);
      at += length;
    } else {
      text_ += holdall::text("\\udc{:02x}", byte);
      ++at;
    }
  }
  text_ += '"';
}

JsonWriter& JsonWriter::string(std::string_view text) {
  before_value();
  quoted(text);
  return *this;
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  before_value();
  text_ += json;
  return *this;
}

JsonWriter& JsonWriter::integer(std::int64_t value) { return raw(std::to_string(value)); }
JsonWriter& JsonWriter::unsigned_integer(std::uint64_t value) { return raw(std::to_string(value)); }
JsonWriter& JsonWriter::boolean(bool value) { return raw(value ? "true" : "false"); }
JsonWriter& JsonWriter::null() { return raw("null"); }

JsonWriter& JsonWriter::number(double value) {
  if (!std::isfinite(value)) {
    const char* spelling = std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
    return begin_object().key("$float").string(spelling).end_object();
  }
  std::array<char, 32> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  std::string spelling(digits.data(), end);
  if (spelling.find_first_of(".e") == std::string::npos) spelling += ".0";
  return raw(spelling);
}

void write_float(JsonWriter& writer, Value value) {
  const std::string_view kept = value.float_spelling();
  std::size_t broken = 0;
  const auto scanned = kept.empty() ? std::nullopt : scan_number(kept, 0, &broken);
  if (scanned && scanned->end == kept.size() && !scanned->integer) {
    writer.raw(kept);
  } else {
    writer.number(value.as_float());
  }
}

namespace {

// Writes a scalar. Errors: unsupported for every other kind.
Status write_scalar(JsonWriter& writer, Value value) {
  switch (value.kind()) {
    case ValueKind::kNull:
      writer.null();
      return {};
    case ValueKind::kBool:
      writer.boolean(value.as_bool());
      return {};
    case ValueKind::kInt:
      writer.integer(value.as_int());
      return {};
    case ValueKind::kBigInt:
      writer.raw(value.as_big_int());
      return {};
    case ValueKind::kString:
      writer.string(value.as_string());
      return {};
    case ValueKind::kFloat:
      if (!std::isfinite(value.as_float()) && value.float_spelling().empty()) {
        return unsupported(text("the float {} has no place in JSON", value.as_float()));
      }
      write_float(writer, value);
      return {};
    default:
      return unsupported(text("a {} has no place in JSON", name(value.kind())));
  }
}

constexpr std::size_t kWriteDepth = 1'000;

}  // namespace

Status write_json(JsonWriter& writer, Value value) {
  struct Open {
    Value container;
    std::size_t done = 0;
  };
  std::vector<Open> open;
  // A value whose lists are shared over and over would be written exponentially often.
  std::uint64_t budget = 4 * std::uint64_t{value.arena().size()} + 1'000;
  const auto put = [&](Value v) -> Status {
    if (budget-- == 0) return unsupported("a value shared too often has no place in JSON");
    if (!v.is(ValueKind::kList) && !v.is(ValueKind::kDict)) return write_scalar(writer, v);
    if (open.size() == kWriteDepth) return unsupported("a value nested in itself or too deeply has no place in JSON");
    v.is(ValueKind::kList) ? writer.begin_array() : writer.begin_object();
    open.push_back({v, 0});
    return {};
  };
  HOLDALL_TRY(put(value));
  while (!open.empty()) {
    Open& inner = open.back();
    const bool is_dict = inner.container.is(ValueKind::kDict);
    if (inner.done == inner.container.size()) {
      is_dict ? writer.end_object() : writer.end_array();
      open.pop_back();
      continue;
    }
    const std::size_t i = inner.done++;
    if (!is_dict) {
      HOLDALL_TRY(put(inner.container.item(i)));
      continue;
    }
    const Value key = inner.container.key(i);
    if (!key.is(ValueKind::kString)) return unsupported(text("a key that is a {} has no place in JSON", name(key.kind())));
    writer.key(key.as_string());
    HOLDALL_TRY(put(inner.container.mapped(i)));
  }
  return {};
}

}  // namespace holdall
