#include "holdall/codec/hdf5_arrays.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "holdall/base/checked.h"

namespace holdall::hdf5 {
namespace {

constexpr std::uint64_t kSum = 4;
constexpr unsigned kMostBits = 64;

// What both kinds of array have in common: elements, and pages of them.
class Elements {
 public:
  Elements(Metadata& metadata, const ArrayFacts& facts, const UseChunk& use) : metadata_(metadata), facts_(facts), use_(use) {}

 protected:
  // Signature, version, kind of elements, address of the array's header.
  std::uint64_t prefix() const noexcept { return 4 + 1 + 1 + std::uint64_t{metadata_.widths.address}; }

  Status begin(Fields& fields, std::string_view signature) const {
    HOLDALL_TRY(fields.expect(signature));
    HOLDALL_ASSIGN(const std::uint8_t version, fields.version("an array of chunks", 0, 0));
    static_cast<void>(version);
    HOLDALL_ASSIGN(const std::uint8_t kind, fields.byte());
    if (kind != (facts_.filtered ? 1 : 0)) return fields.fault(text("an array of elements of the kind {}", kind));
    return {};
  }

  Status set_element_bytes(const Fields& fields, std::uint8_t bytes) {
    const unsigned least = metadata_.widths.address + (facts_.filtered ? 4u + 1u : 0u);
    const unsigned most = metadata_.widths.address + (facts_.filtered ? 4u + 8u : 0u);
    if (bytes < least || bytes > most)
      return fields.fault(text("elements of {} bytes, {} to {} are allowed", bytes, least, most));
    element_bytes_ = bytes;
    return {};
  }

  Status take(Fields& fields, std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      Chunk chunk;
      HOLDALL_ASSIGN(chunk.address, fields.address());
      chunk.stored = facts_.chunk_bytes;
      if (facts_.filtered) {
        HOLDALL_ASSIGN(chunk.stored, fields.number(element_bytes_ - metadata_.widths.address - 4));
        HOLDALL_ASSIGN(chunk.mask, fields.word());
      }
      if (chunk.address != kUndefined) HOLDALL_TRY(use_(first + i, chunk));
    }
    return {};
  }

  // Which pages were ever written: a bit each, from the highest of a byte down, from `first` on.
  struct Written {
    std::span<const std::byte> bits;
    std::uint64_t first = 0;

    bool operator[](std::uint64_t page) const noexcept {
      const auto byte = std::to_integer<unsigned>(bits[static_cast<std::size_t>((first + page) / 8)]);
      return (byte >> (7 - (first + page) % 8) & 1) != 0;
    }
  };

  // Pages of `page` elements, each with its checksum, from `address` on.
  Status take_pages(std::uint64_t address, Written written, std::uint64_t first, std::uint64_t count, std::uint64_t page) {
    for (std::uint64_t i = 0; i * page < count; ++i) {
      const std::uint64_t here = std::min(page, count - i * page);
      if (written[i]) {
        HOLDALL_ASSIGN(Block block, metadata_.read_checked(address, here * element_bytes_ + kSum));
        Fields fields = metadata_.fields(std::move(block));
        HOLDALL_TRY(take(fields, first + i * page, here));
      }
      address += page * element_bytes_ + kSum;
    }
    return {};
  }

  // Elements that the bytes of the file have room for.
  Status bound(std::uint64_t count, std::uint64_t address) const {
    const auto bytes = checked_multiply(count, element_bytes_);
    if (bytes && *bytes <= metadata_.source()->size()) return {};
    return corrupt(
               text("an array of {} elements of {} bytes in a file of {}", count, element_bytes_, metadata_.source()->size()))
        .at(metadata_.base() + address);
  }

  Metadata& metadata_;
  const ArrayFacts& facts_;
  const UseChunk& use_;
  unsigned element_bytes_ = 0;
};

class FixedArray : Elements {
 public:
  using Elements::Elements;

  Status run() {
    const Widths widths = metadata_.widths;
    HOLDALL_ASSIGN(Block block,
                   metadata_.read_checked(facts_.address, 4 + 1 + 1 + 1 + 1 + widths.length + widths.address + kSum));
    Fields fields = metadata_.fields(std::move(block));
    HOLDALL_TRY(begin(fields, "FAHD"));
    HOLDALL_ASSIGN(const std::uint8_t bytes, fields.byte());
    HOLDALL_TRY(set_element_bytes(fields, bytes));
    HOLDALL_ASSIGN(const std::uint8_t page_bits, fields.byte());
    HOLDALL_ASSIGN(const std::uint64_t count, fields.length());
    HOLDALL_ASSIGN(const std::uint64_t data, fields.address());
    if (data == kUndefined) return {};
    HOLDALL_TRY(bound(count, data));
    const bool is_paged = page_bits < kMostBits && count > std::uint64_t{1} << page_bits;
    return is_paged ? paged(data, count, std::uint64_t{1} << page_bits) : whole(data, count);
  }

 private:
  Status whole(std::uint64_t data, std::uint64_t count) {
    HOLDALL_ASSIGN(Block block, metadata_.read_checked(data, prefix() + count * element_bytes_ + kSum));
    Fields fields = metadata_.fields(std::move(block));
    HOLDALL_TRY(begin(fields, "FADB"));
    HOLDALL_TRY(fields.skip(metadata_.widths.address));
    return take(fields, 0, count);
  }

  Status paged(std::uint64_t data, std::uint64_t count, std::uint64_t page) {
    const std::uint64_t pages = (count - 1) / page + 1;
    const std::uint64_t bits = (pages + 7) / 8;
    HOLDALL_ASSIGN(Block block, metadata_.read_checked(data, prefix() + bits + kSum));
    Fields fields = metadata_.fields(std::move(block));
    HOLDALL_TRY(begin(fields, "FADB"));
    HOLDALL_TRY(fields.skip(metadata_.widths.address));
    HOLDALL_ASSIGN(const Block written, fields.take(bits));
    return take_pages(data + prefix() + bits + kSum, {written.bytes, 0}, 0, count, page);
  }
};

// Elements stand in the index block, then in data blocks of growing size; the first of those are known to the index block, the
// others to secondary blocks.
class ExtensibleArray : Elements {
 public:
  using Elements::Elements;

  Status run() {
    HOLDALL_TRY(read_header());
    if (index_ == kUndefined) return {};
    const std::uint64_t address_bytes = metadata_.widths.address;
    const unsigned direct_blocks = 2 * log2_of(least_pointers_);  // secondary blocks whose data blocks the index block knows
    const std::uint64_t direct = 2 * (std::uint64_t{least_pointers_} - 1);
    const unsigned all = 1 + (bits_ - log2_of(least_elements_));
    if (direct_blocks > all) return corrupt("an extensible array of no sense").at(metadata_.base() + facts_.address);
    const std::uint64_t size =
        prefix() + std::uint64_t{in_index_} * element_bytes_ + (direct + all - direct_blocks) * address_bytes + kSum;
    HOLDALL_ASSIGN(Block block, metadata_.read_checked(index_, size));
    Fields fields = metadata_.fields(std::move(block));
    HOLDALL_TRY(begin(fields, "EAIB"));
    HOLDALL_TRY(fields.skip(address_bytes));
    HOLDALL_TRY(take(fields, 0, in_index_));
    std::uint64_t first = in_index_;
    for (unsigned i = 0; i < direct_blocks; ++i) {
      for (std::uint64_t j = 0; j < blocks_in(i); ++j) {
        HOLDALL_ASSIGN(const std::uint64_t data, fields.address());
        HOLDALL_TRY(data_block(data, first, elements_in(i), {}));
        first += elements_in(i);
      }
    }
    for (unsigned i = direct_blocks; i < all; ++i) {
      HOLDALL_ASSIGN(const std::uint64_t secondary, fields.address());
      if (secondary != kUndefined) HOLDALL_TRY(secondary_block(secondary, i, first));
      const auto under = checked_multiply(blocks_in(i), elements_in(i));
      first = under ? checked_add(first, *under).value_or(UINT64_MAX) : UINT64_MAX;
    }
    return {};
  }

 private:
  Status read_header() {
    const Widths widths = metadata_.widths;
    HOLDALL_ASSIGN(Block block,
                   metadata_.read_checked(facts_.address, 4 + 1 + 1 + 6 + 6 * widths.length + widths.address + kSum));
    Fields fields = metadata_.fields(std::move(block));
    HOLDALL_TRY(begin(fields, "EAHD"));
    HOLDALL_ASSIGN(const std::uint8_t bytes, fields.byte());
    HOLDALL_TRY(set_element_bytes(fields, bytes));
    HOLDALL_ASSIGN(bits_, fields.byte());
    HOLDALL_ASSIGN(in_index_, fields.byte());
    HOLDALL_ASSIGN(least_elements_, fields.byte());
    HOLDALL_ASSIGN(least_pointers_, fields.byte());
    HOLDALL_ASSIGN(page_bits_, fields.byte());
    HOLDALL_TRY(fields.skip(6 * widths.length));
    HOLDALL_ASSIGN(index_, fields.address());
    const bool is_sane = bits_ > 0 && bits_ <= kMostBits && std::has_single_bit(unsigned{least_elements_}) &&
                         std::has_single_bit(unsigned{least_pointers_}) && log2_of(least_elements_) <= bits_ && page_bits_ < 32;
    if (is_sane) return {};
    return fields.fault(
        text("an extensible array of {} bits, {} elements, {} pointers", bits_, least_elements_, least_pointers_));
  }

  std::uint64_t blocks_in(unsigned secondary) const noexcept { return std::uint64_t{1} << (secondary / 2); }
  std::uint64_t elements_in(unsigned secondary) const noexcept {
    return (std::uint64_t{1} << ((secondary + 1) / 2)) * least_elements_;
  }
  std::uint64_t page() const noexcept { return std::uint64_t{1} << page_bits_; }
  unsigned place_bytes() const noexcept { return (bits_ + 7u) / 8u; }

  Status secondary_block(std::uint64_t address, unsigned number, std::uint64_t first) {
    const std::uint64_t blocks = blocks_in(number);
    const std::uint64_t elements = elements_in(number);
    const std::uint64_t page_bytes = elements > page() ? (elements / page() + 7) / 8 : 0;
    const auto bits = checked_multiply(blocks, page_bytes);
    const auto pointers = checked_multiply(blocks, metadata_.widths.address);
    if (!bits || !pointers || *bits > metadata_.source()->size() || *pointers > metadata_.source()->size()) {
      return corrupt(text("a block of {} pointers passes the end of the file", blocks)).at(metadata_.base() + address);
    }
    HOLDALL_ASSIGN(Block block, metadata_.read_checked(address, prefix() + place_bytes() + *bits + *pointers + kSum));
    Fields fields = metadata_.fields(std::move(block));
    HOLDALL_TRY(begin(fields, "EASB"));
    HOLDALL_TRY(fields.skip(std::uint64_t{metadata_.widths.address} + place_bytes()));
    HOLDALL_ASSIGN(const Block written, fields.take(*bits));
    for (std::uint64_t i = 0; i < blocks; ++i) {
      HOLDALL_ASSIGN(const std::uint64_t data, fields.address());
      HOLDALL_TRY(data_block(data, first + i * elements, elements, {written.bytes, i * (elements / page())}));
    }
    return {};
  }

  Status data_block(std::uint64_t address, std::uint64_t first, std::uint64_t count, Written written) {
    if (address == kUndefined) return {};
    HOLDALL_TRY(bound(count, address));
    const std::uint64_t head = prefix() + place_bytes();
    const bool is_paged = !written.bits.empty();
    HOLDALL_ASSIGN(Block block, metadata_.read_checked(address, head + (is_paged ? 0 : count * element_bytes_) + kSum));
    Fields fields = metadata_.fields(std::move(block));
    HOLDALL_TRY(begin(fields, "EADB"));
    HOLDALL_TRY(fields.skip(std::uint64_t{metadata_.widths.address} + place_bytes()));
    return is_paged ? take_pages(address + head + kSum, written, first, count, page()) : take(fields, first, count);
  }

  std::uint8_t bits_ = 0;
  std::uint8_t in_index_ = 0;
  std::uint8_t least_elements_ = 1;
  std::uint8_t least_pointers_ = 1;
  std::uint8_t page_bits_ = 0;
  std::uint64_t index_ = kUndefined;
};

}  // namespace

Status for_each_fixed(Metadata& metadata, const ArrayFacts& facts, const UseChunk& use) {
  return FixedArray(metadata, facts, use).run();
}

Status for_each_extensible(Metadata& metadata, const ArrayFacts& facts, const UseChunk& use) {
  return ExtensibleArray(metadata, facts, use).run();
}

}  // namespace holdall::hdf5
