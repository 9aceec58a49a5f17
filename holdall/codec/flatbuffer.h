// FlatBuffers: tables, vectors and texts by field number, without a schema.
//
//   file   := u32 to the root table, four letters that say whose file it is (or the first bytes of something else), ...
//   table  := i32 back to its vtable, fields          vtable := u16 own size, u16 size of the table, u16 place of each field
//   vector := u32 count, elements                     text   := vector of bytes, a NUL behind it
//   A field of the table that is a table, a vector or a text is a u32 to it, from where it stands; place 0: the field is
//   absent.
// Specification: flatbuffers.dev/internals. All little-endian.
//
// The file is read in small pages where something asks for them: what lies between tables (weights) stays on disk. Every offset
// is checked when it is followed. Tables may be shared, so that a small file can say very much: all that is handed out
// together, and the pages, are held to a limit.
// Thread-safety: one thread, tables and vectors of one file included. Ownership: tables and vectors share the file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "holdall/base/endian.h"
#include "holdall/io/blob.h"

namespace holdall {

class FlatFile;
class FlatTable;

// A vector of elements of one width, in the file.
class FlatVector {
 public:
  FlatVector() = default;
  bool is_there() const noexcept { return file_ != nullptr; }
  std::uint64_t size() const noexcept { return count_; }
  bool empty() const noexcept { return count_ == 0; }
  // Of the first element, in the source.
  std::uint64_t place() const noexcept;
  // The elements where they lie; of an absent vector an empty blob.
  Result<Blob> blob() const;
  // All numbers. T has the width that the vector was asked for with. Errors: limit, io.
  template <class T>
  Result<std::vector<T>> numbers() const;
  // Element i of a vector of tables or texts (width 4). Precondition: i < size(). Errors: corrupt, limit, io.
  Result<FlatTable> table(std::uint64_t i) const;
  Result<std::string> text(std::uint64_t i) const;

 private:
  friend class FlatTable;
  FlatVector(std::shared_ptr<FlatFile> file, std::uint64_t at, std::uint64_t count, std::uint64_t width)
      : file_(std::move(file)), at_(at), count_(count), width_(width) {}
  Status take(std::span<std::byte> out) const;

  std::shared_ptr<FlatFile> file_;
  std::uint64_t at_ = 0, count_ = 0, width_ = 1;
};

class FlatTable {
 public:
  // Of its first byte, in the source.
  std::uint64_t place() const noexcept;
  // Errors of all below: corrupt (the place leads out of the table, the offset out of the file), limit, io.
  Result<bool> has(unsigned field) const;
  // A number, a bool (as uint8) or the type of a union; `absent` where the table does not have it.
  template <class T>
  Result<T> number(unsigned field, T absent = 0) const;
  // Where a number stands in the source; nothing where it is absent.
  Result<std::optional<std::uint64_t>> place_of(unsigned field, std::uint64_t width) const;
  Result<std::optional<FlatTable>> table(unsigned field) const;
  // One that is absent is not there.
  Result<FlatVector> vector(unsigned field, std::uint64_t width) const;
  // Empty where it is absent.
  Result<std::string> text(unsigned field) const;
  // Several at once: vector() of numbers, all of them.
  template <class T>
  Result<std::vector<T>> numbers(unsigned field) const {
    HOLDALL_ASSIGN(const FlatVector all, vector(field, sizeof(T)));
    return all.numbers<T>();
  }
  // corrupt, at place().
  Error fault(std::string what) const;

 private:
  friend class FlatFile;
  friend class FlatVector;
  FlatTable(std::shared_ptr<FlatFile> file, std::uint64_t at, std::uint64_t vtable, std::uint16_t fields, std::uint16_t bytes)
      : file_(std::move(file)), at_(at), vtable_(vtable), fields_(fields), bytes_(bytes) {}
  // Where a field of `width` bytes stands, in the file; 0: absent.
  Result<std::uint64_t> find(unsigned field, std::uint64_t width) const;

  std::shared_ptr<FlatFile> file_;
  std::uint64_t at_ = 0, vtable_ = 0;
  std::uint16_t fields_ = 0, bytes_ = 0;
};

class FlatFile : public std::enable_shared_from_this<FlatFile> {
 public:
  // `most`: bytes of pages in memory, and bytes handed out, each; never more than four times the file and 16 MiB.
  static std::shared_ptr<FlatFile> of(Blob file, std::uint64_t most);
  // The four letters behind the first offset; empty where the file is too short.
  Result<std::string> identifier();
  // Errors: corrupt, limit, io.
  Result<FlatTable> root();
  // The first thing met so far that does not stand at a multiple of its size, which a processor may need: its place.
  std::optional<std::uint64_t> misaligned() const noexcept { return misaligned_; }
  const Blob& whole() const noexcept { return file_; }

 private:
  friend class FlatTable;
  friend class FlatVector;
  FlatFile(Blob file, std::uint64_t most) : file_(std::move(file)), most_(most) {}
  Status read(std::uint64_t at, std::span<std::byte> out);
  template <class T>
  Result<T> load(std::uint64_t at) {
    std::byte raw[sizeof(T)];
    HOLDALL_TRY(read(at, raw));
    return load_le<T>(raw);
  }
  // What the u32 at `at` leads to.
  Result<std::uint64_t> follow(std::uint64_t at);
  Result<FlatTable> table_at(std::uint64_t at);
  Result<std::string> text_at(std::uint64_t at);
  Status spend(std::uint64_t bytes);
  void expect_aligned(std::uint64_t at, std::uint64_t width) noexcept;
  Error fault(std::string what, std::uint64_t at) const;
  struct Pages;

  Blob file_;
  std::uint64_t most_, spent_ = 0;
  std::optional<std::uint64_t> misaligned_;
  std::optional<Bytes> resident_;  // the file, where it is in memory anyway
  std::shared_ptr<Pages> pages_;   // else
};

template <class T>
Result<std::vector<T>> FlatVector::numbers() const {
  std::vector<T> values;
  if (file_ == nullptr) return values;
  HOLDALL_TRY(file_->spend(count_ * sizeof(T)));
  values.resize(static_cast<std::size_t>(count_));
  HOLDALL_TRY(take(std::as_writable_bytes(std::span<T>(values))));
  return values;
}

template <class T>
Result<T> FlatTable::number(unsigned field, T absent) const {
  HOLDALL_ASSIGN(const std::uint64_t at, find(field, sizeof(T)));
  if (at == 0) return absent;
  return file_->load<T>(at);
}

}  // namespace holdall
