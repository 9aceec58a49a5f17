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

// The writable bytes of a Python object with the buffer protocol, while this lives. Raises BufferError.
class WritableBuffer {
 public:
  explicit WritableBuffer(nanobind::handle buffer);
  ~WritableBuffer();
  WritableBuffer(const WritableBuffer&) = delete;
  WritableBuffer& operator=(const WritableBuffer&) = delete;
  std::span<std::byte> span() const { return {static_cast<std::byte*>(view_.buf), static_cast<std::size_t>(view_.len)}; }

 private:
  Py_buffer view_;
};

}  // namespace holdall::python
