// Source: thread-safe positioned reads of a fixed number of bytes, wherever they are: a file, a member of an archive, memory,
// the decoding of another source. Whatever produces bytes by position is a Source, so a cast or a transpose is one too.
//
// Thread-safety: every member may be called from several threads. Ownership: shared through SourceRef.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "holdall/base/endian.h"
#include "holdall/base/limits.h"
#include "holdall/base/result.h"
#include "holdall/io/bytes.h"

namespace holdall {

// Where bytes lie verbatim: a path on this machine ("-": standard input) and an offset in it.
struct Location {
  std::string path;
  std::uint64_t offset = 0;
};

class Source {
 public:
  Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  virtual ~Source() = default;

  // Of a stream that shows its end only when it is decoded to there: the most that it may be, until find_end().
  virtual std::uint64_t size() const noexcept = 0;
  // For messages: "model.pt", "model.pt!archive/data.pkl".
  virtual const std::string& name() const noexcept = 0;
  // Fills `out` whole from `offset`. Errors: corrupt when [offset, offset + out.size()) passes the end or the bytes do not
  // decode, io. The error names this source and the offset.
  virtual Status read_at(std::uint64_t offset, std::span<std::byte> out) const = 0;
  // Fills as much of `out` as there is from `offset`, and says how much. Errors: those of read_at() but for the end.
  virtual Result<std::size_t> read_up_to(std::uint64_t offset, std::span<std::byte> out) const;
  // Makes size() exact. Errors: those of the decoding of all of it.
  virtual Status find_end() const { return {}; }
  // All of the bytes, which the source gives up to whoever asks first: it keeps none of them and reads them again if it must.
  virtual std::optional<Bytes> give_up() const { return std::nullopt; }
  // Where the bytes from `offset` to the end lie verbatim; empty for decoded or remote bytes.
  virtual std::optional<Location> locate(std::uint64_t offset) const;
  // The bytes when they are in memory already, else nothing.
  virtual std::optional<Bytes> resident() const;
  // For io/ alone: a descriptor that holds byte `offset` of this source at `*at`, or -1. It lives as long as the source.
  virtual int descriptor(std::uint64_t offset, std::uint64_t* at) const noexcept;
  // False when a read at a far offset decodes everything before it (a deflated member).
  virtual bool random_access() const noexcept { return true; }
  // Bytes that are decoded together: reads of whole multiples of it, or of as many to the end, decode nothing twice. 1: any.
  virtual std::uint64_t unit() const noexcept { return 1; }
};

using SourceRef = std::shared_ptr<const Source>;

// A local file; symbolic links are followed. Errors: not found, denied, io; invalid argument for a folder.
Result<SourceRef> open_file(const std::string& path);
// Bytes in memory under a name.
SourceRef memory_source(Bytes bytes, std::string name);
// [offset, offset + size) of another source. Errors: corrupt when that passes its end.
Result<SourceRef> slice_source(SourceRef whole, std::uint64_t offset, std::uint64_t size, std::string name);
// Every `width`-byte unit of `whole` reversed; its size must be a multiple of width (1, 2, 4, 8, 16).
Result<SourceRef> byte_swapped_source(SourceRef whole, std::size_t width);

// Whether these bytes, 16 at most, stand at an offset; false where they cannot be read.
bool stands_at(const Source& source, std::uint64_t offset, std::string_view mark);
// Reads all of it into memory. Errors: limit when the source is larger than `most` bytes.
Result<Bytes> read_all(const Source& source, std::uint64_t most);
// Reads [offset, offset + size). Errors: corrupt when that passes the end; the memory is sized after that check.
Result<Bytes> read_range(const Source& source, std::uint64_t offset, std::uint64_t size);

}  // namespace holdall
