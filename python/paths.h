// Paths between Python and the library: the bytes that the system has, whatever they spell.
//
// Thread-safety: the caller holds the GIL. Ownership: everything is a copy.
#pragma once

#include <nanobind/nanobind.h>

#include <string>
#include <string_view>

namespace holdall::python {

// Of a text, bytes or an os.PathLike. Raises ValueError for what no path can hold (NUL), TypeError.
inline std::string path_of(nanobind::handle given) {
  PyObject* encoded = nullptr;
  if (PyUnicode_FSConverter(given.ptr(), &encoded) == 0) throw nanobind::python_error();
  const auto bytes = nanobind::steal<nanobind::bytes>(encoded);
  return {bytes.c_str(), bytes.size()};
}

// What has a path in it, as os.fsdecode() would have it.
inline nanobind::str text_of(std::string_view path) {
  const auto size = static_cast<Py_ssize_t>(path.size());
  const nanobind::object decoded = nanobind::steal(PyUnicode_DecodeFSDefaultAndSize(path.data(), size));
  if (!decoded.is_valid()) throw nanobind::python_error();
  return nanobind::borrow<nanobind::str>(decoded);
}

}  // namespace holdall::python
