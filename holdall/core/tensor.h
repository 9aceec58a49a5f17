// Tensor: a view of a storage by dtype, shape, strides and offset; its bytes stay where they are until asked for.
//
// Thread-safety: immutable. Ownership: shares its storage; two tensors share memory when their storage() is the same.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "holdall/base/digest.h"
#include "holdall/core/dtype.h"
#include "holdall/io/blob.h"

namespace holdall {

// One allocation of a framework.
struct Storage {
  Blob data;
};
using StorageRef = std::shared_ptr<const Storage>;

// Storages of one file, made together: many small ones take less memory than each by itself. All of them live as long as one.
class StoragePool {
 public:
  StoragePool() : storages_(std::make_shared<std::deque<Storage>>()) {}
  StorageRef add(Blob data) {
    storages_->push_back({std::move(data)});
    return at(size() - 1);
  }
  std::size_t size() const noexcept { return storages_->size(); }
  StorageRef at(std::size_t i) const noexcept { return {storages_, &(*storages_)[i]}; }

 private:
  std::shared_ptr<std::deque<Storage>> storages_;
};

struct Quantization;

class Tensor {
 public:
  struct View {
    std::vector<std::int64_t> strides;  // in elements, outermost first; empty: dense row-major
    std::uint64_t offset = 0;           // in elements from the start of the storage
    bool conjugate = false;             // complex values are the conjugates of the stored ones
    bool negative = false;              // values are the negatives of the stored ones
  };

  Tensor() = default;
  // A dense row-major tensor over all of `data`. Errors: corrupt when shape × dtype is not data.size() bytes.
  static Result<Tensor> dense(DType dtype, Shape shape, Blob data);
  static Result<Tensor> dense(DType dtype, Shape shape, StorageRef storage);
  // A view of a storage. Errors: corrupt when an element lies outside of the storage; unsupported for strides on elements
  // that are not whole bytes.
  static Result<Tensor> view(DType dtype, Shape shape, StorageRef storage, View view);
  // A string tensor: per element, row-major, a little-endian uint64 length and that many bytes (UTF-8 for text).
  static Result<Tensor> strings(Shape shape, Blob data);
  // A NumPy structured tensor: `item_bytes` per element; `logical` is the NumPy descr as text.
  static Result<Tensor> records(Shape shape, std::uint64_t item_bytes, Blob data, std::string logical);

  DType dtype() const noexcept { return dtype_; }
  const Shape& shape() const noexcept { return shape_; }
  std::uint64_t elements() const noexcept {
    std::uint64_t count = 1;
    for (const std::uint64_t size : shape_) count *= size;
    return count;
  }
  // Bytes of the dense form, which is what data() gives.
  std::uint64_t bytes() const noexcept { return bytes_; }
  // Null only for a default-made tensor.
  const StorageRef& storage() const noexcept { return storage_; }
  const View& layout() const noexcept { return rare().view; }
  // In elements, outermost first, also for a dense tensor.
  std::vector<std::int64_t> strides() const;
  // Row-major without gaps and without pending conjugation or negation: its bytes are one range of the storage.
  bool is_dense() const noexcept { return dense_; }
  // The half-open byte range of the storage that the elements touch; [0, 0) for an empty tensor.
  std::pair<std::uint64_t, std::uint64_t> span_in_storage() const noexcept;
  // What the elements mean where the dtype alone cannot say: "datetime64[ns]", "U5", "S3", a NumPy descr; empty otherwise.
  const std::string& logical() const noexcept { return rare().logical; }
  Tensor with_logical(std::string logical) const;
  Tensor with_data_check(const Xxh128& hash) const;
  // The scales by which integers stand for real numbers (quantize.h); null for tensors that say what they mean.
  const std::shared_ptr<const Quantization>& quantization() const noexcept { return rare().quantization; }
  Tensor with_quantization(std::shared_ptr<const Quantization> quantization) const;

  // The elements row-major, little-endian, without gaps, packed low bits first: what a digest is over. Lazy: strided views are
  // gathered by tiles when read.
  Result<Blob> data() const;
  // SHA-256 over data(). Memory: one tile.
  Result<Digest> digest() const;

  // The elements in memory. Errors: invalid argument when T does not have the dtype's size and kind; corrupt; io.
  template <class T>
  Result<std::vector<T>> read() const;
  // data() in memory: no copy where the bytes are resident already.
  Result<Bytes> read_bytes() const;
  // Fills `out`, which must be bytes() long, by several threads.
  Status read_into(std::span<std::byte> out) const;
  // Maps the file where the bytes lie verbatim in it, else reads them. A file truncated under a mapping ends the process with
  // SIGBUS: map only files that nobody else writes.
  Result<Bytes> map() const;

 private:
  // What most tensors do without: a model may have millions.
  struct Rare {
    View view;
    std::string logical;
    std::optional<Xxh128> check;  // stored XXH3-128 of the dense bytes
    std::shared_ptr<const Quantization> quantization;
  };
  const Rare& rare() const noexcept;

  DType dtype_ = DType::kUInt8;
  bool dense_ = true;
  Shape shape_;
  std::uint64_t bytes_ = 0;
  StorageRef storage_;
  std::shared_ptr<const Rare> rare_;  // null: nothing of it
};

namespace detail {
// Whether a C++ type of this size and nature holds elements of the dtype: floats hold floats, signed integers signed ones; an
// unsigned integer (or a struct) of the right size holds the bits of any.
Status require_element(DType dtype, std::size_t size, bool is_float, bool is_signed);
}  // namespace detail

template <class T>
Result<std::vector<T>> Tensor::read() const {
  static_assert(std::is_trivially_copyable_v<T>);
  HOLDALL_TRY(detail::require_element(dtype_, sizeof(T), std::is_floating_point_v<T>, std::is_signed_v<T>));
  std::vector<T> values(static_cast<std::size_t>(elements()));
  HOLDALL_TRY(read_into(std::as_writable_bytes(std::span<T>(values))));
  return values;
}

}  // namespace holdall
