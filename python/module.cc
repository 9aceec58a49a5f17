// holdall._native: the binding. What a model means to Python stands in the package beside it.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <string>

#include "checkpoints.h"
#include "documents.h"
#include "errors.h"
#include "hdf5.h"
#include "holdall/core/dtype.h"
#include "holdall/holdall.h"
#include "holdall/io/publish.h"
#include "holdall/objects/globals.h"
#include "memory.h"
#include "models.h"
#include "paths.h"

namespace nb = nanobind;
using namespace holdall;

namespace {

// {name: (elements of a block, bytes of a block)}
nb::dict dtypes() {
  nb::dict table;
#define HOLDALL_DTYPE(id, name, elements, bytes, kind) table[name] = nb::make_tuple(elements, bytes);
#include "holdall/core/dtypes.inc"
#undef HOLDALL_DTYPE
  return table;
}

// The names of every builder of globals.inc.
nb::list builders() {
  nb::list names;
#define HOLDALL_BUILDER(id, name) names.append(name);
#define HOLDALL_GLOBAL(module, global, verdict, builder)
#define HOLDALL_ROOT(module)
#include "holdall/objects/globals.inc"
#undef HOLDALL_BUILDER
#undef HOLDALL_GLOBAL
#undef HOLDALL_ROOT
  return names;
}

// (builder, verdict) of a global; ("object", its verdict) for what is not listed.
nb::tuple judged(const std::string& module, const std::string& global) {
  return nb::make_tuple(std::string(name(builder_of(module, global))), std::string(name(verdict_of_global(module, global))));
}

// A path beside another for what Python code prepares there (io/publish.h).
nb::str temporary(nb::handle path) {
  return python::text_of(python::checked(temporary_beside(System::local(), python::path_of(path))));
}

}  // namespace

NB_MODULE(_native, module) {
  nb::set_leak_warnings(false);
  module.attr("__version__") = std::string(version());
  module.def("dtypes", dtypes);
  module.def("builders", builders);
  module.def("judged", judged, nb::arg("module"), nb::arg("name"));
  module.def("temporary_beside", temporary, nb::arg("path"));
  python::bind_memory(module);
  python::bind_models(module);
  python::bind_documents(module);
  python::bind_hdf5(module);
  python::bind_checkpoints(module);
}
