#include "holdall/codec/hdf5_heaps.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/codec/hdf5_tree2.h"

namespace holdall::hdf5 {
namespace {

// "FHDB" or "FHIB", version, address of the heap; the block's place in the heap follows.
constexpr std::uint64_t kBlockPrefix = 5;
constexpr std::uint64_t kMostRows = 64;

}  // namespace

Result<LocalHeap> LocalHeap::open(Metadata& metadata, std::uint64_t address) {
  const Widths widths = metadata.widths;
  HOLDALL_ASSIGN(Block block, metadata.read(address, 8 + 2 * widths.length + widths.address));
  Fields fields = metadata.fields(std::move(block));
  HOLDALL_TRY(fields.expect("HEAP"));
  HOLDALL_ASSIGN(const std::uint8_t version, fields.version("a local heap", 0, 0));
  static_cast<void>(version);
  HOLDALL_TRY(fields.skip(3));
  HOLDALL_ASSIGN(const std::uint64_t size, fields.length());
  HOLDALL_TRY(fields.skip(widths.length));
  HOLDALL_ASSIGN(const std::uint64_t data, fields.address());
  LocalHeap heap;
  HOLDALL_ASSIGN(heap.data_, metadata.read(data, size));
  return heap;
}

Result<std::string_view> LocalHeap::text_at(std::uint64_t offset) const {
  const std::string_view data = data_.bytes.text();
  if (offset >= data.size()) {
    return corrupt(text("a name at {} of a heap of {} bytes", offset, data.size())).at(data_.at);
  }
  const std::string_view rest = data.substr(static_cast<std::size_t>(offset));
  const std::size_t end = rest.find('\0');
  if (end == std::string_view::npos) return corrupt("a name does not end").at(data_.at + offset);
  return rest.substr(0, end);
}

Result<FractalHeap> FractalHeap::open(Metadata& metadata, std::uint64_t address) {
  FractalHeap heap(metadata);
  HOLDALL_TRY(heap.read_header(address));
  return heap;
}

Status FractalHeap::read_header(std::uint64_t address) {
  address_ = address;
  const Widths widths = metadata_->widths;
  const std::uint64_t size =
      4 + 1 + 2 + 2 + 1 + 4 + 12 * std::uint64_t{widths.length} + 3 * std::uint64_t{widths.address} + 2 + 2 + 2 + 2 + 4;
  HOLDALL_ASSIGN(const Block prefix, metadata_->read(address, 9));
  Fields before = metadata_->fields(prefix);
  HOLDALL_TRY(before.expect("FRHP"));
  HOLDALL_ASSIGN(const std::uint8_t version, before.version("a fractal heap", 0, 0));
  static_cast<void>(version);
  HOLDALL_ASSIGN(id_bytes_, before.half());
  HOLDALL_ASSIGN(const std::uint16_t filter_bytes, before.half());
  if (filter_bytes != 0) return before.refused("a fractal heap whose blocks are filtered");
  HOLDALL_ASSIGN(const Block block, metadata_->read_checked(address, size));
  Fields fields = metadata_->fields(block);
  HOLDALL_TRY(fields.skip(9));
  HOLDALL_ASSIGN(const std::uint8_t flags, fields.byte());
  blocks_checked_ = (flags & 2) != 0;
  HOLDALL_ASSIGN(const std::uint32_t largest_object, fields.word());
  HOLDALL_TRY(fields.skip(widths.length));
  HOLDALL_ASSIGN(huge_tree_, fields.address());
  HOLDALL_TRY(fields.skip(widths.length + widths.address + 8 * widths.length));
  HOLDALL_ASSIGN(width_, fields.half());
  HOLDALL_ASSIGN(first_block_, fields.length());
  HOLDALL_ASSIGN(largest_block_, fields.length());
  HOLDALL_ASSIGN(const std::uint16_t bits, fields.half());
  heap_bits_ = bits;
  HOLDALL_TRY(fields.skip(2));
  HOLDALL_ASSIGN(root_, fields.address());
  HOLDALL_ASSIGN(const std::uint16_t rows, fields.half());
  root_rows_ = rows;
  const bool is_sane = width_ != 0 && std::has_single_bit(width_) && std::has_single_bit(first_block_) &&
                       std::has_single_bit(largest_block_) && first_block_ <= largest_block_ && heap_bits_ <= 64 &&
                       heap_bits_ > 0 && root_rows_ <= kMostRows && largest_block_ <= metadata_->limits().header_bytes;
  if (!is_sane) {
    return fields.fault(text("a fractal heap of {} bits, {} blocks a row, of {} to {} bytes", heap_bits_, width_, first_block_,
                             largest_block_));
  }
  length_bytes_ = std::min((log2_of(largest_block_) + 7) / 8, bytes_for(largest_object));
  return {};
}

Result<Block> FractalHeap::object(std::span<const std::byte> id) {
  Fields fields = metadata_->fields({Bytes::copy(id), metadata_->base() + address_});
  HOLDALL_ASSIGN(const std::uint8_t first, fields.byte());
  switch (first >> 4 & 3) {
    case 0: {
      HOLDALL_ASSIGN(const std::uint64_t offset, fields.number((heap_bits_ + 7) / 8));
      HOLDALL_ASSIGN(const std::uint64_t size, fields.number(length_bytes_));
      return managed(offset, size);
    }
    case 1:
      return huge(id.subspan(1));
    case 2: {
      std::uint64_t size = (first & 15u) + 1u;
      if (id_bytes_ > 18) {
        HOLDALL_ASSIGN(const std::uint8_t second, fields.byte());
        size = ((first & 15u) << 8 | second) + 1u;
      }
      return fields.take(size);
    }
    default:
      return fields.fault("an object of an unknown kind in a fractal heap");
  }
}

std::uint64_t FractalHeap::row_bytes(unsigned row) const noexcept { return row < 2 ? first_block_ : first_block_ << (row - 1); }

Result<FractalHeap::Place> FractalHeap::place_of(std::uint64_t offset) {
  const unsigned place_bytes = (heap_bits_ + 7) / 8;
  const unsigned direct_rows = log2_of(largest_block_) - log2_of(first_block_) + 2;
  const std::uint64_t entry = metadata_->widths.address;
  std::uint64_t begin = 0;
  std::uint64_t address = root_;
  unsigned rows = root_rows_;
  if (rows == 0) return Place{root_, 0, first_block_};
  for (unsigned depth = 0; depth < kMostRows; ++depth) {
    // The row and the column of the block that holds the byte.
    const std::uint64_t inside = offset - begin;
    const std::uint64_t first_row = first_block_ * width_;
    unsigned row = 0;
    std::uint64_t row_begin = 0;
    if (inside >= first_row) {
      row = log2_of(inside) - log2_of(first_row) + 1;
      if (row >= 63 || row >= rows) return corrupt(text("byte {} lies outside of the fractal heap", offset)).at(address_);
      row_begin = first_row << (row - 1);
    }
    if (row >= rows) return corrupt(text("byte {} lies outside of the fractal heap", offset)).at(address_);
    const std::uint64_t column = (inside - row_begin) / row_bytes(row);
    const std::uint64_t children = std::uint64_t{rows} * width_;
    HOLDALL_ASSIGN(Block block, metadata_->read_checked(address, kBlockPrefix + entry + place_bytes + children * entry + 4));
    Fields fields = metadata_->fields(std::move(block));
    HOLDALL_TRY(fields.expect("FHIB"));
    HOLDALL_TRY(fields.skip(1 + entry + place_bytes + (row * std::uint64_t{width_} + column) * entry));
    HOLDALL_ASSIGN(address, fields.address());
    begin += row_begin + column * row_bytes(row);
    if (row < direct_rows) return Place{address, begin, row_bytes(row)};
    rows = log2_of(row_bytes(row)) - log2_of(first_row) + 1;
  }
  return corrupt("a fractal heap is nested too deeply").at(address_);
}

Result<Block> FractalHeap::managed(std::uint64_t offset, std::uint64_t size) {
  HOLDALL_ASSIGN(const Place place, place_of(offset));
  auto found = blocks_.find(place.begin);
  if (found == blocks_.end()) {
    HOLDALL_ASSIGN(Block block, metadata_->read(place.address, place.size));
    Fields fields = metadata_->fields(block);
    HOLDALL_TRY(fields.expect("FHDB"));
    if (blocks_checked_) {
      HOLDALL_TRY(fields.skip(1 + std::uint64_t{metadata_->widths.address} + (heap_bits_ + 7) / 8));
      const std::size_t at = fields.position();
      HOLDALL_ASSIGN(const std::uint32_t stored, fields.word());
      // The sum is taken with zeros where it stands.
      std::vector<std::byte> cleared(block.bytes.span().begin(), block.bytes.span().end());
      std::fill_n(cleared.begin() + static_cast<std::ptrdiff_t>(at), 4, std::byte{0});
      HOLDALL_TRY(metadata_->check({Bytes::adopt(std::move(cleared)), block.at}, stored));
    }
    found = blocks_.emplace(place.begin, std::move(block)).first;
  }
  if (!fits(offset - place.begin, size, place.size)) {
    return corrupt(
               text("an object of {} bytes at {} passes the end of its block of {}", size, offset - place.begin, place.size))
        .at(found->second.at);
  }
  return found->second.slice(offset - place.begin, size);
}

Result<Block> FractalHeap::huge(std::span<const std::byte> id) {
  const Widths widths = metadata_->widths;
  Fields fields = metadata_->fields({Bytes::copy(id), metadata_->base() + address_});
  if (widths.address + widths.length + 1 <= id_bytes_) {
    HOLDALL_ASSIGN(const std::uint64_t address, fields.address());
    HOLDALL_ASSIGN(const std::uint64_t size, fields.length());
    return metadata_->read(address, size);
  }
  HOLDALL_ASSIGN(const std::uint64_t number, fields.number(std::min<unsigned>(id_bytes_ - 1u, widths.length)));
  std::optional<Block> object;
  HOLDALL_TRY(for_each_record(*metadata_, huge_tree_, 1, [&](Fields record) -> Status {
    HOLDALL_ASSIGN(const std::uint64_t address, record.address());
    HOLDALL_ASSIGN(const std::uint64_t size, record.length());
    HOLDALL_ASSIGN(const std::uint64_t own, record.length());
    if (own != number || object) return {};
    HOLDALL_ASSIGN(object, metadata_->read(address, size));
    return {};
  }));
  if (!object) return fields.fault(text("the large object {} of a fractal heap is missing", number));
  return *std::move(object);
}

Result<const GlobalHeap::Collection*> GlobalHeap::collection(std::uint64_t address) {
  const auto known = collections_.find(address);
  if (known != collections_.end()) return &known->second;
  const unsigned width = metadata_.widths.length;
  HOLDALL_ASSIGN(const Block head, metadata_.read(address, 8 + width));
  Fields fields = metadata_.fields(head);
  HOLDALL_TRY(fields.expect("GCOL"));
  HOLDALL_ASSIGN(const std::uint8_t version, fields.version("a global heap", 1, 1));
  static_cast<void>(version);
  HOLDALL_TRY(fields.skip(3));
  HOLDALL_ASSIGN(const std::uint64_t size, fields.length());
  if (size < 8 + width) return fields.fault(text("a global heap of {} bytes", size));
  Collection made;
  HOLDALL_ASSIGN(made.block, metadata_.read(address, size));
  Fields objects = metadata_.fields(made.block);
  HOLDALL_TRY(objects.skip(8 + width));
  while (objects.remaining() >= 8 + width) {
    HOLDALL_ASSIGN(const std::uint16_t number, objects.half());
    HOLDALL_TRY(objects.skip(6));
    HOLDALL_ASSIGN(const std::uint64_t bytes, objects.length());
    if (number == 0) break;  // what is left is free
    const std::uint64_t begin = objects.position();
    if (!made.objects.emplace(number, std::pair(begin, bytes)).second) {
      return objects.fault(text("two objects of number {} in a global heap", number));
    }
    HOLDALL_TRY(objects.skip(bytes));
    objects.align(8);
  }
  return &collections_.emplace(address, std::move(made)).first->second;
}

Result<Block> GlobalHeap::object(std::uint64_t address, std::uint32_t index) {
  HOLDALL_ASSIGN(const Collection* const found, collection(address));
  const auto object = found->objects.find(index);
  if (object == found->objects.end()) return corrupt(text("no object {} in a global heap", index)).at(found->block.at);
  return found->block.slice(object->second.first, object->second.second);
}

Status GlobalHeap::for_each(std::uint64_t address, const std::function<Status(const Bytes&)>& use) {
  HOLDALL_ASSIGN(const Collection* const found, collection(address));
  for (const auto& [number, place] : found->objects) HOLDALL_TRY(use(found->block.slice(place.first, place.second).bytes));
  return {};
}

}  // namespace holdall::hdf5
