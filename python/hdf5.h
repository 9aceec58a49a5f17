// HDF5 files, and archives that hold one, written for the package: what Keras's own functions gave, as holdall/keras recorded
// it.
#pragma once

#include <nanobind/nanobind.h>

namespace holdall::python {

void bind_hdf5(nanobind::module_& module);

}  // namespace holdall::python
