// What a pickle may tell NumPy about a type of elements. numpy.dtype.__setstate__ believes it: a type of objects that says it
// holds none has raw bytes taken for pointers, and fields beyond their element reach into other memory.
// Thread-safety: pure. Ownership: refers to the caller's arena.
#pragma once

#include <optional>
#include <string>

#include "holdall/core/value.h"

namespace holdall {

// What is wrong with the state that BUILD gives a numpy.dtype, by arraydescr_reduce and arraydescr_setstate of NumPy's
// descriptor.c; nothing for one that NumPy could have written, and for any other object.
std::optional<std::string> dtype_offence(Value object, Value state);

}  // namespace holdall
