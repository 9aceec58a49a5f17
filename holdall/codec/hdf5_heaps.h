// Heaps of HDF5 files: where names, links, attributes and variable-length elements lie.
//
// Thread-safety: that of Metadata; a GlobalHeap belongs to one thread. Ownership: objects share the bytes of their blocks.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "holdall/codec/hdf5_fields.h"

namespace holdall::hdf5 {

// The names of an old group ("HEAP").
class LocalHeap {
 public:
  static Result<LocalHeap> open(Metadata& metadata, std::uint64_t address);
  // The text at an offset. Errors: corrupt.
  Result<std::string_view> text_at(std::uint64_t offset) const;

 private:
  Block data_;
};

// Links and attributes of new groups, and shared messages ("FRHP"): objects by id. Objects in filtered blocks are unsupported:
// nobody writes them.
class FractalHeap {
 public:
  static Result<FractalHeap> open(Metadata& metadata, std::uint64_t address);
  std::size_t id_bytes() const noexcept { return id_bytes_; }
  // Errors: corrupt, unsupported.
  Result<Block> object(std::span<const std::byte> id);

 private:
  explicit FractalHeap(Metadata& metadata) : metadata_(&metadata) {}
  Status read_header(std::uint64_t address);
  Result<Block> managed(std::uint64_t offset, std::uint64_t size);
  // The direct block that holds a byte of the heap, and where it begins in the heap.
  struct Place {
    std::uint64_t address = kUndefined;
    std::uint64_t begin = 0;
    std::uint64_t size = 0;
  };
  Result<Place> place_of(std::uint64_t offset);
  Result<Block> huge(std::span<const std::byte> id);
  std::uint64_t row_bytes(unsigned row) const noexcept;

  Metadata* metadata_;
  std::uint64_t address_ = kUndefined;
  std::uint16_t id_bytes_ = 0;
  bool blocks_checked_ = false;
  std::uint64_t huge_tree_ = kUndefined;
  std::uint16_t width_ = 0;
  std::uint64_t first_block_ = 0;
  std::uint64_t largest_block_ = 0;
  unsigned heap_bits_ = 0;
  unsigned length_bytes_ = 0;
  std::uint64_t root_ = kUndefined;
  unsigned root_rows_ = 0;   // 0: the root is a direct block
  NumberMap<Block> blocks_;  // direct ones, by their place in the heap
};

// Variable-length elements ("GCOL"): objects by the address of their collection and a number in it.
class GlobalHeap {
 public:
  explicit GlobalHeap(Metadata& metadata) : metadata_(metadata) {}
  Result<Block> object(std::uint64_t address, std::uint32_t index);
  // Every object of a collection.
  Status for_each(std::uint64_t address, const std::function<Status(const Bytes& object)>& use);

 private:
  struct Collection {
    Block block;
    NumberMap<std::pair<std::uint64_t, std::uint64_t>> objects;  // begin and size in the block, by number
  };
  Result<const Collection*> collection(std::uint64_t address);

  Metadata& metadata_;
  NumberMap<Collection> collections_;
};

}  // namespace holdall::hdf5
