// Prose: a text whose first letters a pickle machine takes for opcodes ("cat\ndog\nbird\n" imports `at.dog`).
//
// Thread-safety: pure functions.
#pragma once

#include "holdall/base/limits.h"
#include "holdall/io/source.h"

namespace holdall {

enum class Wording : std::uint8_t {
  kProse,  // a pickle breaks off in it, which called nothing but what has no name, and imported or changed nothing that Python,
           // a framework or a file beside has
  kPickle,  // it acts, or ends as pickles do
  kUnread,  // some readers go on where it breaks off, or it is too large to be told
};

// What a text, or other bytes, is that may be pickles, one behind another.
Wording wording_of(const SourceRef& source, const Limits& limits);

}  // namespace holdall
