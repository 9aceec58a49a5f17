#include <utility>

#include "holdall/base/text.h"
#include "holdall/codec/pickle_names.h"
#include "holdall/codec/pickle_text.h"
#include "holdall/codec/pickle_writer.h"

namespace holdall {

using namespace pickle_code;

// ---- the memo

void PickleWriter::get(std::uint32_t slot) {
  op(slot < 256 ? kBINGET : kLONG_BINGET);
  if (slot < 256) {
    op(static_cast<char>(slot));
  } else {
    put(slot);
  }
}

std::uint32_t PickleWriter::memoise() {
  if (newer()) {
    op(kMEMOIZE);
  } else if (memo_ < 256) {
    op(kBINPUT);
    op(static_cast<char>(memo_));
  } else {
    op(kLONG_BINPUT);
    put(memo_);
  }
  return memo_++;
}

void PickleWriter::memoise_if_shared(Spot at) {
  Note& known = note(at);
  if (known.memo == kNoNode && (known.shared || memoise_all_)) known.memo = memoise();
}

// ---- what cannot be said

namespace {

bool is_writable_global(const Value& global, bool newer) {
  // GLOBAL's name is one attribute of its module; only STACK_GLOBAL walks the dots of a nested class.
  if (!newer && global.global_name().find('.') != std::string_view::npos) return false;
  for (const std::string_view part : {global.global_module(), global.global_name()}) {
    if (part.empty() || part == "?" || part.find('\n') != std::string_view::npos || !pickle_text::is_utf8(part, false))
      return false;
  }
  return true;
}

}  // namespace

bool PickleWriter::is_opcode(const Value& object) {
  const Value callee = object.of(object.as_object().callee);
  return callee.is_global("", "persistent_id") || callee.is_global("copyreg", "extension");
}

// Why pickle's opcodes cannot say this node, whatever its children are; empty where they can.
std::string PickleWriter::fault_of(const Value& of) const {
  switch (of.kind()) {
    case ValueKind::kBigInt:
      if (of.as_big_int().size() > 2 * pickle_text::kMostIntegerBytes)
        return text("an integer of {} digits has no form in a pickle", of.as_big_int().size());
      return {};
    case ValueKind::kString:
      if (of.as_string().size() > UINT32_MAX) return text("a text of {} bytes is too long for a pickle", of.as_string().size());
      return pickle_text::is_utf8(of.as_string(), true) ? "" : "a text that is not UTF-8 has no form in a pickle";
    case ValueKind::kBytes:  // which below protocol 4 are a text, of up to two bytes each
      if (!newer() && of.bytes_size() > UINT32_MAX / 2) return text("{} bytes are too many for a pickle", of.bytes_size());
      return {};
    case ValueKind::kGlobal:
      if (is_writable_global(of, newer())) return {};
      return text("the global '{}.{}' has no form in a pickle", of.global_module(), of.global_name());
    case ValueKind::kObject:
      // Nothing can take the place of what is called, which may be the result of a call itself.
      for (Value called = of; called.is(ValueKind::kObject); called = called.of(called.as_object().callee)) {
        if (std::string fault = object_fault_of(called); !fault.empty()) return fault;
        if (is_opcode(called)) break;
      }
      return {};
    default:
      return {};
  }
}

std::string PickleWriter::object_fault_of(const Value& of) const {
  const ObjectParts& parts = of.as_object();
  const Value callee = of.of(parts.callee);
  const Value args = of.of(parts.args);
  if (!callee) return "an object without a callee has no form in a pickle";
  if (callee.is_global("", "persistent_id")) {
    return args.is(ValueKind::kTuple) && args.size() == 1 ? "" : "a persistent id without one id has no form in a pickle";
  }
  if (callee.is_global("copyreg", "extension")) {
    const bool good = args.is(ValueKind::kTuple) && args.size() == 1 && args.item(0).is(ValueKind::kInt) &&
                      args.item(0).as_int() > 0 && args.item(0).as_int() <= INT32_MAX;
    return good ? "" : "an extension code that is no number above 0 has no form in a pickle";
  }
  if (args && !args.is(ValueKind::kTuple)) return "an object whose arguments are no tuple has no form in a pickle";
  if (parts.kwargs != kNoNode && !parts.new_object) return "a call with keyword arguments has no form in a pickle";
  if (parts.pairs.size() % 2 != 0) return "an object with a key that has no value has no form in a pickle";
  if (callee.is(ValueKind::kGlobal) && !is_writable_global(callee, newer()))
    return text("a call of '{}.{}' has no form in a pickle", callee.global_module(), callee.global_name());
  return {};
}

// ---- values without children

void PickleWriter::integer(std::int64_t number) {
  if (number >= 0 && number < 256) {
    op(kBININT1);
    op(static_cast<char>(number));
  } else if (number >= 0 && number < 65536) {
    op(kBININT2);
    put(static_cast<std::uint16_t>(number));
  } else if (number >= INT32_MIN && number <= INT32_MAX) {
    op(kBININT);
    put(static_cast<std::int32_t>(number));
  } else {
    big_integer(std::to_string(number));
  }
}

void PickleWriter::big_integer(std::string_view decimal) {
  const std::string raw = pickle_text::two_complement_of(decimal);
  if (raw.size() < 256) {
    op(kLONG1);
    op(static_cast<char>(raw.size()));
  } else {
    op(kLONG4);
    put(static_cast<std::int32_t>(raw.size()));
  }
  out_ += raw;
}

void PickleWriter::real(double number) {
  op(kBINFLOAT);
  std::array<char, 8> raw{};
  store_be(raw.data(), number);
  out_.append(raw.data(), raw.size());
}

void PickleWriter::string(std::string_view data) {
  if (newer() && data.size() < 256) {
    op(kSHORT_BINUNICODE);
    op(static_cast<char>(data.size()));
  } else {
    op(kBINUNICODE);
    put(static_cast<std::uint32_t>(data.size()));
  }
  out_ += data;
}

// Protocol 2 has no bytes: Python 3 asks for their encoding as Latin-1.
Status PickleWriter::bytes(const Value& of) {
  const std::uint64_t size = of.bytes_size();
  if (newer()) {
    if (size < 256) {
      op(kSHORT_BINBYTES);
      op(static_cast<char>(size));
    } else if (size <= UINT32_MAX) {
      op(kBINBYTES);
      put(static_cast<std::uint32_t>(size));
    } else {
      op(kBINBYTES8);
      put(size);
    }
    if (size >= options_.apart_from) {
      pieces_.emplace_back(std::move(out_));
      pieces_.emplace_back(of.as_blob());
      out_.clear();
      return {};
    }
  }
  HOLDALL_ASSIGN(const Bytes data, of.as_blob().read());
  if (newer()) {
    out_ += data.text();
    return {};
  }
  known_global("_codecs", "encode");
  std::string latin1;
  latin1.reserve(data.size() + data.size() / 2);
  for (const char c : data.text()) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80) latin1.push_back(static_cast<char>(0xC0 | (byte >> 6)));
    latin1.push_back(byte >= 0x80 ? static_cast<char>(0x80 | (byte & 0x3F)) : c);
  }
  string(latin1);
  string("latin1");
  op(kTUPLE2);
  op(kREDUCE);
  return {};
}

void PickleWriter::global(std::string_view module, std::string_view name) {
  if (newer()) {
    string(module);
    string(name);
    op(kSTACK_GLOBAL);
    return;
  }
  const pickle_names::Name old = pickle_names::for_python2({module, name});
  op(kGLOBAL);
  out_.append(old.module).append(1, '\n').append(old.name).append(1, '\n');
}

// A global that the writer needs by itself, written once.
void PickleWriter::known_global(std::string_view module, std::string_view name) {
  const auto [slot, is_new] = known_.try_emplace(std::string(name), 0);
  if (!is_new) {
    get(slot->second);
    return;
  }
  global(module, name);
  slot->second = memoise();
}

void PickleWriter::extension(const Value& of) {
  const std::int64_t code = of.of(of.as_object().args).item(0).as_int();
  op(code < 256 ? kEXT1 : code < 65536 ? kEXT2 : kEXT4);
  if (code < 256) {
    op(static_cast<char>(code));
  } else if (code < 65536) {
    put(static_cast<std::uint16_t>(code));
  } else {
    put(static_cast<std::int32_t>(code));
  }
}

}  // namespace holdall
