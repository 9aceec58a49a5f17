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

// ---- values without children

Status PickleWriter::integer(std::int64_t number) {
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
    return big_integer(std::to_string(number));
  }
  return {};
}

Status PickleWriter::big_integer(std::string_view decimal) {
  if (decimal.size() > 2 * pickle_text::kMostIntegerBytes) {
    return unsupported(text("an integer of {} digits", decimal.size()));
  }
  const std::string raw = pickle_text::two_complement_of(decimal);
  if (raw.size() < 256) {
    op(kLONG1);
    op(static_cast<char>(raw.size()));
  } else {
    op(kLONG4);
    put(static_cast<std::int32_t>(raw.size()));
  }
  out_ += raw;
  return {};
}

void PickleWriter::real(double number) {
  op(kBINFLOAT);
  std::array<char, 8> raw{};
  store_be(raw.data(), number);
  out_.append(raw.data(), raw.size());
}

Status PickleWriter::string(std::string_view data) {
  if (!pickle_text::is_utf8(data, true)) return unsupported("a text is not UTF-8");
  if (newer() && data.size() < 256) {
    op(kSHORT_BINUNICODE);
    op(static_cast<char>(data.size()));
  } else if (data.size() <= UINT32_MAX) {
    op(kBINUNICODE);
    put(static_cast<std::uint32_t>(data.size()));
  } else {
    return unsupported(text("a text of {} bytes", data.size()));
  }
  out_ += data;
  return {};
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
  HOLDALL_TRY(known_global("_codecs", "encode"));
  std::string latin1;
  latin1.reserve(data.size() + data.size() / 2);
  for (const char c : data.text()) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80) latin1.push_back(static_cast<char>(0xC0 | (byte >> 6)));
    latin1.push_back(byte >= 0x80 ? static_cast<char>(0x80 | (byte & 0x3F)) : c);
  }
  HOLDALL_TRY(string(latin1));
  HOLDALL_TRY(string("latin1"));
  op(kTUPLE2);
  op(kREDUCE);
  return {};
}

Status PickleWriter::global(std::string_view module, std::string_view name) {
  const auto writable = [](std::string_view part) {
    return !part.empty() && part != "?" && part.find('\n') == std::string_view::npos && pickle_text::is_utf8(part, false);
  };
  if (!writable(module) || !writable(name))
    return unsupported(text("the global '{}.{}' has no form in a pickle", module, name));
  if (newer()) {
    HOLDALL_TRY(string(module));
    HOLDALL_TRY(string(name));
    op(kSTACK_GLOBAL);
    return {};
  }
  const pickle_names::Name old = pickle_names::for_python2({module, name});
  op(kGLOBAL);
  out_.append(old.module).append(1, '\n').append(old.name).append(1, '\n');
  return {};
}

// A global that the writer needs by itself, written once.
Status PickleWriter::known_global(std::string_view module, std::string_view name) {
  const auto [slot, is_new] = known_.try_emplace(std::string(name), 0);
  if (!is_new) {
    get(slot->second);
    return {};
  }
  HOLDALL_TRY(global(module, name));
  slot->second = memoise();
  return {};
}

Status PickleWriter::extension(const Value& of) {
  const Value args = of.of(of.as_object().args);
  const bool good = args.is(ValueKind::kTuple) && args.size() == 1 && args.item(0).is(ValueKind::kInt);
  const std::int64_t code = good ? args.item(0).as_int() : 0;
  if (code <= 0 || code > INT32_MAX) return unsupported("an extension code is no number above 0");
  op(code < 256 ? kEXT1 : code < 65536 ? kEXT2 : kEXT4);
  if (code < 256) {
    op(static_cast<char>(code));
  } else if (code < 65536) {
    put(static_cast<std::uint16_t>(code));
  } else {
    put(static_cast<std::int32_t>(code));
  }
  return {};
}

}  // namespace holdall
