// Memory: bytes that were loaded for Python, seen through the buffer protocol: writable, and alive as long as anyone looks.
//
// Thread-safety: immutable itself. Ownership: shares its bytes.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>
#include <span>

#include "holdall/io/bytes.h"

namespace holdall::python {

struct Memory {
  Bytes bytes;
};

void bind_memory(nanobind::module_& module);

// The bytes of any Python object with the buffer protocol, which is kept alive; it must be contiguous. Raises BufferError.
Bytes bytes_of_buffer(nanobind::handle buffer);
// [address, address + size), which `owner` keeps alive.
Bytes bytes_at(std::uintptr_t address, std::size_t size, nanobind::handle owner);

}  // namespace holdall::python
