#include "holdall/codec/pickle_emitter.h"

#include <utility>

#include "holdall/codec/pickle_names.h"
#include "holdall/codec/pickle_text.h"

namespace holdall {

using namespace pickle_code;

namespace {

// A value whose opcodes are no longer than fetching it from a large memo is spelled again.
constexpr std::size_t kLongestGet = 5;

}  // namespace

void PickleEmitter::integer(std::int64_t number) {
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

void PickleEmitter::big_integer(std::string_view decimal) {
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

void PickleEmitter::real(double number) {
  op(kBINFLOAT);
  std::array<char, 8> raw{};
  store_be(raw.data(), number);
  out_.append(raw.data(), raw.size());
}

void PickleEmitter::string(std::string_view data) {
  if (newer() && data.size() < 256) {
    op(kSHORT_BINUNICODE);
    op(static_cast<char>(data.size()));
  } else {
    op(kBINUNICODE);
    put(static_cast<std::uint32_t>(data.size()));
  }
  out_ += data;
}

void PickleEmitter::bytes_header(std::uint64_t size) {
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
}

// Protocol 2 has no bytes: Python 3 asks for their encoding as Latin-1.
void PickleEmitter::bytes(std::string_view data) {
  if (newer()) {
    bytes_header(data.size());
    out_ += data;
    return;
  }
  known_global("_codecs", "encode");
  std::string latin1;
  latin1.reserve(data.size() + data.size() / 2);
  for (const char c : data) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80) latin1.push_back(static_cast<char>(0xC0 | (byte >> 6)));
    latin1.push_back(byte >= 0x80 ? static_cast<char>(0x80 | (byte & 0x3F)) : c);
  }
  string(latin1);
  string("latin1");
  op(kTUPLE2);
  op(kREDUCE);
}

void PickleEmitter::global(std::string_view module, std::string_view name) {
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

void PickleEmitter::extension(std::int64_t code) {
  op(code < 256 ? kEXT1 : code < 65536 ? kEXT2 : kEXT4);
  if (code < 256) {
    op(static_cast<char>(code));
  } else if (code < 65536) {
    put(static_cast<std::uint16_t>(code));
  } else {
    put(static_cast<std::int32_t>(code));
  }
}

// Its key is GLOBAL's spelling, not that of the name that Python 2 had: looking that one up takes longer than all else.
void PickleEmitter::known_global(std::string_view module, std::string_view name) {
  key_.assign(1, kGLOBAL).append(module).append(1, '\n').append(name).append(1, '\n');
  if (const auto found = known_.find(std::string_view(key_)); found != known_.end()) {
    get(found->second);
    return;
  }
  global(module, name);
  known_.emplace(key_, memoise());
}

void PickleEmitter::known_string(std::string_view data) {
  const std::size_t begin = out_.size();
  string(data);
  once(begin);
}

void PickleEmitter::known_tuple(std::span<const std::int64_t> numbers) {
  const std::size_t begin = out_.size();
  if (numbers.size() > 3) op(kMARK);
  for (const std::int64_t number : numbers) integer(number);
  constexpr std::array<char, 4> kBySize = {kEMPTY_TUPLE, kTUPLE1, kTUPLE2, kTUPLE3};
  op(numbers.size() > 3 ? kTUPLE : kBySize[numbers.size()]);
  once(begin);
}

// The value that was spelled from `begin` on, unless it is known: then it is fetched instead.
void PickleEmitter::once(std::size_t begin) {
  const std::string_view spelled = std::string_view(out_).substr(begin);
  if (spelled.size() <= kLongestGet) return;
  if (const auto found = known_.find(spelled); found != known_.end()) {
    out_.resize(begin);
    get(found->second);
    return;
  }
  known_.emplace(spelled, memo_);
  memoise();
}

std::uint32_t PickleEmitter::memoise() {
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

void PickleEmitter::get(std::uint32_t slot) {
  op(slot < 256 ? kBINGET : kLONG_BINGET);
  if (slot < 256) {
    op(static_cast<char>(slot));
  } else {
    put(slot);
  }
}

std::string PickleEmitter::take() { return std::exchange(out_, {}); }

}  // namespace holdall
