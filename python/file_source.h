// A Python file object as a Source: reads take the GIL, one at a time.
//
// Thread-safety: that of Source. Ownership: keeps the object alive.
#pragma once

#include <nanobind/nanobind.h>

#include "holdall/io/source.h"

namespace holdall::python {

// `file` has read(size) and seek(offset, whence). Raises what they raise; an exception while the library reads becomes an error
// of code io.
SourceRef file_source(nanobind::object file);

}  // namespace holdall::python
