// Errors of the library as exceptions of the package: holdall.errors has the classes, base/codes.inc says which code is which.
//
// Thread-safety: the caller holds the GIL. Ownership: none.
#pragma once

#include <nanobind/nanobind.h>

#include <string_view>
#include <utility>

#include "holdall/base/result.h"

namespace holdall::python {

// Throws the Python exception that stands for an error, or one of the class named.
[[noreturn]] void raise(const Error& error, std::string_view of_class = {});

inline void checked(const Status& status) {
  if (!status) raise(status.error());
}
template <class T>
T checked(Result<T>&& result) {
  if (!result) raise(result.error());
  return std::move(*result);
}

}  // namespace holdall::python
