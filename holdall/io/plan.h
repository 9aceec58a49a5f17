// Plan: everything a write consists of, before any byte is written.
//
// A plan names files; a file is a sequence of parts. The executor (execute) places the parts one behind another and writes
// every plan the same way: preallocated, by several threads in tiles, with direct I/O when the write is durable and large,
// checksums taken in passing, published at the end or not at all.
// Thread-safety: a plan is built by one thread; the sources, late makers and streams in it may be called from others.
// Ownership: owns its parts.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "holdall/base/checksum.h"
#include "holdall/io/blob.h"

namespace holdall {

// Which checksums a part's bytes are wanted with.
struct Checks {
  bool crc32 = false;
  bool xxh3 = false;
  bool crc32c = false;
};

// What became of a part, for late parts behind or before it.
struct Written {
  std::uint64_t offset = 0;  // in its file
  std::uint64_t size = 0;
  std::uint32_t crc32 = 0;   // when asked for
  Xxh128 xxh3;               // when asked for
  std::uint32_t crc32c = 0;  // when asked for
};

// Receives the bytes of a stream part in order.
using Sink = std::function<Status(std::span<const std::byte>)>;

using PartId = std::size_t;

struct Part {
  // The bytes themselves.
  struct Literal {
    Bytes bytes;
  };
  // Bytes of a source, read or made by position in tiles of several threads; a stored checksum of the blob is verified.
  struct Data {
    Blob blob;
  };
  // `size` bytes that `make` computes once the parts in `needs` are done; `parts` is indexed by PartId within the file.
  struct Late {
    std::uint64_t size = 0;
    std::vector<PartId> needs;
    std::function<Status(std::span<const Written> parts, std::span<std::byte> out)> make;
  };
  // Bytes whose number is known only when they have been made. The parts behind it are placed after it.
  struct Stream {
    std::function<Status(const Sink&)> make;
  };
  // Filler up to the next multiple of `alignment` (a power of two) of the file offset.
  struct Align {
    std::uint64_t alignment = 1;
    std::byte filler{0};
  };

  std::variant<Literal, Data, Late, Stream, Align> content;
  Checks checks = {};
};

struct PlannedFile {
  std::string name;  // relative to the folder being written, with '/'; ignored for a plan's one or first file without one
  std::vector<Part> parts;
  // Memory of the file's size from a page's start on, in which the bytes of all data parts lie where the file will have them:
  // the executor works there instead of in tiles of its own (Images). Empty: there is none.
  std::span<std::byte> image = {};

  PartId add(Bytes literal, Checks checks = {});
  PartId add(Blob data, Checks checks = {});
  PartId add(Part::Late late);
  PartId add(Part::Stream stream, Checks checks = {});
  PartId align(std::uint64_t alignment, std::byte filler = std::byte{0});
  // Bytes of the parts so far; empty once a stream or a misplaced Align makes that unknown.
  std::optional<std::uint64_t> size() const;
};

// Something the target cannot hold. A plan with losses is refused unless the user allows them.
struct Loss {
  std::string where;  // a tensor's name, a key of the tree, "metadata"
  std::string what;   // "dtype complex128 has no place in safetensors"
};

struct Plan {
  bool folder = false;  // false: the first file's place is the path given to execute(), others lie beside it
  std::vector<PlannedFile> files;
  std::vector<Loss> losses;
  bool holds_side_files = false;  // of the model: they are parts of the file
};

}  // namespace holdall
