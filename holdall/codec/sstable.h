// Sorted string tables as TensorFlow writes them (LevelDB's, with other compression): texts by keys in byte order.
//
//   table  := block* footer(48)
//   footer := handle of the metaindex block, handle of the index block, zeros up to 40 bytes, u64 0xdb4775248b80fb57
//   handle := varint(offset) varint(size), without the trailer
//   block  := contents, compression (0 none, 1 snappy), u32 CRC-32C of both, masked
//   contents := entry*, u32 restart offset a restart, u32 number of restarts
//   entry  := varint(bytes shared with the key before) varint(bytes of key behind them) varint(bytes of value) key value
//   index  := for each block a key, not before its last and before the next one's first, and its handle
// A CRC is masked so that a CRC over bytes that hold it is none of a fixed form: rotated right by 15 bits, plus 0xa282ead8.
// Specification: table_format.md of LevelDB, table/format.cc of TensorFlow's tsl/lib/io.
//
// Thread-safety: a table is immutable and may be shared. Ownership: it shares its source.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/base/limits.h"
#include "holdall/io/source.h"

namespace holdall {

std::uint32_t mask_crc32c(std::uint32_t crc) noexcept;
std::uint32_t unmask_crc32c(std::uint32_t masked) noexcept;

// Whether the last bytes of a file are a table's footer.
bool ends_table(std::span<const std::byte> tail) noexcept;

class SortedTable {
 public:
  struct Block {
    std::string last_key;  // or one behind it, before the next block's first
    std::uint64_t offset = 0;
    std::uint64_t size = 0;  // without the trailer
  };
  // `value` lives until the call returns; `offset` is that of its block in the source.
  using Visit = std::function<Status(std::string_view key, std::string_view value, std::uint64_t offset)>;

  // Reads footer and index. Errors: corrupt, with offset; unsupported (a compression); limit (a block of more bytes than
  // Limits::header_bytes, more blocks than Limits::members, keys of more than Limits::value_bytes).
  static Result<SortedTable> open(SourceRef source, const Limits& limits);

  const std::vector<Block>& blocks() const noexcept { return blocks_; }
  // Block after block, each checked against its CRC; keys must rise. Errors: those of open(), and of `visit`.
  Status for_each(const Visit& visit) const;
  Status for_each_in(const Block& block, const Visit& visit) const;
  // The value of a key; empty where the table has none. Reads one block.
  Result<std::optional<std::string>> find(std::string_view key) const;
  // Compares the metaindex block with its CRC; the others are by for_each().
  Status check_metaindex() const;
  const SourceRef& source() const noexcept { return source_; }

 private:
  Result<Bytes> read_block(std::uint64_t offset, std::uint64_t size) const;

  SourceRef source_;
  Limits limits_;
  std::vector<Block> blocks_;
  std::uint64_t metaindex_offset_ = 0, metaindex_size_ = 0;
};

// Writes a table. Keys are added in rising order.
class SortedTableWriter {
 public:
  void add(std::string_view key, std::string_view value);
  // The whole table.
  std::string finish() &&;

 private:
  struct Contents {
    std::string bytes, last_key;
    std::vector<std::uint32_t> restarts;
    std::uint32_t since_restart = 0;
    void add(std::string_view key, std::string_view value);
    std::string take();
  };
  void close_block();
  // Appends a block; its handle.
  std::string place(const std::string& contents);

  std::string out_;
  Contents block_, index_;
};

}  // namespace holdall
