// Checkpoint folders and their writers as the module has them; holdall/checkpoints/ stands on these.
//
// Thread-safety: one thread at a time for a Checkpointer. Ownership: Python's.
#pragma once

#include <nanobind/nanobind.h>

namespace holdall::python {

void bind_checkpoints(nanobind::module_& module);

}  // namespace holdall::python
