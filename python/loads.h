// Tensors of opened models into memory for Python: read by several threads, mapped, or through a buffer of the caller's.
//
// Thread-safety: the caller holds the GIL. Ownership: what is loaded owns itself.
#pragma once

#include <nanobind/nanobind.h>

#include "models.h"

namespace holdall::python {

// Model.load_elements(), Model.load_storages(), Model.stage() and what that returns.
void bind_loads(nanobind::module_& module, nanobind::class_<OpenedModel>& model);

}  // namespace holdall::python
