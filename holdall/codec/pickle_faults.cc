// What pickle's opcodes cannot say.
#include "holdall/base/text.h"
#include "holdall/base/utf8.h"
#include "holdall/codec/pickle_text.h"
#include "holdall/codec/pickle_writer.h"

namespace holdall {

namespace {

bool is_writable_global(const Value& global, bool newer) {
  // GLOBAL's name is one attribute of its module; only STACK_GLOBAL walks the dots of a nested class.
  if (!newer && global.global_name().find('.') != std::string_view::npos) return false;
  for (const std::string_view part : {global.global_module(), global.global_name()}) {
    if (part.empty() || part == "?" || part.find('\n') != std::string_view::npos || !is_utf8(part)) return false;
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
      return is_utf8(of.as_string(), Surrogates::kTaken) ? "" : "a text that is not UTF-8 has no form in a pickle";
    case ValueKind::kBytes:  // which below protocol 4 are a text, of up to two bytes each
      if (!code_.newer() && of.bytes_size() > UINT32_MAX / 2)
        return text("{} bytes are too many for a pickle", of.bytes_size());
      return {};
    case ValueKind::kGlobal:
      if (is_writable_global(of, code_.newer())) return {};
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
  if (callee.is(ValueKind::kGlobal) && !is_writable_global(callee, code_.newer()))
    return text("a call of '{}.{}' has no form in a pickle", callee.global_module(), callee.global_name());
  return {};
}

}  // namespace holdall
