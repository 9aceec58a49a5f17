#include "errors.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>

#include "paths.h"

namespace nb = nanobind;

namespace holdall::python {

void raise(const Error& error, std::string_view of_class) {
  const nb::object make = nb::module_::import_("holdall.errors").attr("_make");
  const std::string named(of_class.empty() ? code_python_class(error.code()) : of_class);
  nb::list context;
  for (const auto& on_behalf : error.context()) context.append(text_of(on_behalf));
  nb::object exception = make(named, text_of(error.to_string()), text_of(error.message()), text_of(error.path()),
                              error.offset(), context, error.system_code());
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(exception.ptr())), exception.ptr());
  throw nb::python_error();
}

}  // namespace holdall::python
