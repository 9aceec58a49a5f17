// Elements that a message spells out in repeated fields, as the bytes of a tensor.
//
// Thread-safety: the source may be read from several threads. Ownership: shares the message's source.
#pragma once

#include "holdall/codec/protobuf.h"

namespace holdall::onnx {

// How the entries of a field become bytes.
struct Spelling {
  enum class Kind : std::uint8_t {
    kFixed,    // `width` bytes on the wire and in memory
    kVarint,   // a varint whose low `width` bytes are in memory
    kSixBits,  // a varint whose low six bits are packed
    kText,     // bytes: their length as uint64, and they
  } kind = Kind::kVarint;
  unsigned width = 1;
};

// `size` bytes made of the entries of field `number`, packed or not; decoded when they are read. Errors of its reads: corrupt
// where there are more or fewer.
SourceRef spelled_out(Blob message, std::uint32_t number, Spelling spelling, std::uint64_t size);

}  // namespace holdall::onnx
