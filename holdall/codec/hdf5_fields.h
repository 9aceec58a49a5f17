// The smallest parts of an HDF5 file: fields whose widths the superblock gives, blocks of metadata read by address, and the
// checksum that newer blocks end with.
//
// Layouts: "HDF5 File Format Specification Version 3.0" of the HDF Group. Thread-safety: a Metadata belongs to one thread.
// Ownership: blocks share their bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "holdall/base/keyed_hash.h"
#include "holdall/base/limits.h"
#include "holdall/io/cursor.h"
#include "holdall/io/source.h"

namespace holdall::hdf5 {

// An address that leads nowhere: all bits of its field are set.
inline constexpr std::uint64_t kUndefined = UINT64_MAX;

// Bytes of an address and of a length in this file: 2, 4 or 8.
struct Widths {
  unsigned address = 8;
  unsigned length = 8;
};

// Bob Jenkins' lookup3 (hashlittle, initial value 0), which every checksummed block is closed with.
std::uint32_t lookup3(std::span<const std::byte> data) noexcept;

// Bytes of metadata and the offset in the source where they begin.
struct Block {
  Bytes bytes;
  std::uint64_t at = 0;

  // Precondition: the range lies within the block.
  Block slice(std::uint64_t offset, std::uint64_t size) const {
    return {bytes.slice(static_cast<std::size_t>(offset), static_cast<std::size_t>(size)), at + offset};
  }
};

// A checked walk over a block; errors are corrupt and give the offset in the source.
class Fields {
 public:
  Fields(Block block, Widths widths) : block_(std::move(block)), widths_(widths) {}

  std::size_t position() const noexcept { return position_; }
  std::size_t remaining() const noexcept { return block_.bytes.size() - position_; }
  bool at_end() const noexcept { return remaining() == 0; }
  Widths widths() const noexcept { return widths_; }

  // A little-endian number of `bytes` bytes, 0 to 8.
  Result<std::uint64_t> number(unsigned bytes);
  Result<std::uint8_t> byte();
  Result<std::uint16_t> half();
  Result<std::uint32_t> word();
  Result<std::uint64_t> length() { return number(widths_.length); }
  // kUndefined where all bits are set.
  Result<std::uint64_t> address();
  Result<Block> take(std::uint64_t size);
  Status skip(std::uint64_t size);
  // Passes over what rounds the walk so far up to a multiple of `unit`; what is not there is not missed.
  void align(std::size_t unit) noexcept;
  // A text that ends with a NUL, without it.
  Result<std::string_view> terminated();
  // A number of one byte that must be within [least, most]: a version.
  Result<std::uint8_t> version(std::string_view of, std::uint8_t least, std::uint8_t most);
  Status expect(std::string_view signature);
  Block rest() const { return block_.slice(position_, remaining()); }

  Error fault(std::string message) const { return corrupt(std::move(message)).at(block_.at + position_); }
  Error refused(std::string message) const { return unsupported(std::move(message)).at(block_.at + position_); }

 private:
  Status need(std::uint64_t size) const;

  Block block_;
  Widths widths_;
  std::size_t position_ = 0;
};

// Reads blocks by address, through a small cache: structures lie close together and are small. All that is read counts against
// a budget that no honest file comes near, so metadata that leads back to itself ends.
class Metadata {
 public:
  Metadata(SourceRef source, std::uint64_t base, const Limits& limits);

  const SourceRef& source() const noexcept { return source_; }
  const Limits& limits() const noexcept { return limits_; }
  // What addresses count from: the offset of the superblock in the source.
  std::uint64_t base() const noexcept { return base_; }
  Widths widths;

  // Errors: corrupt when the range passes the end of the source or metadata goes in circles; limit above
  // Limits::header_bytes; io.
  Result<Block> read(std::uint64_t address, std::uint64_t size);
  // The same for a block that may be shorter where the file ends.
  Result<Block> read_at_most(std::uint64_t address, std::uint64_t size);
  // read(), with the last four bytes checked to be the lookup3 of those before, and left out. Errors: corrupt.
  Result<Block> read_checked(std::uint64_t address, std::uint64_t size);
  // Counts bytes that were read already and are kept once more. Errors: corrupt when they pass the budget.
  Status charge(std::uint64_t size, std::uint64_t address);
  Fields fields(Block block) const { return {std::move(block), widths}; }
  // Whether [address, address + size) lies in the file.
  bool holds(std::uint64_t address, std::uint64_t size) const noexcept;
  // Checksums compared so far.
  std::uint64_t checked() const noexcept { return checked_; }
  Status check(const Block& block, std::uint32_t stored);

 private:
  Status copy(std::uint64_t offset, std::span<std::byte> out);

  SourceRef source_;
  std::uint64_t base_;
  Limits limits_;
  std::uint64_t budget_;
  std::uint64_t checked_ = 0;
  NumberMap<Bytes> pages_;
};

// Bytes that numbers up to `most` take.
unsigned bytes_for(std::uint64_t most) noexcept;
// The power of which two is the greatest not above `value`. Precondition: value is not 0.
unsigned log2_of(std::uint64_t value) noexcept;

}  // namespace holdall::hdf5
