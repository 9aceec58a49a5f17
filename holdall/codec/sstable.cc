#include "holdall/codec/sstable.h"

#include <algorithm>
#include <array>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/crc32c.h"
#include "holdall/base/text.h"
#include "holdall/codec/protobuf.h"
#include "holdall/codec/snappy.h"

namespace holdall {
namespace {

constexpr std::uint64_t kMagic = 0xdb4775248b80fb57U;
constexpr std::uint64_t kFooter = 48;
constexpr std::uint64_t kTrailer = 5;  // compression, CRC
constexpr std::uint32_t kMaskDelta = 0xa282ead8U;
constexpr std::size_t kBlockBytes = 4096;
constexpr std::uint32_t kRestartEvery = 16;

// The entries of a block, between its first byte and its restarts.
class Entries {
 public:
  // Errors: corrupt, where the restarts do not fit.
  static Result<Entries> of(std::span<const std::byte> contents) {
    if (contents.size() < 4) return corrupt(text("a block has {} bytes, 4 are needed", contents.size()));
    const auto restarts = load_le<std::uint32_t>(contents.data() + contents.size() - 4);
    if (restarts > (contents.size() - 4) / 4)
      return corrupt(text("a block of {} bytes has {} restarts", contents.size(), restarts));
    return Entries(contents.first(contents.size() - 4 - std::size_t{4} * restarts));
  }

  bool at_end() const noexcept { return left_.empty(); }
  const std::string& key() const noexcept { return key_; }
  std::string_view value() const noexcept { return value_; }

  Status next() {
    const auto shared = take_varint(left_);
    const auto own = shared ? take_varint(left_) : std::nullopt;
    const auto size = own ? take_varint(left_) : std::nullopt;
    if (!size || *shared > key_.size() || *own > left_.size() || *size > left_.size() - *own) {
      return corrupt("an entry of a block does not fit in it");
    }
    const std::string_view rest = as_text(left_.first(static_cast<std::size_t>(*own)));
    const bool rises = is_first_ || std::string_view(key_).substr(static_cast<std::size_t>(*shared)) < rest;
    if (!rises) return corrupt("the keys of a block do not rise");
    is_first_ = false;
    key_.resize(static_cast<std::size_t>(*shared));
    key_ += rest;
    value_ = as_text(left_.subspan(static_cast<std::size_t>(*own), static_cast<std::size_t>(*size)));
    left_ = left_.subspan(static_cast<std::size_t>(*own + *size));
    return {};
  }

 private:
  explicit Entries(std::span<const std::byte> entries) : left_(entries) {}

  std::span<const std::byte> left_;
  std::string key_;
  std::string_view value_;
  bool is_first_ = true;
};

struct Handle {
  std::uint64_t offset = 0, size = 0;
};

std::optional<Handle> take_handle(std::span<const std::byte>& from) {
  const auto offset = take_varint(from);
  const auto size = offset ? take_varint(from) : std::nullopt;
  if (!size) return std::nullopt;
  return Handle{*offset, *size};
}

}  // namespace

std::uint32_t mask_crc32c(std::uint32_t crc) noexcept { return ((crc >> 15) | (crc << 17)) + kMaskDelta; }

std::uint32_t unmask_crc32c(std::uint32_t masked) noexcept {
  const std::uint32_t rotated = masked - kMaskDelta;
  return (rotated >> 17) | (rotated << 15);
}

bool ends_table(std::span<const std::byte> tail) noexcept {
  return tail.size() >= kFooter && load_le<std::uint64_t>(tail.data() + tail.size() - 8) == kMagic;
}

Result<Bytes> SortedTable::read_block(std::uint64_t offset, std::uint64_t size) const {
  const auto with_trailer = checked_add(size, kTrailer);
  if (!with_trailer || !fits(offset, *with_trailer, source_->size() - kFooter)) {
    return corrupt(text("a block of {} bytes does not lie within the {} of the file", size, source_->size()))
        .at(offset)
        .in(source_->name());
  }
  if (size > limits_.header_bytes) {
    return over_limit(text("a block has {} bytes, {} are allowed", size, limits_.header_bytes)).at(offset).in(source_->name());
  }
  HOLDALL_ASSIGN(Bytes read, read_range(*source_, offset, *with_trailer));
  const auto contents = read.span().first(static_cast<std::size_t>(size));
  const std::uint32_t stored = unmask_crc32c(load_le<std::uint32_t>(read.data() + size + 1));
  const std::uint32_t crc = crc32c(read.span().first(static_cast<std::size_t>(size + 1)));
  if (crc != stored) {
    return corrupt(text("a block's CRC-32C is {:08x}, {:08x} was stored", crc, stored)).at(offset).in(source_->name());
  }
  const auto compression = static_cast<unsigned>(read.span()[static_cast<std::size_t>(size)]);
  if (compression == 0) return read.slice(0, static_cast<std::size_t>(size));
  if (compression != 1) return unsupported(text("a block has compression {}", compression)).at(offset).in(source_->name());
  auto decoded = decode_snappy(contents, limits_.header_bytes);
  if (!decoded) return std::move(decoded).error().shifted(offset).in(source_->name());
  return decoded;
}

Result<SortedTable> SortedTable::open(SourceRef source, const Limits& limits) {
  SortedTable table;
  table.source_ = std::move(source);
  table.limits_ = limits;
  const Source& file = *table.source_;
  std::array<std::byte, kFooter> footer;
  if (file.size() < kFooter)
    return corrupt(text("the file has {} bytes, a table's footer takes {}", file.size(), kFooter)).in(file.name());
  HOLDALL_TRY(file.read_at(file.size() - kFooter, footer));
  const auto fault = [&](std::string what) { return corrupt(std::move(what)).at(file.size() - kFooter).in(file.name()); };
  if (!ends_table(footer)) return fault("the last 8 bytes are not those of a table");
  std::span<const std::byte> handles = std::span(footer).first(kFooter - 8);
  const auto metaindex = take_handle(handles);
  const auto index = metaindex ? take_handle(handles) : std::nullopt;
  if (!index) return fault("the footer holds no handles of blocks");
  table.metaindex_offset_ = metaindex->offset;
  table.metaindex_size_ = metaindex->size;
  HOLDALL_ASSIGN(const Bytes contents, table.read_block(index->offset, index->size));
  const auto at_index = [&](Error error) {
    return std::move(error).at(index->offset).in(file.name()).with("index of the table");
  };
  auto entries = Entries::of(contents);
  if (!entries) return at_index(std::move(entries).error());
  std::uint64_t end = 0, keys = 0;  // of the block before; bytes
  while (!entries->at_end()) {
    if (Status next = entries->next(); !next) return at_index(std::move(next).error());
    std::span<const std::byte> value = as_bytes(entries->value());
    const auto handle = take_handle(value);
    if (!handle || !value.empty()) return at_index(corrupt("an entry is no handle of a block"));
    if (table.blocks_.size() == limits.members) return at_index(over_limit(text("more than {} blocks", limits.members)));
    if (handle->offset < end) return at_index(corrupt(text("a block at {} begins within the one before", handle->offset)));
    if ((keys += sizeof(Block) + entries->key().size()) > limits.value_bytes) {
      return at_index(over_limit(text("keys take more than {} bytes", limits.value_bytes)));
    }
    end = checked_add(handle->offset, handle->size).value_or(UINT64_MAX);
    table.blocks_.push_back({entries->key(), handle->offset, handle->size});
  }
  return table;
}

Status SortedTable::for_each_in(const Block& block, const Visit& visit) const {
  HOLDALL_ASSIGN(const Bytes contents, read_block(block.offset, block.size));
  const auto here = [&](Error error) { return std::move(error).at(block.offset).in(source_->name()); };
  auto entries = Entries::of(contents);
  if (!entries) return here(std::move(entries).error());
  while (!entries->at_end()) {
    if (Status next = entries->next(); !next) return here(std::move(next).error());
    if (entries->key() > block.last_key) return here(corrupt("a key of a block stands behind the index's for it"));
    if (Status visited = visit(entries->key(), entries->value(), block.offset); !visited)
      return here(std::move(visited).error());
  }
  return {};
}

Status SortedTable::for_each(const Visit& visit) const {
  const std::string* before = nullptr;
  for (const Block& block : blocks_) {
    bool is_first = true;
    HOLDALL_TRY(for_each_in(block, [&](std::string_view key, std::string_view value, std::uint64_t offset) -> Status {
      if (std::exchange(is_first, false) && before != nullptr && key <= *before) return corrupt("the blocks' keys do not rise");
      return visit(key, value, offset);
    }));
    before = &block.last_key;
  }
  return {};
}

Result<std::optional<std::string>> SortedTable::find(std::string_view key) const {
  const auto block = std::lower_bound(blocks_.begin(), blocks_.end(), key,
                                      [](const Block& each, std::string_view wanted) { return each.last_key < wanted; });
  std::optional<std::string> found;
  if (block == blocks_.end()) return found;
  HOLDALL_TRY(for_each_in(*block, [&](std::string_view each, std::string_view value, std::uint64_t) -> Status {
    if (each == key) found = value;
    return {};
  }));
  return found;
}

Status SortedTable::check_metaindex() const {
  auto read = read_block(metaindex_offset_, metaindex_size_);
  return read ? Status() : Status(std::move(read).error());
}

void SortedTableWriter::Contents::add(std::string_view key, std::string_view value) {
  std::size_t shared = 0;
  if (restarts.empty() || since_restart == kRestartEvery) {
    restarts.push_back(static_cast<std::uint32_t>(bytes.size()));
    since_restart = 0;
  } else {
    const auto differ = std::mismatch(key.begin(), key.end(), last_key.begin(), last_key.end());
    shared = static_cast<std::size_t>(differ.first - key.begin());
  }
  ++since_restart;
  append_varint(bytes, shared);
  append_varint(bytes, key.size() - shared);
  append_varint(bytes, value.size());
  bytes += key.substr(shared);
  bytes += value;
  last_key = key;
}

std::string SortedTableWriter::Contents::take() {
  if (restarts.empty()) restarts.push_back(0);
  const auto append = [&](std::uint32_t number) {
    std::array<char, 4> raw;
    store_le(raw.data(), number);
    bytes.append(raw.data(), raw.size());
  };
  for (const std::uint32_t restart : restarts) append(restart);
  append(static_cast<std::uint32_t>(restarts.size()));
  restarts.clear();
  since_restart = 0;
  return std::exchange(bytes, {});
}

std::string SortedTableWriter::place(const std::string& contents) {
  std::string handle;
  append_varint(handle, out_.size());
  append_varint(handle, contents.size());
  const std::size_t begin = out_.size();
  out_ += contents;
  out_ += '\0';
  std::array<char, 4> crc;
  store_le(crc.data(), mask_crc32c(crc32c(as_bytes(std::string_view(out_).substr(begin)))));
  out_.append(crc.data(), crc.size());
  return handle;
}

void SortedTableWriter::close_block() {
  if (block_.bytes.empty()) return;
  const std::string handle = place(block_.take());
  index_.add(block_.last_key, handle);
}

void SortedTableWriter::add(std::string_view key, std::string_view value) {
  block_.add(key, value);
  if (block_.bytes.size() >= kBlockBytes) close_block();
}

std::string SortedTableWriter::finish() && {
  close_block();
  std::string footer = place(Contents().take());
  footer += place(index_.take());
  footer.resize(kFooter - 8);
  std::array<char, 8> magic;
  store_le(magic.data(), kMagic);
  out_ += footer;
  out_.append(magic.data(), magic.size());
  return std::move(out_);
}

}  // namespace holdall
