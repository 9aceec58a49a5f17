// The machine's plain values: operands, numbers, texts, bytes.
#include <bit>

#include "holdall/base/text.h"
#include "holdall/base/utf8.h"
#include "holdall/codec/pickle_machine.h"
#include "holdall/codec/pickle_text.h"

namespace holdall {
namespace {

// Memory is measured before a payload of this size is kept.
constexpr std::uint64_t kMeasuredPayload = 64u << 10;
// Longer strings of Python 2 are not looked at: they are the data of arrays.
constexpr std::uint64_t kMostPython2Text = 256u << 10;
// Texts have 32-bit sizes.
constexpr std::uint64_t kMostText = UINT32_MAX;

}  // namespace

// ---- operands

// A line as CPython takes it: at least one byte before the line feed.
bool PickleMachine::line(std::string_view& text) {
  if (!any_line(text)) return false;
  return !text.empty() || fail("an operand is an empty line");
}

bool PickleMachine::any_line(std::string_view& text) {
  const auto taken = input_.take_line(options_.limits.value_bytes);
  if (!taken) {
    if (input_.remaining() > options_.limits.value_bytes) return fail(over_limit("a line is longer than the values may be"));
    return cut_short(input_.remaining() + 1);
  }
  text = *taken;
  return text.size() < kMeasuredPayload || measure(text.size());
}

bool PickleMachine::identifier_line(std::string& text, Script script) {
  std::string_view taken;
  if (!line(taken)) return false;
  const bool good = script == Script::kAscii ? is_ascii(taken) : is_utf8(taken);
  if (!good) return fail("a module or name is not text");
  text = taken;
  return true;
}

// Checked against the bytes that remain and the limit before any memory is taken.
bool PickleMachine::payload(std::uint64_t size, std::string_view& text) {
  if (size > input_.remaining()) return cut_short(size);
  if (size > kMostText) return fail(over_limit(holdall::text("a text of {} bytes; the most is {}", size, kMostText)));
  if (size >= kMeasuredPayload && !measure(size)) return false;
  const unsigned char* taken = input_.take(size);
  if (taken == nullptr) return cut_short(size);
  text = {reinterpret_cast<const char*>(taken), static_cast<std::size_t>(size)};
  return true;
}

bool PickleMachine::bytes_payload(std::uint64_t size, NodeId& node) {
  if (size > input_.remaining()) return cut_short(size);
  if (size < options_.keep_on_disk_from) {
    std::string_view data;
    if (!payload(size, data)) return false;
    node = arena_.bytes(data);
    return true;
  }
  auto blob = Blob::range(source_, input_.position(), size);
  if (!blob) return fail(std::move(blob).error());
  node = arena_.bytes(*std::move(blob));
  input_.skip(size);
  return true;
}

// ---- numbers

bool PickleMachine::small_integer() {
  std::uint8_t value = 0;
  if (!operand(value)) return false;
  NodeId& node = small_integers_[value];
  if (node == kNoNode) {
    node = arena_.integer(value);
    pin();
  }
  return push(node);
}

bool PickleMachine::int_line() {
  std::string_view digits;
  if (!line(digits)) return false;
  if (digits.size() > pickle_text::kMostIntegerBytes) return too_long_line(digits);
  const auto read = pickle_text::int_operand(digits);
  if (!read) return fail("the operand of INT is no integer");
  return push(read->boolean ? arena_.boolean(read->decimal == "1") : arena_.big_integer(read->decimal));
}

bool PickleMachine::long_line() {
  std::string_view digits;
  if (!line(digits)) return false;
  if (digits.size() > pickle_text::kMostIntegerBytes) return too_long_line(digits);
  if (digits.back() == 'L') digits.remove_suffix(1);
  const auto decimal = pickle_text::integer(digits, 0);
  if (!decimal) return fail("the operand of LONG is no integer");
  return push(arena_.big_integer(*decimal));
}

bool PickleMachine::counted_long_of(std::uint64_t size) {
  if (size > input_.remaining()) return cut_short(size);
  if (size > pickle_text::kMostIntegerBytes) {
    if (options_.shorten_integers) input_.skip(size);
    return too_long_integer(size);
  }
  std::string_view data;
  if (!payload(size, data)) return false;
  if (size <= 8) {
    std::uint64_t value = size > 0 && (data.back() & 0x80) != 0 ? UINT64_MAX : 0;
    for (std::size_t i = data.size(); i-- > 0;) value = (value << 8) | static_cast<unsigned char>(data[i]);
    return push(arena_.integer(std::bit_cast<std::int64_t>(value)));
  }
  return push(arena_.big_integer(pickle_text::decimal_of(data)));
}

// Of prose, too, lines may be long.
bool PickleMachine::too_long_line(std::string_view digits) {
  constexpr std::string_view kDigits = "0123456789abcdefABCDEFoOxXlL_+- \t\r\f\v";
  if (digits.find_first_not_of(kDigits) != digits.npos) return fail("the operand is no integer");
  return too_long_integer(digits.size());
}

bool PickleMachine::too_long_integer(std::uint64_t size) {
  if (options_.shorten_integers) return push(arena_.big_integer(std::string(pickle_text::kMostIntegerBytes, '9')));
  return fail(over_limit(text("an integer takes {} bytes, the limit is {}", size, pickle_text::kMostIntegerBytes)));
}

bool PickleMachine::float_line() {
  std::string_view digits;
  if (!line(digits)) return false;
  const auto value = pickle_text::real(digits);
  if (value) return push(arena_.real(*value));
  // float() takes blanks, underscores and what is out of range.
  const bool is_number =
      digits.find_first_of("0123456789") != digits.npos && digits.find_first_not_of("0123456789_+-.eE \t\r\f\v") == digits.npos;
  constexpr const char* kWhat = "the operand of FLOAT is no number in range";
  return is_number ? fail_here_alone(kWhat) : fail(kWhat);
}

bool PickleMachine::binary_float() {
  const unsigned char* raw = input_.take(8);
  if (raw == nullptr) return cut_short(8);
  return push(arena_.real(load_be<double>(raw)));
}

// ---- texts and bytes

bool PickleMachine::unicode_of(std::uint64_t size) {
  std::string_view data;
  if (!payload(size, data)) return false;
  if (!is_utf8(data, Surrogates::kTaken)) return fail("a text is not UTF-8");
  return push(arena_.string(data));
}

bool PickleMachine::unicode_line() {
  std::string_view data;
  if (!any_line(data)) return false;
  const auto decoded = pickle_text::raw_unicode(data);
  return decoded ? push(arena_.string(*decoded)) : fail("the operand of UNICODE has a bad escape");
}

bool PickleMachine::string_line() {
  std::string_view data;
  if (!any_line(data)) return false;
  const auto decoded = pickle_text::quoted(data);
  return decoded ? python2_text(*decoded) : fail("the operand of STRING is not quoted, or has a bad escape");
}

// Python 2 had one type for text and bytes.
bool PickleMachine::python2_text(std::string_view data) {
  const bool is_text = data.find('\0') == std::string_view::npos && is_utf8(data);
  return push(is_text ? arena_.string(data) : arena_.bytes(data));
}

bool PickleMachine::python2_string_of(std::uint64_t size) {
  if (size < options_.keep_on_disk_from || size <= kMostPython2Text) {
    if (size > input_.remaining()) return cut_short(size);
    const unsigned char* seen = input_.peek(size);
    if (seen == nullptr) return cut_short(size);
    const std::string_view data(reinterpret_cast<const char*>(seen), static_cast<std::size_t>(size));
    if (data.find('\0') == std::string_view::npos && is_utf8(data)) {
      if (size >= kMeasuredPayload && !measure(size)) return false;
      const NodeId node = arena_.string(data);
      input_.skip(size);
      return push(node);
    }
  }
  NodeId node = kNoNode;
  return bytes_payload(size, node) && push(node);
}

bool PickleMachine::bytes_of(std::uint64_t size) {
  NodeId node = kNoNode;
  return bytes_payload(size, node) && push(node);
}

bool PickleMachine::byte_array() {
  std::uint64_t size = 0;
  NodeId node = kNoNode;
  return size_operand<std::uint64_t>(size) && bytes_payload(size, node) && push(named_call("builtins", "bytearray", node));
}

// ---- out-of-band buffers

bool PickleMachine::next_buffer() {
  note(PickleOddity::Kind::kBuffer, "the pickle refers to a buffer outside of it");
  return push(named_call("", "next_buffer", arena_.integer(next_buffer_++)));
}

// Bytes are read-only already.
bool PickleMachine::read_only_buffer() {
  if (stack_.size() <= fence_) return underflow();
  if (is_settled(stack_.back())) return wants_forgotten();
  const ValueKind what = kind(stack_.back());
  if (what == ValueKind::kBytes) return true;
  if (what != ValueKind::kObject) return fail(text("READONLY_BUFFER wants bytes, not a {}", name(what)));
  const NodeId buffer = stack_.back();
  stack_.back() = named_call("", "readonly_buffer", buffer);
  return true;
}

}  // namespace holdall
