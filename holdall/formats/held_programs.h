// Pickles and archives of torch that a model holds as its data: bytes in a pickle or in an io.BytesIO, the same encoded in
// texts, tensors of bytes. No loader of the file runs them; who takes the model apart does: TransformerEngine unpickles every
// `_extra_state` of a state dict (transformer_engine/ pytorch/module/base.py, set_extra_state).
//
// Thread-safety: may be called from several threads. Ownership: findings own their texts.
#pragma once

#include <string>

#include "holdall/core/value.h"
#include "holdall/formats/format.h"

namespace holdall {

// Appends what the bytes do where they are, from their first byte on, an archive or a pickle that says its protocol and imports
// something, up to its fault, or holds one that does. Text that spells a pickle of protocol 0 is text; faults are not told: it
// is data first.
void judge_held(const Blob& bytes, const std::string& where, const Context& context, Findings& findings);

// The same for a whole source.
void judge_held(const SourceRef& part, const Context& context, Findings& findings);

// The same for all bytes and encoded texts (encoded.h) among the values of a pickle, which is at `where`.
void judge_held(const Arena& arena, const std::string& where, const Context& context, Findings& findings);

}  // namespace holdall
