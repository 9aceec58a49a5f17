#include "errors.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>

#include "paths.h"

namespace nb = nanobind;

namespace holdall::python {

void raise(const Error& error) {
  const nb::object make = nb::module_::import_("holdall.errors").attr("_make");
  const std::string of_class(code_python_class(error.code()));
  nb::object exception = make(of_class, text_of(error.to_string()), text_of(error.message()), text_of(error.path()),
                              error.offset(), error.context(), error.system_code());
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(exception.ptr())), exception.ptr());
  throw nb::python_error();
}

}  // namespace holdall::python
