#include "file_source.h"

#include <nanobind/stl/string.h>

#include <cstdint>
#include <cstring>
#include <mutex>

#include "errors.h"
#include "holdall/base/text.h"

namespace nb = nanobind;

namespace holdall::python {
namespace {

// An exception as the last line of its traceback says it.
std::string line_of(const nb::python_error& error) {
  const auto kind = nb::cast<std::string>(nb::getattr(error.type(), "__name__"));
  const nb::object said = nb::steal(PyObject_Str(error.value().ptr()));
  if (!said.is_valid()) PyErr_Clear();
  const char* const words = said.is_valid() ? PyUnicode_AsUTF8(said.ptr()) : nullptr;
  if (words == nullptr) PyErr_Clear();
  return words == nullptr || *words == 0 ? kind : text("{}: {}", kind, words);
}

class FileSource final : public Source {
 public:
  FileSource(nb::object file, std::uint64_t size, std::string name)
      : file_(std::move(file)), size_(size), name_(std::move(name)) {}
  ~FileSource() override {
    const nb::gil_scoped_acquire gil;
    file_.reset();
  }

  std::uint64_t size() const noexcept override { return size_; }
  const std::string& name() const noexcept override { return name_; }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (offset > size_ || out.size() > size_ - offset) {
      return corrupt(text("{} bytes are needed, {} remain", out.size(), offset > size_ ? 0 : size_ - offset))
          .at(offset)
          .in(name_);
    }
    // Another thread may take the GIL within read(), and then the position: this lock is taken first and never waited for with
    // the GIL.
    const std::lock_guard lock(mutex_);
    const nb::gil_scoped_acquire gil;
    try {
      file_.attr("seek")(offset, 0);
      while (!out.empty()) {
        const nb::object given = file_.attr("read")(out.size());
        if (!nb::isinstance<nb::bytes>(given)) {
          return io_error("the file object gives something else than bytes", 0).at(offset).in(name_);
        }
        const auto piece = nb::borrow<nb::bytes>(given);
        if (piece.size() == 0 || piece.size() > out.size()) {
          return corrupt("the file became shorter while it was read").at(offset).in(name_);
        }
        std::memcpy(out.data(), piece.c_str(), piece.size());
        out = out.subspan(piece.size());
        offset += piece.size();
      }
    } catch (const nb::python_error& error) {
      return io_error(text("the file object cannot be read: {}", line_of(error)), 0).at(offset).in(name_);
    }
    return {};
  }

 private:
  nb::object file_;
  std::uint64_t size_;
  std::string name_;
  mutable std::mutex mutex_;
};

}  // namespace

SourceRef file_source(nb::object file) {
  const nb::object end = file.attr("seek")(0, 2);
  const unsigned long long size = PyLong_Check(end.ptr()) ? PyLong_AsUnsignedLongLong(end.ptr()) : ~0ull;
  PyErr_Clear();
  std::string name = "<file object>";
  if (const nb::object given = nb::getattr(file, "name", nb::none()); nb::isinstance<nb::str>(given)) {
    name = nb::cast<std::string>(given);
  }
  if (size > static_cast<unsigned long long>(INT64_MAX)) {
    raise(io_error("the file object's seek() does not say where its end is", 0).in(name));
  }
  return std::make_shared<FileSource>(std::move(file), size, std::move(name));
}

}  // namespace holdall::python
