// The filters that chunks of HDF5 data sets pass: deflate, shuffle, fletcher32; all others are refused by name.
//
// Thread-safety: a Pipeline is immutable; scratch belongs to one thread. Ownership: owns its list.
#pragma once

#include <span>
#include <vector>

#include "holdall/codec/hdf5_messages.h"

namespace holdall::hdf5 {

// HDF5's own Fletcher checksum of big-endian 16-bit words.
std::uint32_t fletcher32(std::span<const std::byte> data) noexcept;

class Pipeline {
 public:
  struct Scratch {
    std::vector<std::byte> first, second;
  };

  Pipeline() = default;
  explicit Pipeline(std::vector<Filter> filters) : filters_(std::move(filters)) {}

  bool empty() const noexcept { return filters_.empty(); }
  // Errors: unsupported, with the name of the first filter that is not known here.
  Status check() const;
  // Undoes the filters, but for those whose bit is set in `mask`; fills `out` exactly. Errors: corrupt, unsupported.
  Status decode(std::span<const std::byte> stored, std::uint32_t mask, std::span<std::byte> out, Scratch& scratch) const;

 private:
  std::vector<Filter> filters_;
};

}  // namespace holdall::hdf5
