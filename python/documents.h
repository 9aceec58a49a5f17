// inspect, diff, verify, scan, convert and formats: the library's documents as JSON texts.
//
// Thread-safety: the caller holds the GIL, which is released while the library works. Ownership: none.
#pragma once

#include <nanobind/nanobind.h>

namespace holdall::python {

void bind_documents(nanobind::module_& module);

}  // namespace holdall::python
