// Walking the fields of a message with a function.
//
// Thread-safety: as the reader's.
#pragma once

#include "holdall/codec/protobuf.h"

namespace holdall::onnx {

// Calls use(field) for each field: Status(const ProtoField&).
template <class Use>
Status each_field(ProtoReader& message, const Use& use) {
  while (true) {
    HOLDALL_ASSIGN(const auto field, message.next());
    if (!field) return {};
    HOLDALL_TRY(use(*field));
  }
}

// Calls use(field, part) for each field that has bytes, as a message: Status(const ProtoField&, ProtoReader&).
template <class Use>
Status each_part(ProtoReader& message, const Use& use) {
  return each_field(message, [&](const ProtoField& field) -> Status {
    if (field.wire != ProtoWire::kBytes) return {};
    HOLDALL_ASSIGN(ProtoReader part, message.message(field));
    return use(field, part);
  });
}

}  // namespace holdall::onnx
