#include "memory.h"

#include <utility>

namespace nb = nanobind;

namespace holdall::python {
namespace {

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  const Memory& memory = *nb::inst_ptr<Memory>(self);
  auto* const data = const_cast<std::byte*>(memory.bytes.data());
  return PyBuffer_FillInfo(view, self, data, static_cast<Py_ssize_t>(memory.bytes.size()), 0, flags);
}

PyType_Slot slots[] = {{Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)}, {0, nullptr}};

// What a shared_ptr may let go from any thread.
std::shared_ptr<const void> keeper(nb::handle owner) {
  owner.inc_ref();
  return {static_cast<const void*>(owner.ptr()), [owner](const void*) {
            const nb::gil_scoped_acquire gil;
            owner.dec_ref();
          }};
}

}  // namespace

void bind_memory(nb::module_& module) {
  nb::class_<Memory>(module, "Memory", nb::type_slots(slots), "Bytes in memory; supports the buffer protocol, writable.")
      .def("__len__", [](const Memory& memory) { return memory.bytes.size(); })
      .def_prop_ro("address", [](const Memory& memory) { return reinterpret_cast<std::uintptr_t>(memory.bytes.data()); });
}

Bytes bytes_at(std::uintptr_t address, std::size_t size, nb::handle owner) {
  return Bytes::share(keeper(owner), {reinterpret_cast<const std::byte*>(address), size});
}

Bytes bytes_of_buffer(nb::handle buffer) {
  auto view = std::make_unique<Py_buffer>();
  if (PyObject_GetBuffer(buffer.ptr(), view.get(), PyBUF_CONTIG_RO) != 0) throw nb::python_error();
  const std::span<const std::byte> span(static_cast<const std::byte*>(view->buf), static_cast<std::size_t>(view->len));
  std::shared_ptr<const void> owner(view.release(), [](Py_buffer* held) {
    const nb::gil_scoped_acquire gil;
    PyBuffer_Release(held);
    delete held;
  });
  return Bytes::share(std::move(owner), span);
}

WritableBuffer::WritableBuffer(nb::handle buffer) {
  if (PyObject_GetBuffer(buffer.ptr(), &view_, PyBUF_WRITABLE | PyBUF_C_CONTIGUOUS) != 0) throw nb::python_error();
}

WritableBuffer::~WritableBuffer() { PyBuffer_Release(&view_); }

}  // namespace holdall::python
