// Python's own types: bytes in Latin-1, sets, complex numbers, and the ways in which protocols 0 to 2 spell a new object.
#include <string>
#include <utility>

#include "holdall/base/among.h"
#include "holdall/objects/interpretation.h"

namespace holdall {

namespace {

// The bytes whose Latin-1 text is `text` in UTF-8; empty when a character has no place in Latin-1.
std::optional<std::string> latin1(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      bytes.push_back(static_cast<char>(lead));
      continue;
    }
    if ((lead != 0xC2 && lead != 0xC3) || i + 1 == text.size()) return std::nullopt;
    const auto next = static_cast<unsigned char>(text[++i]);
    bytes.push_back(static_cast<char>((lead & 3u) << 6 | (next & 0x3Fu)));
  }
  return bytes;
}

// The text that a call of _codecs.encode is to encode in Latin-1; empty for any other object, and where no encoding is named,
// which would be UTF-8.
Value text_to_encode(Value object) {
  const auto args = arguments(object);
  const bool is_encoding = builder_of(object) == Builder::kLatin1 && args.size() == 2 && args[0].is(ValueKind::kString);
  return is_encoding && is_latin1(args[1]) ? args[0] : Value();
}

bool is_empty_bytes(Value object) {
  return builder_of(object) == Builder::kType && object.of(object.as_object().callee).global_name() == "bytes" &&
         arguments(object).empty();
}

// The bytes that a call of _codecs.encode, or of bytes without arguments, gives; empty for any other object.
std::optional<std::string> encoded(Value object) {
  if (is_empty_bytes(object)) return "";
  const Value text = text_to_encode(object);
  return text ? latin1(text.as_string()) : std::nullopt;
}

// Calls that encode the same text share its bytes.
void replace_by_bytes(const Interpretation& context, NodeId object) {
  Arena& arena = context.arena;
  const Value text = text_to_encode(arena.at(object));
  const auto known = text ? context.made.encoded.find(text.id()) : context.made.encoded.end();
  NodeId node = kNoNode;
  if (known != context.made.encoded.end()) {
    node = known->second;
  } else {
    if (const auto bytes = encoded(arena.at(object))) node = arena.bytes(*bytes);
    if (text) context.made.encoded.emplace(text.id(), node);
  }
  if (node != kNoNode) arena.replace(object, node);
}

// set([…]) and frozenset([…]), to which protocol 4 may have added items.
void plain_set(const Interpretation& context, NodeId object, bool frozen) {
  const auto args = arguments(context.arena.at(object));
  if (args.size() > 1 || (args.size() == 1 && !args[0].is(ValueKind::kList) && !args[0].is(ValueKind::kTuple))) return;
  std::vector<NodeId> items;
  for (std::size_t i = 0; !args.empty() && i < args[0].size(); ++i) items.push_back(args[0].item(i).id());
  const ObjectParts& parts = context.arena.object_parts(object);
  if (parts.state != kNoNode || !parts.pairs.empty()) return;
  items.insert(items.end(), parts.items.begin(), parts.items.end());
  context.arena.replace(object, frozen ? context.arena.frozen_set(std::move(items)) : context.arena.set(std::move(items)));
}

std::optional<double> real(Value value) {
  if (value.is(ValueKind::kFloat)) return value.as_float();
  if (value.is(ValueKind::kInt)) return static_cast<double>(value.as_int());
  return std::nullopt;
}

void complex_number(const Interpretation& context, NodeId object) {
  const auto args = arguments(context.arena.at(object));
  if (args.size() != 2) return;
  const auto re = real(args[0]);
  const auto im = real(args[1]);
  if (re && im) context.arena.replace(object, context.arena.complex({*re, *im}));
}

// copyreg._reconstructor(cls, object, None) and copyreg.__newobj__(cls, …) make cls(…) without __init__.
void new_object(const Interpretation& context, NodeId object, Builder builder) {
  const auto args = arguments(context.arena.at(object));
  if (args.empty() || !args[0].is(ValueKind::kGlobal)) return;
  std::vector<NodeId> rest;
  if (builder == Builder::kReconstructor) {
    if (args.size() != 3 || !args[1].is(ValueKind::kGlobal) || args[1].global_name() != "object" || !args[2].is_null()) return;
  } else {
    for (std::size_t i = 1; i < args.size(); ++i) rest.push_back(args[i].id());
  }
  const NodeId callee = args[0].id();
  const NodeId tuple = context.arena.tuple(std::move(rest));
  ObjectParts& parts = context.arena.object_parts(object);
  parts.callee = callee;
  parts.args = tuple;
  parts.new_object = true;
}

// OrderedDict([(key, value), …]), Python 2's spelling, says its entries as pairs.
void ordered_dict(const Interpretation& context, NodeId object) {
  const auto args = arguments(context.arena.at(object));
  if (args.size() != 1 || !args[0].is(ValueKind::kList)) return;
  PlainVector<NodeId> pairs;
  for (std::size_t i = 0; i < args[0].size(); ++i) {
    const Value entry = args[0].item(i);
    if ((!entry.is(ValueKind::kList) && !entry.is(ValueKind::kTuple)) || entry.size() != 2) return;
    pairs.push_back(entry.item(0).id());
    pairs.push_back(entry.item(1).id());
  }
  const NodeId none = context.arena.tuple();
  ObjectParts& parts = context.arena.object_parts(object);
  pairs.append(parts.pairs);
  parts.pairs = std::move(pairs);
  parts.args = none;
}

}  // namespace

Status interpret_python(const Interpretation& context, NodeId object, Builder builder) {
  switch (builder) {
    case Builder::kLatin1:
    case Builder::kType:
      replace_by_bytes(context, object);
      break;
    case Builder::kSet:
      plain_set(context, object, false);
      break;
    case Builder::kFrozenSet:
      plain_set(context, object, true);
      break;
    case Builder::kComplex:
      complex_number(context, object);
      break;
    case Builder::kOrderedDict:
      ordered_dict(context, object);
      break;
    case Builder::kReconstructor:
    case Builder::kNewObject:
      new_object(context, object, builder);
      // What it makes may itself have a meaning: protocol 1 spells NumPy's and torch's objects so.
      if (builder_of(context.arena.at(object)) != builder) return interpret_object(context, object);
      break;
    default:
      break;
  }
  return {};
}

bool is_latin1(Value encoding) noexcept {
  constexpr std::string_view kNames[] = {"latin1", "latin-1", "iso-8859-1"};
  return encoding.is(ValueKind::kString) && is_among(kNames, encoding.as_string());
}

std::optional<std::string> short_text(Value value) {
  if (value.is(ValueKind::kString)) return std::string(value.as_string());
  if (value.is(ValueKind::kBytes)) return std::string(value.as_bytes());
  return value.is(ValueKind::kObject) ? encoded(value) : std::nullopt;
}

std::optional<Blob> bytes_of(Value value) {
  if (value.is(ValueKind::kBytes)) return value.as_blob();
  auto text = short_text(value);
  if (!text) return std::nullopt;
  return Blob::memory(Bytes::adopt(std::move(*text)), "string");
}

}  // namespace holdall
